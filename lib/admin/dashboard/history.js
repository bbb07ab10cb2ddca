/**
 * Keeps the last minutes of one app for its chart: samples of the server, the snapshots since then, and what
 * happened. All times are in seconds, on the server's clock.
 */

/** The longest time span of a chart, and of the server's samples. */
export const SPAN = 600;

const SHORTEST_SPAN = 60;

/** The server takes a sample every two seconds. */
const LONGEST_STEP = 10;

/** @typedef {(number | null)[]} Values of one point: held, in flight, requests and errors per second */
/** @typedef {{ time: number, name: string, text: string }} Mark */

export class History {
  /** @type {Mark[]} */
  marks = [];
  /** @type {number[]} */
  #times = [];
  /** @type {Values[]} */
  #points = [];

  /**
   * @param {number} time
   * @param {import('./status.d.ts').Status} status
   */
  add(time, { held, inFlight, traffic }) {
    const { latestPerSecond, latestErrorsPerSecond } = traffic;
    this.#push(time, [held, inFlight, latestPerSecond, latestErrorsPerSecond]);
    this.#forget(time - SPAN);
  }

  /** Replaces what is known by the server's samples. @param {import('./status.d.ts').Samples} samples */
  load(samples) {
    const { at, held, inFlight, requestsPerSecond, errorsPerSecond } = samples;
    const last = (at.at(-1) ?? 0) / 1000;
    const later = this.#times.flatMap((time, i) => (time > last ? [[time, this.#points[i]]] : []));
    this.#times = [];
    this.#points = [];
    const columns = [held, inFlight, requestsPerSecond, errorsPerSecond];
    for (const [i, ms] of at.entries()) {
      this.#push(
        ms / 1000,
        columns.map((values) => values[i] ?? null),
      );
    }
    for (const [time, values] of later) {
      this.#push(/** @type {number} */ (time), /** @type {Values} */ (values));
    }
  }

  /**
   * The start of the chart's time span.
   *
   * @param {number} now
   */
  start(now) {
    const first = this.#times[0] ?? now;
    return Math.max(now - SPAN, Math.min(first, now - SHORTEST_SPAN));
  }

  /** Leaves a gap until the next point, because the connection is lost. */
  addGap() {
    const last = this.#times.at(-1);
    if (last === undefined || this.#points.at(-1)?.[0] === null) return;
    this.#times.push(last);
    this.#points.push([null, null, null, null]);
  }

  /**
   * The times, and a column for each value, for uPlot. The last values continue until `now`.
   *
   * @param {number} now
   * @returns {[number[], ...Values[]]}
   */
  columns(now) {
    const points = [...this.#points, this.#points.at(-1) ?? [null, null, null, null]];
    return [
      [...this.#times, now],
      ...[0, 1, 2, 3].map((column) => points.map((values) => values[column] ?? null)),
    ];
  }

  /**
   * @param {number} time
   * @param {Values} values
   */
  #push(time, values) {
    const last = this.#times.length - 1;
    const isSame = (/** @type {number} */ index) =>
      this.#points[index]?.every((value, column) => value === values[column]) ?? false;
    const before = this.#times[last];
    if (before !== undefined && time - before > LONGEST_STEP) this.addGap();
    // A line needs a point only where it changes.
    else if (isSame(last) && isSame(last - 1)) {
      this.#times.pop();
      this.#points.pop();
    }
    this.#times.push(Math.max(time, before ?? time));
    this.#points.push(values);
  }

  /** Keeps one point before `start`, where the line begins. @param {number} start */
  #forget(start) {
    const first = this.#times.findIndex((time) => time > start);
    if (first < 2) return;
    for (const column of [this.#times, this.#points]) column.splice(0, first - 1);
  }
}
