/**
 * Draws an app's held requests and requests in flight over the last minutes, with uPlot.
 */
const HEIGHT = 140;

export class Chart {
  /** @type {HTMLElement} */
  #host;
  /** @type {uPlot | undefined} */
  #plot;
  /** @type {import('./history.js').History} */
  #history;
  #resized = new ResizeObserver(() => this.#resize());
  // Only charts in view are drawn, because hundreds of charts would keep the page busy.
  #isInView = false;
  #inView = new IntersectionObserver((entries) => {
    this.#isInView = entries.at(-1)?.isIntersecting === true;
    this.draw(Date.now() / 1000);
  });
  #restyle = () => this.#redraw();
  #dark = matchMedia('(prefers-color-scheme: dark)');

  /**
   * @param {HTMLElement} host
   * @param {import('./history.js').History} history
   */
  constructor(host, history) {
    this.#host = host;
    this.#history = history;
    this.#resized.observe(host);
    this.#inView.observe(host);
    this.#dark.addEventListener('change', this.#restyle);
  }

  /** @param {number} now in seconds */
  draw(now) {
    if (!this.#isInView) return;
    const width = this.#host.clientWidth;
    if (width === 0) return;
    this.#plot ??= new uPlot(options(width), [[], [], []], this.#host);
    this.#plot.setData(this.#history.columns(now), false);
    this.#plot.setScale('x', { min: this.#history.start(now), max: now });
  }

  remove() {
    this.#resized.disconnect();
    this.#inView.disconnect();
    this.#dark.removeEventListener('change', this.#restyle);
    this.#plot?.destroy();
    this.#plot = undefined;
  }

  #resize() {
    const width = this.#host.clientWidth;
    if (this.#plot && width > 0) this.#plot.setSize({ width, height: HEIGHT });
    else this.draw(Date.now() / 1000);
  }

  /** uPlot reads its colours only when it is created. */
  #redraw() {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.draw(Date.now() / 1000);
  }
}

/**
 * @param {number} width
 * @returns {uPlot.Options}
 */
function options(width) {
  const style = getComputedStyle(document.documentElement);
  const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour('--quiet'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
  };
  const line = (/** @type {string} */ label, /** @type {string} */ stroke) => ({
    label,
    stroke,
    width: 2,
    fill: `${stroke}22`,
    points: { show: false },
    paths: /** @type {any} */ (uPlot.paths).stepped({ align: 1 }),
  });
  return {
    width,
    height: HEIGHT,
    padding: [8, 4, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(4, Math.ceil((max ?? 0) * 1.15))] } },
    axes: [
      { ...axis, size: 26, space: 70, values: clockTimes },
      {
        ...axis,
        size: 38,
        space: 30,
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 1e4],
      },
    ],
    series: [{}, line('Held', colour('--held')), line('In flight', colour('--in-flight'))],
  };
}

/**
 * @param {uPlot} _plot
 * @param {number[]} splits
 */
function clockTimes(_plot, splits) {
  return splits.map((time) =>
    new Date(time * 1000).toLocaleTimeString([], {
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hourCycle: 'h23',
    }),
  );
}
