/**
 * How long to wait before a worker that has ended is started again: longer each time that it ends soon
 * after its start. Pure.
 */

/** Who lives so long was well, whatever it died of. */
export const WELL_MS = 10_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;

export class RestartPace {
  #pause = 0;

  /** @param livedMs from its start on. */
  next(livedMs: number): number {
    if (livedMs >= WELL_MS) this.#pause = 0;
    else this.#pause = Math.min(Math.max(FIRST_PAUSE_MS, this.#pause * 2), LONGEST_PAUSE_MS);
    return this.#pause;
  }
}
