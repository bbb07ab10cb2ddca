/**
 * Shows snapshots on the page, and says when the connection is lost.
 */
import { formatMs } from '../../common/format.js';
import { Card } from './card.js';
import { Connection } from './connection.js';
import { CommandDialog } from './dialog.js';
import { badgeOf, isAlarming } from './words.js';

/** With this many apps the page has a search field. */
const MANY = 7;

const part = (/** @type {string} */ name) =>
  /** @type {HTMLElement} */ (document.querySelector(`[data-part="${name}"]`));

// The address may lack the trailing slash. It may also contain a password, which fetch() refuses.
const base = new URL(location.origin + location.pathname.replace(/\/?$/, '/'));

/** @type {Map<string, Card>} */
const cards = new Map();
/** @type {boolean | undefined} */
let isLive;
let lastSeen = performance.now();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let outcomeTimer;

const search = /** @type {HTMLInputElement} */ (part('filter').querySelector('input'));
const dialog = new CommandDialog(
  /** @type {HTMLDialogElement} */ (part('dialog')),
  base,
  showOutcome,
  keepFocus,
);

part('host').textContent = location.host;
search.addEventListener('input', applyFilter);
setInterval(tick, 1000);
void new Connection(new URL('events', base), show, setLive);

/** @param {import('./status.d.ts').Snapshot} snapshot */
function show({ apps }) {
  lastSeen = performance.now();
  const changes = apps.flatMap((status) => update(status));
  const known = new Set(apps.map(({ app }) => app));
  for (const [app, card] of cards) {
    if (known.has(app)) continue;
    card.remove();
    cards.delete(app);
  }
  part('filter').hidden = cards.size < MANY;
  applyFilter();
  if (changes.length > 0) part('announcement').textContent = changes.join(' ');
  showTitle(apps);
}

/**
 * Returns what a screen reader should announce.
 *
 * @param {import('./status.d.ts').Status} status
 * @returns {string[]}
 */
function update(status) {
  const known = cards.get(status.app);
  const before = known && badgeOf(known.status);
  const card = known ?? add(status);
  card.update(status);
  return before === undefined || before === badgeOf(status)
    ? []
    : [[status.summary, ...status.details].join(' ')];
}

/** @param {import('./status.d.ts').Status} status */
function add(status) {
  const template = /** @type {HTMLTemplateElement} */ (part('app-template'));
  const card = new Card(template, status, (command, latest) => dialog.ask(command, latest));
  cards.set(status.app, card);
  part('apps').append(card.element);
  card.setLive(isLive === true);
  return card;
}

function applyFilter() {
  const wanted = part('filter').hidden ? '' : search.value.trim().toLowerCase();
  for (const [app, { element, status }] of cards) {
    element.hidden = !app.toLowerCase().includes(wanted) && status.phase !== wanted;
  }
}

/** @param {import('./status.d.ts').Status[]} apps */
function showTitle(apps) {
  const held = apps.reduce((sum, app) => sum + app.held, 0);
  const other = apps.find(isAlarming) ?? apps.find(({ phase }) => phase !== 'running');
  document.title = other ? `${badgeOf(other)}, ${held} held · antract` : 'antract';
}

/** @param {boolean} live */
function setLive(live) {
  if (live === isLive) return;
  isLive = live;
  document.body.classList.toggle('is-stale', !live);
  for (const card of cards.values()) card.setLive(live);
  dialog.setLive(live);
  const link = part('link');
  link.dataset['state'] = live ? 'live' : 'lost';
  link.textContent = live ? 'live' : 'connection lost';
  part('stale').hidden = live;
  tick();
}

function tick() {
  if (isLive) {
    for (const card of cards.values()) card.tick();
  } else if (!part('stale').hidden) {
    part('stale-for').textContent = `(${formatMs(performance.now() - lastSeen)})`;
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
  if (!at || at === document.body || at.closest('dialog')) cards.get(app)?.focus();
}

/** @param {string} message */
function showOutcome(message) {
  part('outcome').textContent = message;
  clearTimeout(outcomeTimer);
  outcomeTimer = setTimeout(() => (part('outcome').textContent = ''), 6000);
}
