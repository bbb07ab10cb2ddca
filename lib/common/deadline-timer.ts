/** One timer for the earliest of any number of deadlines. */
import type { Clock, Timer } from './clock.ts';

export class DeadlineTimer {
  readonly #clock: Clock;
  readonly #onDeadline: () => void;
  #timer: Timer | undefined;
  #at = Infinity;

  constructor(clock: Clock, onDeadline: () => void) {
    this.#clock = clock;
    this.#onDeadline = onDeadline;
  }

  /**
   * Calls back at `at` or earlier; never for `Infinity`. The callback must check its deadlines and set the
   * timer again. An early call costs less than a new timer each time the deadline moves back.
   */
  set(at: number): void {
    if (this.#timer && this.#at <= at && at < Infinity) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#at = at;
    if (at === Infinity) return;
    this.#timer = this.#clock.after(at - this.#clock.now(), () => {
      this.#timer = undefined;
      this.#onDeadline();
    });
  }
}
