/**
 * One app: a compact row, and its details when expanded. Between two snapshots its clocks continue to run.
 */
import { formatMs } from '../../common/format.js';
import { Chart } from './chart.js';
import { commandsFor } from './commands.js';
import { figuresOf } from './figures.js';
import { History } from './history.js';
import {
  writeFigures,
  writeLines,
  writeLog,
  writeReport,
  writeStragglers,
  writeText,
} from './parts.js';
import {
  adviceFor,
  backendText,
  badgeOf,
  hasErrors,
  isAlarming,
  lastKnownLines,
  MARKS,
  reportLines,
  roundedMs,
  whyText,
} from './words.js';

/** @typedef {import('./status.d.ts').Status} Status */
/** @typedef {import('./status.d.ts').Report} Report */
/** @typedef {import('./status.d.ts').Transition} Transition */

const DISMISSED = 'antract-dismissed-';
/** After these, there is a report. @type {Transition['event'][]} */
const ENDS = ['resumed', 'expired', 'stopped'];

/**
 * @typedef {{
 *   onCommand: (command: import('./commands.js').Command, card: Card) => void,
 *   loadHistory: (app: string) => Promise<import('./status.d.ts').AppHistory | undefined>,
 * }} CardListener
 */

export class Card {
  /** @type {HTMLElement} */
  element;
  /** @type {Status} */
  status;
  #history = new History();
  /** @type {Transition[]} */
  #transitions = [];
  /** @type {Report[]} */
  #pauses = [];
  /** @type {Chart} */
  #chart;
  /** @type {CardListener} */
  #listener;
  /** @type {() => number} */
  #now;
  #receivedAt = 0;
  /** Whether the operator has expanded or collapsed the card. */
  #hasChosen = false;
  #isLive = true;

  /**
   * @param {{ template: HTMLTemplateElement, status: Status, now: () => number }} deps `now` is the
   *   server's time, in milliseconds since 1970
   * @param {CardListener} listener
   */
  constructor({ template, status, now }, listener) {
    const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    this.element = /** @type {HTMLElement} */ (copy.firstElementChild);
    this.status = status;
    this.#listener = listener;
    this.#now = now;
    this.#chart = new Chart(
      {
        host: this.#field('chart'),
        readout: this.#field('readout'),
        history: this.#history,
      },
      () => now() / 1000,
      () => void this.load(),
    );
    writeText(this.#field('name'), status.app);
    writeText(this.#field('legend'), `Commands for ${status.app}`);
    this.#field('name').addEventListener('click', () => {
      this.#hasChosen = true;
      this.#expand(this.#field('more').hasAttribute('hidden'));
    });
    this.#field('dismiss').addEventListener('click', () => this.#dismiss());
    for (const button of this.#commands()) {
      const command = /** @type {import('./commands.js').Command} */ (button.dataset['command']);
      button.addEventListener('click', () => listener.onCommand(command, this));
    }
  }

  /** How long ago the status arrived. */
  get passedMs() {
    return performance.now() - this.#receivedAt;
  }

  /** @param {Status} status */
  update(status) {
    this.status = status;
    this.#receivedAt = performance.now();
    this.#history.add(this.#now() / 1000, status);
    const before = this.element.dataset['phase'];
    this.element.dataset['phase'] = status.phase;
    if (before === 'releasing' && status.phase !== before) void this.load();
    this.#showCommands(commandsFor(status));
    this.element.dataset['backend'] = status.backend.state;
    this.element.toggleAttribute('data-alarming', isAlarming(status));
    this.element.toggleAttribute('data-errors', hasErrors(status));
    writeText(this.#field('phase'), badgeOf(status));
    writeText(this.#field('target'), status.target?.replace(/^http:\/\//, '') ?? '');
    const advice = adviceFor(status);
    writeText(this.#field('why'), isAlarming(status) ? advice.join(' ') : whyText(status));
    const { summary } = status.backend;
    const [first = [], ...rest] = status.details.filter((detail) => detail !== summary);
    const lines = isAlarming(status) ? [advice, first, rest] : [first, advice, rest];
    writeLines(this.#field('details'), lines.flat());
    this.#field('chart').setAttribute(
      'aria-label',
      `The last minutes. Now ${status.held} held, ${status.inFlight} in flight.`,
    );
    this.tick();
  }

  /** Updates the clocks. */
  tick() {
    const { passedMs, status } = this;
    if (!this.#isLive) {
      const ago = formatMs(roundedMs(passedMs));
      writeText(this.#field('phase'), `was ${badgeOf(status)} ${ago} ago`);
      return;
    }
    writeText(this.#field('backend'), backendText(status, this.#now(), passedMs));
    writeFigures(this.#field('figures'), figuresOf(status, passedMs));
    writeStragglers(this.#field('stragglers'), status, passedMs);
    this.#chart.draw();
  }

  /** Expands the card, unless the operator has chosen. @param {boolean} isExpanded */
  suggestExpanded(isExpanded) {
    if (!this.#hasChosen) this.#expand(isExpanded);
  }

  /** @param {boolean} isLive */
  setLive(isLive) {
    this.#isLive = isLive;
    /** @type {HTMLFieldSetElement} */ (this.#field('actions')).disabled = !isLive;
    if (isLive) {
      if (this.element.querySelector('canvas')) void this.load();
    } else {
      this.#history.addGap();
      const seenAt = this.#now() - this.passedMs;
      writeLines(this.#field('details'), lastKnownLines(this.status, seenAt));
      this.tick();
    }
  }

  /**
   * @param {readonly Transition[]} transitions of this app
   * @param {boolean} areAll whether earlier ones are among them
   */
  addTransitions(transitions, areAll) {
    this.#transitions = [...(areAll ? [] : this.#transitions), ...transitions].slice(-50);
    this.#history.marks = this.#transitions.map(({ at, event, text }) => ({
      time: at / 1000,
      name: MARKS[event],
      text,
    }));
    this.#showLog();
    if (transitions.some(({ event }) => ENDS.includes(event))) void this.load();
  }

  /** Loads samples and reports. */
  async load() {
    const loaded = await this.#listener.loadHistory(this.status.app);
    if (!loaded) return;
    this.#history.load(loaded.samples);
    this.#pauses = loaded.pauses;
    this.#showReport();
    this.#showLog();
    this.#chart.draw();
  }

  /** For keyboard users whose button has disappeared. */
  focus() {
    this.#commands()
      .find((button) => !button.hidden)
      ?.focus();
  }

  remove() {
    this.#chart.remove();
    this.element.remove();
  }

  /** @param {boolean} isExpanded */
  #expand(isExpanded) {
    this.#field('name').setAttribute('aria-expanded', String(isExpanded));
    this.#field('more').hidden = !isExpanded;
  }

  /** @param {import('./commands.js').Command[]} commands */
  #showCommands(commands) {
    const offers = (/** @type {HTMLButtonElement} */ button) =>
      commands.some((command) => command === button.dataset['command']);
    const buttons = this.#commands();
    const isTroubled = isAlarming(this.status) || hasErrors(this.status);
    const focused = buttons.find((button) => button === document.activeElement);
    for (const button of buttons) {
      if (offers(button)) button.hidden = false;
      const isFirst = button.dataset['command'] === commands[0];
      button.classList.toggle('first', isFirst);
      // The operator has to resume sooner or later, and a pause is what helps against trouble.
      button.classList.toggle('main', isFirst && (commands[0] === 'disable' || isTroubled));
    }
    // Before the old button is hidden, because hiding it would lose the focus.
    if (focused && !offers(focused)) buttons.find(offers)?.focus();
    for (const button of buttons) button.hidden = !offers(button);
  }

  /** A pause that lasts has no report yet; its figures are above. */
  #showReport() {
    const last = this.#pauses.at(-1);
    const isDismissed = last && sessionStorage.getItem(DISMISSED + last.pauseId) !== null;
    writeReport(this.#field('report'), last?.endedBy && !isDismissed ? last : undefined);
  }

  #dismiss() {
    const pauseId = this.#pauses.at(-1)?.pauseId ?? '';
    sessionStorage.setItem(DISMISSED + pauseId, '');
    this.#showReport();
    this.#field('name').focus();
  }

  #showLog() {
    writeLog(this.#field('events'), this.#transitions);
    writeLog(
      this.#field('pauses'),
      this.#pauses
        .filter(({ endedBy }) => endedBy !== null)
        .map((report) => ({ at: report.startedAt, text: reportLines(report)[0] ?? '' })),
    );
  }

  #commands() {
    return /** @type {HTMLButtonElement[]} */ ([
      ...this.element.querySelectorAll('button[data-command]'),
    ]);
  }

  /** @param {string} name */
  #field(name) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`[data-field="${name}"]`));
  }
}
