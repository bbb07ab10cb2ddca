/**
 * Writes the lists of a card. Only changes are written, so that a text selection or a screen reader is not
 * disturbed.
 */
import { formatCount, formatMs } from '../../common/format.js';
import { clockTime, reportLines } from './words.js';

/**
 * @param {Element} element
 * @param {string} text
 */
export function writeText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Keeps the elements of figures that are still shown.
 *
 * @param {HTMLElement} list
 * @param {readonly import('./figures.js').Figure[]} figures
 */
export function writeFigures(list, figures) {
  const shown = /** @type {HTMLElement[]} */ ([...list.children]);
  const isSame =
    shown.length === figures.length &&
    figures.every(({ name }, i) => shown[i]?.dataset['figure'] === name);
  if (!isSame) list.replaceChildren(...figures.map(({ name }) => createFigure(name)));
  for (const [i, { label, value, note = '', level = '' }] of figures.entries()) {
    const element = /** @type {HTMLElement} */ (list.children[i]);
    const [term, number, remark] = element.querySelectorAll('dt, b, small');
    if (!term || !number || !remark) continue;
    element.dataset['level'] = level;
    writeText(term, label);
    writeText(number, value);
    writeText(remark, note);
  }
}

/** @param {string} name */
function createFigure(name) {
  const figure = document.createElement('div');
  figure.dataset['figure'] = name;
  const description = document.createElement('dd');
  const number = document.createElement('b');
  number.dataset['field'] = name;
  description.append(number, ' ', document.createElement('small'));
  figure.append(document.createElement('dt'), description);
  return figure;
}

/**
 * @param {HTMLElement} list
 * @param {readonly string[]} lines
 */
export function writeLines(list, lines) {
  list.hidden = lines.length === 0;
  const shown = [...list.children].map(({ textContent }) => textContent);
  if (shown.join('\n') === lines.join('\n')) return;
  list.replaceChildren(
    ...lines.map((text) => {
      const line = document.createElement('li');
      line.textContent = text;
      return line;
    }),
  );
}

/**
 * @param {HTMLElement} section
 * @param {import('./status.d.ts').Status} status
 * @param {number} passedMs since the status
 */
export function writeStragglers(section, { inFlight, stragglers = [], only }, passedMs) {
  section.hidden = stragglers.length === 0;
  const list = /** @type {HTMLElement} */ (section.querySelector('ol'));
  const rest = only === 'writes' ? 0 : inFlight - stragglers.length;
  writeLines(list, [
    ...stragglers.map(({ method, path, waitsFor, ageMs }) => {
      const wait = waitsFor ? ` (client ${waitsFor})` : '';
      return `${formatMs(ageMs + passedMs)}  ${method} ${path}${wait}`;
    }),
    ...(rest > 0 ? [`and ${formatCount(rest, 'other')}`] : []),
  ]);
}

/**
 * The report of the last pause, open until the operator dismisses it.
 *
 * @param {HTMLElement} section
 * @param {import('./status.d.ts').Report | undefined} report
 */
export function writeReport(section, report) {
  const [head, list] = section.querySelectorAll('h3, ul');
  const [first = '', ...lines] = report ? reportLines(report) : [];
  section.hidden = report === undefined;
  if (head) writeText(head, first);
  if (list) writeLines(/** @type {HTMLElement} */ (list), lines);
}

/**
 * Earlier pauses or events.
 *
 * @param {HTMLElement} section
 * @param {readonly { at: number, text: string }[]} entries oldest first; the list has the latest first
 */
export function writeLog(section, entries) {
  section.hidden = entries.length === 0;
  const list = /** @type {HTMLElement} */ (section.querySelector('ol'));
  writeLines(list, entries.map(({ at, text }) => `${clockTime(at)}  ${text}`).toReversed());
}
