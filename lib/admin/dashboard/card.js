/**
 * The card of one app. Between two snapshots its clocks continue to run.
 */
import { formatCount, formatMs, formatNumber } from '../../common/format.js';
import { Chart } from './chart.js';
import { History } from './history.js';
import { badgeOf, commandsFor, isAlarming } from './words.js';

/** @typedef {import('./status.d.ts').Status} Status */

export class Card {
  /** @type {HTMLElement} */
  element;
  /** @type {Status} */
  status;
  #history = new History();
  /** @type {Chart} */
  #chart;
  #receivedAt = 0;

  /**
   * @param {HTMLTemplateElement} template
   * @param {Status} status
   * @param {(command: import('./words.js').Command, status: Status) => void} onCommand
   */
  constructor(template, status, onCommand) {
    const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    this.element = /** @type {HTMLElement} */ (copy.firstElementChild);
    this.status = status;
    this.#chart = new Chart(this.#field('chart'), this.#history);
    this.#write('name', status.app);
    this.#write('legend', `Commands for ${status.app}`);
    for (const button of this.#buttons()) {
      const command = /** @type {import('./words.js').Command} */ (button.dataset['command']);
      button.addEventListener('click', () => onCommand(command, this.status));
    }
  }

  /** @param {Status} status */
  update(status) {
    this.status = status;
    this.#receivedAt = performance.now();
    this.#history.add(Date.now() / 1000, status.held, status.inFlight);
    if (this.element.dataset['phase'] !== status.phase) this.#showPhase(status.phase);
    this.element.dataset['backend'] = isAlarming(status) ? 'down' : '';
    this.#write('phase', badgeOf(status));
    this.#showDetails(status);
    this.#write('held', formatNumber(status.held));
    this.#write('inFlight', formatNumber(status.inFlight));
    this.#field('chart').setAttribute(
      'aria-label',
      `The last five minutes. Now ${status.held} held, ${status.inFlight} in flight.`,
    );
    this.#showStragglers(status);
    this.tick();
  }

  /** Updates the clocks. */
  tick() {
    const passed = performance.now() - this.#receivedAt;
    const { oldestHoldMs, endsInMs, leaseEndsInMs, stragglers = [] } = this.status;
    const forMs = this.status.pausedForMs ?? this.status.stoppedForMs ?? null;
    this.#write('oldest', oldestHoldMs === null ? '–' : formatMs(oldestHoldMs + passed));
    const end = endsInMs === null ? null : Math.min(endsInMs, leaseEndsInMs ?? Infinity) - passed;
    this.#write('ends', end === null ? '–' : formatCountdown(end));
    const ages = this.#field('straggler-list').querySelectorAll('span');
    for (const [i, age] of ages.entries()) {
      age.textContent = formatMs((stragglers[i]?.ageMs ?? 0) + passed);
    }
    const elapsed = /** @type {HTMLProgressElement} */ (this.#field('elapsed'));
    elapsed.hidden = forMs === null || endsInMs === null;
    if (forMs !== null && endsInMs !== null) {
      elapsed.max = forMs + endsInMs;
      elapsed.value = forMs + passed;
    }
    this.#chart.draw(Date.now() / 1000);
  }

  /** @param {boolean} isLive */
  setLive(isLive) {
    /** @type {HTMLFieldSetElement} */ (this.#field('actions')).disabled = !isLive;
    if (!isLive) this.#history.addGap();
  }

  /** For keyboard users whose button has disappeared. */
  focus() {
    this.#buttons()
      .find((button) => !button.hidden)
      ?.focus();
  }

  remove() {
    this.#chart.remove();
    this.element.remove();
  }

  /** @param {Status['phase']} phase */
  #showPhase(phase) {
    this.element.dataset['phase'] = phase;
    const commands = commandsFor(phase);
    const offers = (/** @type {HTMLButtonElement} */ button) =>
      commands.some((command) => command === button.dataset['command']);
    const buttons = this.#buttons();
    const focused = buttons.find((button) => button === document.activeElement);
    for (const button of buttons) {
      if (offers(button)) button.hidden = false;
      button.classList.toggle('main', button.dataset['command'] === commands[0]);
      button.classList.toggle('risky', button.dataset['command'] === 'stop');
    }
    // Before the old button is hidden, because hiding it would lose the focus.
    if (focused && !offers(focused)) buttons.find(offers)?.focus();
    for (const button of buttons) button.hidden = !offers(button);
  }

  /** @param {Status} status */
  #showDetails({ details }) {
    const list = this.#field('details');
    const shown = [...list.children].map(({ textContent }) => textContent);
    if (shown.join('\n') === details.join('\n')) return;
    list.hidden = details.length === 0;
    list.replaceChildren(
      ...details.map((sentence) => {
        const line = document.createElement('li');
        line.textContent = sentence;
        return line;
      }),
    );
  }

  /** @param {Status} status */
  #showStragglers({ inFlight, stragglers = [], only }) {
    this.#field('stragglers').hidden = stragglers.length === 0;
    this.#field('straggler-list').replaceChildren(
      ...stragglers.map(({ method, path, waitsFor }) => {
        const line = document.createElement('li');
        const request = document.createElement('code');
        const age = document.createElement('span');
        request.textContent = `${method} ${path}${waitsFor ? ` (${waitsFor})` : ''}`;
        request.title = path;
        line.append(request, age);
        return line;
      }),
    );
    const rest = only === 'writes' ? 0 : inFlight - stragglers.length;
    this.#write('straggler-rest', `and ${formatCount(rest, 'other')}`);
    this.#field('straggler-rest').hidden = stragglers.length === 0 || rest <= 0;
  }

  #buttons() {
    return [...this.element.querySelectorAll('button')];
  }

  /** @param {string} name */
  #field(name) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`[data-field="${name}"]`));
  }

  /**
   * Writes only changes, so that a text selection or a screen reader is not disturbed.
   *
   * @param {string} name
   * @param {string} text
   */
  #write(name, text) {
    const field = this.#field(name);
    if (field.textContent !== text) field.textContent = text;
  }
}

/**
 * The time left, as on a clock: `4:48`, `1:05:00`.
 *
 * @param {number} ms
 */
export function formatCountdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const pad = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const start = hours > 0 ? `${hours}:${pad(minutes)}` : String(minutes);
  return `${start}:${pad(seconds % 60)}`;
}
