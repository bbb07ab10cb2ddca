/** The delay before an ended worker is replaced. It grows while workers end soon after their start. */

/** A worker that ran this long started well, so the next delay is 0. */
export const STABLE_MS = 10_000;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 30_000;

export class RestartPace {
  #delayMs = 0;

  /** @param ranMs how long the worker ran. Returns milliseconds. */
  next(ranMs: number): number {
    if (ranMs >= STABLE_MS) this.#delayMs = 0;
    else this.#delayMs = Math.min(Math.max(FIRST_DELAY_MS, this.#delayMs * 2), LONGEST_DELAY_MS);
    return this.#delayMs;
  }
}
