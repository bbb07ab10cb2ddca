/**
 * Detects that this process has stalled, for example under SIGSTOP or in a snapshot of its machine. The
 * other processes may have given it up by then, and it has missed their commands.
 */
import type { Clock, Timer } from '../common/clock.ts';

const TICK_MS = 1000;
/** A longer time between two ticks is a stall. Shorter than the time after which others give it up. */
const STALLED_AFTER_MS = 3000;

export class StallDetector {
  readonly #clock: Clock;
  #tickedAt: number;
  #count = 0;
  /** The number of stalls that this process has caught up on. */
  #caughtUp = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#tickedAt = clock.now();
    this.#tick();
  }

  /** The number of stalls so far. The first to ask detects a stall, often a request. */
  get count(): number {
    const now = this.#clock.now();
    if (now - this.#tickedAt > STALLED_AFTER_MS) {
      this.#count++;
      this.#tickedAt = now;
    }
    return this.#count;
  }

  /** Whether this process has caught up on what it missed. */
  get isCaughtUp(): boolean {
    return this.count === this.#caughtUp;
  }

  /** @param stalls the number of stalls before the catching up began. */
  catchUp(stalls: number): void {
    this.#caughtUp = stalls;
  }

  close(): void {
    this.#timer?.cancel();
  }

  #tick(): void {
    void this.count;
    this.#tickedAt = this.#clock.now();
    this.#timer = this.#clock.after(TICK_MS, () => this.#tick());
  }
}
