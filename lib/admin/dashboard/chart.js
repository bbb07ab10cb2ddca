/**
 * Draws an app's last minutes with uPlot: the traffic above, and below the requests that are held and in
 * flight. A crosshair shows the values of a moment; vertical lines mark what happened.
 */
import { formatRate } from './figures.js';
import { requestsOptions, SERIES, trafficOptions } from './plots.js';
import { clockTime } from './words.js';

export class Chart {
  /** @type {HTMLElement} */
  #host;
  /** @type {HTMLElement} */
  #readout;
  /** @type {uPlot[]} */
  #plots = [];
  /** @type {import('./history.js').History} */
  #history;
  /** The server's time, in seconds. @type {() => number} */
  #now;
  /** @type {() => void} */
  #onFirstView;
  #resized = new ResizeObserver(() => this.#resize());
  // Only charts in view are drawn, because hundreds of charts would keep the page busy.
  #isInView = false;
  #inView = new IntersectionObserver((entries) => {
    const isFirst = !this.#isInView && this.#plots.length === 0;
    this.#isInView = entries.at(-1)?.isIntersecting === true;
    if (this.#isInView && isFirst) this.#onFirstView();
    this.draw();
  });
  #restyle = () => this.#redraw();
  #dark = matchMedia('(prefers-color-scheme: dark)');

  /**
   * @param {{ host: HTMLElement, readout: HTMLElement, history: import('./history.js').History }} deps
   * @param {() => number} now the server's time, in seconds
   * @param {() => void} onFirstView
   */
  constructor({ host, readout, history }, now, onFirstView) {
    this.#host = host;
    this.#readout = readout;
    this.#history = history;
    this.#now = now;
    this.#onFirstView = onFirstView;
    readout.replaceChildren(
      ...['time', ...SERIES.map(({ name }) => name), 'mark'].map(readoutPart),
    );
    this.#resized.observe(host);
    this.#inView.observe(host);
    this.#dark.addEventListener('change', this.#restyle);
  }

  draw() {
    const width = this.#host.clientWidth;
    if (!this.#isInView || width === 0) return;
    if (this.#plots.length === 0) this.#plots = this.#create(width);
    const now = this.#now();
    const [times, held = [], inFlight = [], rate = [], errors = []] = this.#history.columns(now);
    const [traffic, requests] = this.#plots;
    traffic?.setData([times, rate, withoutZeros(errors)], false);
    requests?.setData([times, withoutZeros(held), inFlight], false);
    for (const plot of this.#plots) plot.setScale('x', { min: this.#history.start(now), max: now });
    this.#showReadout(this.#plots.find(({ cursor }) => (cursor.left ?? -1) >= 0));
  }

  remove() {
    this.#resized.disconnect();
    this.#inView.disconnect();
    this.#dark.removeEventListener('change', this.#restyle);
    this.#destroy();
  }

  /** @param {number} width */
  #create(width) {
    const shared = {
      width,
      sync: uPlot.sync(String(Math.random())).key,
      marks: () => this.#history.marks,
      onCursor: (/** @type {uPlot} */ plot) => this.#showReadout(plot),
    };
    return [
      new uPlot(trafficOptions(shared), [[], [], []], this.#host),
      new uPlot(requestsOptions(shared), [[], [], []], this.#host),
    ];
  }

  #resize() {
    const width = this.#host.clientWidth;
    if (width === 0) return;
    for (const plot of this.#plots) plot.setSize({ width, height: plot.height });
    this.draw();
  }

  /** uPlot reads its colours only when it is created. */
  #redraw() {
    this.#destroy();
    this.draw();
  }

  #destroy() {
    for (const plot of this.#plots) plot.destroy();
    this.#plots = [];
  }

  /**
   * Shows the values under the crosshair, or the latest ones.
   *
   * @param {uPlot | undefined} plot the one with the crosshair
   */
  #showReadout(plot) {
    const [times, ...columns] = this.#history.columns(this.#now());
    const indexOf = (/** @type {number} */ at) => times.findLastIndex((each) => each <= at);
    const hovered = plot?.cursor.left ?? -1;
    const wanted = plot && hovered >= 0 ? plot.posToVal(hovered, 'x') : this.#now();
    // Where nothing was known, the latest values are still of use.
    const isKnown = columns.some((values) => typeof values[indexOf(wanted)] === 'number');
    const left = isKnown ? hovered : -1;
    const time = isKnown ? wanted : this.#now();
    const index = indexOf(time);
    const texts = new Map([['time', left >= 0 ? clockTime(time * 1000) : 'Now']]);
    for (const [column, { name, label }] of SERIES.entries()) {
      const value = columns[column]?.[index] ?? null;
      texts.set(name, `${value === null ? '–' : formatRate(value)} ${label}`);
    }
    const span = plot ? (plot.scales['x']?.max ?? 0) - (plot.scales['x']?.min ?? 0) : 0;
    const mark = this.#history.marks.findLast((each) => Math.abs(each.time - time) < span / 60);
    texts.set('mark', left >= 0 && mark ? mark.text : '');
    for (const part of this.#readout.children) {
      const text = texts.get(/** @type {HTMLElement} */ (part).dataset['value'] ?? '') ?? '';
      if (part.textContent !== text) part.textContent = text;
    }
  }
}

/**
 * A line at zero would cover the axis, and a red one would look like trouble.
 *
 * @param {import('./history.js').Values} values
 */
function withoutZeros(values) {
  return values.map((value, i) => (value || values[i - 1] || values[i + 1] ? value : null));
}

/** @param {string} name */
function readoutPart(name) {
  const part = document.createElement('span');
  part.dataset['value'] = name;
  return part;
}
