/**
 * Shows snapshots on the page, sends commands, and says when the connection is lost.
 */
import { formatMs } from '../../common/format.js';
import { Apps } from './apps.js';
import { AdminClient } from './client.js';
import { extensionOf } from './commands.js';
import { Connection, printableText } from './connection.js';
import { CommandDialog, sendCommand } from './dialog.js';
import { Login } from './login.js';
import { badgeOf, compareApps, isAlarming, roundedMs, summaryOf } from './words.js';

/** A message disappears after this time. */
const MESSAGE_MS = 6000;

const part = (/** @type {string} */ name) =>
  /** @type {HTMLElement} */ (document.querySelector(`[data-part="${name}"]`));

// The address may lack the trailing slash. It may also contain a password, which fetch() refuses.
const base = new URL(location.origin + location.pathname.replace(/\/?$/, '/'));

/** @type {import('./connection.js').ConnectionState} */
let state = 'connecting';
/** The server's clock minus this one's. */
let clockOffset = 0;
/** @type {number | undefined} */
let lastSeen;
/** @type {{ version: string, uptimeMs: number } | undefined} */
let about;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let messageTimer;

const client = new AdminClient(base, document.documentElement.dataset['access'] === 'token');
const dialog = new CommandDialog(
  { dialog: /** @type {HTMLDialogElement} */ (part('dialog')), client },
  showMessage,
  keepFocus,
);
const list = new Apps(
  {
    list: part('apps'),
    filter: part('filter'),
    template: /** @type {HTMLTemplateElement} */ (part('app-template')),
    now: () => Date.now() + clockOffset,
  },
  { onCommand, loadHistory },
);
const login = new Login(/** @type {HTMLFormElement} */ (part('login')), (token) => {
  client.token = token;
  connection.open();
});

for (const place of document.querySelectorAll('[data-host]')) place.textContent = location.host;
part('metrics').setAttribute('href', new URL('metrics', base).href);
setInterval(tick, 1000);
const connection = new Connection(client, {
  onSnapshot: show,
  onTransitions: (transitions, areAll) => list.addTransitions(transitions, areAll),
  onChange: setState,
});

/** @param {import('./status.d.ts').Snapshot} snapshot */
function show({ at, apps, server }) {
  lastSeen = performance.now();
  clockOffset = at - Date.now();
  about = server;
  const news = list.show(apps);
  if (news.length > 0) part('announcement').textContent = news.join(' ');
  part('summary').textContent = summaryOf(apps);
  showTitle(apps);
  showAbout();
}

/** @param {import('./status.d.ts').Status[]} apps */
function showTitle(apps) {
  const held = apps.reduce((sum, app) => sum + app.held, 0);
  const [first] = apps.toSorted(compareApps);
  const isNews = first && (isAlarming(first) || first.phase !== 'running');
  document.title = isNews ? `${badgeOf(first)}, ${held} held · antract` : 'antract';
}

function showAbout() {
  if (!about || lastSeen === undefined) return;
  const uptime = about.uptimeMs + performance.now() - lastSeen;
  part('about').textContent = `antract ${about.version}, up for ${formatMs(roundedMs(uptime))}`;
}

/**
 * @param {import('./connection.js').ConnectionState} next
 * @param {string} [reason] the server's own words
 */
function setState(next, reason = '') {
  if (next !== 'waiting') part('reason').textContent = reason;
  if (next === 'refused') login.show(client.hasToken);
  // While the page reconnects, it is still lost.
  if (next === state || (next === 'waiting' && state === 'lost' && lastSeen !== undefined)) return;
  const wasLive = state === 'live';
  state = next;
  const isLive = next === 'live';
  document.body.classList.toggle('is-stale', !isLive && lastSeen !== undefined);
  if (isLive !== wasLive) {
    list.setLive(isLive);
    dialog.setLive(isLive);
  }
  if (isLive) login.hide();
  const link = part('link');
  link.dataset['state'] = next;
  link.textContent = LINK[next];
  part('waiting').hidden = next !== 'waiting';
  part('lost').hidden = next !== 'lost';
  tick();
}

/** @type {Record<import('./connection.js').ConnectionState, string>} */
const LINK = {
  connecting: 'connecting',
  waiting: 'no answer yet',
  live: 'live',
  refused: 'token needed',
  lost: 'contact lost',
};

function tick() {
  if (state === 'live') showAbout();
  list.tick();
  if (state !== 'lost') return;
  part('lost-for').textContent =
    lastSeen === undefined
      ? ''
      : `Last seen ${formatMs(roundedMs(performance.now() - lastSeen))} ago.`;
}

/**
 * @param {import('./commands.js').Command} command
 * @param {import('./card.js').Card} card
 */
function onCommand(command, { status, passedMs }) {
  if (command !== 'extend') return dialog.ask(command, status);
  const parameters = { app: status.app, ...extensionOf(status, passedMs) };
  sendCommand(client, 'enable', parameters).then(
    () => showMessage(`The pause of ${status.app} lasts 5 min longer.`),
    (error) => showMessage(error instanceof Error ? error.message : String(error)),
  );
}

/**
 * Resolves with undefined without an answer: then the charts grow from the snapshots alone.
 *
 * @param {string} app
 * @returns {Promise<import('./status.d.ts').AppHistory | undefined>}
 */
async function loadHistory(app) {
  try {
    const response = await client.request(`history?app=${encodeURIComponent(app)}`);
    return response.ok ? JSON.parse(await response.text(), printableText) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The browser returns the focus to the button that opened the dialog, if the button is still visible.
 *
 * @param {string} app
 */
function keepFocus(app) {
  const at = document.activeElement;
  // The focus may still be in the closed dialog: the browser moves it only at the next frame.
  if (!at || at === document.body || at.closest('dialog')) list.find(app)?.focus();
}

/** @param {string} message */
function showMessage(message) {
  part('outcome').textContent = message;
  clearTimeout(messageTimer);
  messageTimer = setTimeout(() => (part('outcome').textContent = ''), MESSAGE_MS);
}
