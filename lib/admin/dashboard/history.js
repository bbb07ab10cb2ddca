/**
 * Keeps one app's counts of the last minutes for its chart. All times are in seconds.
 */

/** The longest time span of a chart. */
export const SPAN = 300;

const SHORTEST_SPAN = 60;

export class History {
  /** @type {number[]} */
  #times = [];
  /** @type {number[]} */
  #held = [];
  /** @type {number[]} */
  #inFlight = [];

  /**
   * @param {number} time
   * @param {number} held
   * @param {number} inFlight
   */
  add(time, held, inFlight) {
    // A step chart needs a point only for a change.
    const last = this.#times.length - 1;
    const isSame = this.#held[last] === held && this.#inFlight[last] === inFlight;
    if (
      last > 0 &&
      isSame &&
      held === this.#held[last - 1] &&
      inFlight === this.#inFlight[last - 1]
    )
      this.#times[last] = time;
    else this.#push(time, held, inFlight);
    this.#forget(time - SPAN);
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
    if (last !== undefined && !Number.isNaN(this.#held.at(-1))) this.#push(last, NaN, NaN);
  }

  /**
   * Columns for uPlot. The last values continue until `now`.
   *
   * @param {number} now
   * @returns {[number[], (number | null)[], (number | null)[]]}
   */
  columns(now) {
    const known = (/** @type {number} */ value) => (Number.isNaN(value) ? null : value);
    return [
      [...this.#times, now],
      [...this.#held, this.#held.at(-1) ?? NaN].map(known),
      [...this.#inFlight, this.#inFlight.at(-1) ?? NaN].map(known),
    ];
  }

  /**
   * @param {number} time
   * @param {number} held
   * @param {number} inFlight
   */
  #push(time, held, inFlight) {
    this.#times.push(time);
    this.#held.push(held);
    this.#inFlight.push(inFlight);
  }

  /** Keeps one point before `start`, where the line begins. @param {number} start */
  #forget(start) {
    const first = this.#times.findIndex((time) => time > start);
    if (first < 2) return;
    for (const column of [this.#times, this.#held, this.#inFlight]) column.splice(0, first - 1);
  }
}
