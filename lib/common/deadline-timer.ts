/**
 * One timer for the earliest of any number of deadlines. Knows none of them.
 */
import type { Clock, Timer } from './clock.ts';

export class DeadlineTimer {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #timer: Timer | undefined;
  #at = Infinity;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /**
   * Rings at `at` or earlier, and whoever is rung sets it anew: a timer that is early costs less than
   * a new one whenever the deadline moves back. `Infinity` is never.
   */
  set(at: number): void {
    if (this.#timer && this.#at <= at && at < Infinity) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#at = at;
    if (at === Infinity) return;
    this.#timer = this.#clock.after(at - this.#clock.now(), () => {
      this.#timer = undefined;
      this.#ring();
    });
  }
}
