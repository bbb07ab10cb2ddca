/** A clock that a test moves by hand. */
import type { Clock } from '../../lib/common/clock.ts';

export class FakeClock implements Clock {
  #now = 1000;
  #timers: { at: number; callback: () => void }[] = [];
  /** What `random()` answers, in turn; the last one for ever. */
  chances: number[] = [0.5];

  now = (): number => this.#now;
  date = (): number => Date.UTC(2026, 0, 1) + this.#now;
  random = (): number => (this.chances.length > 1 ? this.chances.shift() : this.chances[0]) ?? 0;

  after(delayMs: number, callback: () => void): { cancel(): void } {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) };
  }

  nextTurn(callback: () => void): { cancel(): void } {
    return this.after(0, callback);
  }

  get pendingTimers(): number {
    return this.#timers.length;
  }

  /** Moves on, calling what falls due, each at its own time. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let due = this.#due(end); due; due = this.#due(end)) {
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#now = Math.max(this.#now, due.at);
      due.callback();
    }
    this.#now = end;
  }

  /** One turn of the event loop: calls what is due now, but not what that adds. */
  turn(): void {
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    for (const timer of due) {
      if (!this.#timers.includes(timer)) continue;
      this.#timers = this.#timers.filter((other) => other !== timer);
      timer.callback();
    }
  }

  /** Moves on while nothing runs: what has fallen due is called by the next {@link advance}, late. */
  leap(ms: number): void {
    this.#now += ms;
  }

  #due(end: number): { at: number; callback: () => void } | undefined {
    return this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
  }
}
