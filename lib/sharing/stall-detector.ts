/**
 * Whether this process has run all the time. One that stood still, as under SIGSTOP or a machine's
 * snapshot, may have been given up by the others, and knows nothing of what was asked for meanwhile.
 * Knows no store.
 */
import type { Clock, Timer } from '../common/clock.ts';

const TICK_MS = 1000;
/** So long after a tick it stood still. Less than after what the others give it up. */
const STOOD_STILL_MS = 3000;

export class StallDetector {
  readonly #clock: Clock;
  #tickedAt: number;
  #stops = 0;
  /** Up to which of them it has caught up. */
  #caughtUp = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#tickedAt = clock.now();
    this.#tick();
  }

  /** How often it has stood still. Noticed by whoever asks first, which a request may be. */
  get stallCount(): number {
    const now = this.#clock.now();
    if (now - this.#tickedAt > STOOD_STILL_MS) {
      this.#stops++;
      this.#tickedAt = now;
    }
    return this.#stops;
  }

  /** Whether it has caught up on whatever it missed. */
  get isResponsive(): boolean {
    return this.stallCount === this.#caughtUp;
  }

  /** @param stops as many as there were before it began to. */
  catchUp(stops: number): void {
    this.#caughtUp = stops;
  }

  close(): void {
    this.#timer?.cancel();
  }

  #tick(): void {
    void this.stallCount;
    this.#tickedAt = this.#clock.now();
    this.#timer = this.#clock.after(TICK_MS, () => this.#tick());
  }
}
