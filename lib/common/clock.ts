/** The only source of time and random numbers, so that a test can replace it. */

export interface Timer {
  /** Cancels the timer. Has no effect after the timer has fired. */
  cancel(): void;
}

/** Options of a timer. */
export interface TimerOptions {
  /**
   * Whether the timer keeps the process alive. False by default, because a pause must not keep a process
   * from ending. True where a caller awaits the outcome.
   */
  ref?: boolean;
}

/** The time, random numbers and timers. Tests replace it. */
export interface Clock {
  /** Milliseconds on a monotonic clock. Only differences between two values have a meaning. */
  readonly now: () => number;
  /** Milliseconds since the epoch, for display. */
  readonly date: () => number;
  /** A random number from 0 to less than 1. */
  readonly random: () => number;
  /** Calls `callback` once after `delayMs`, at most {@link MAX_DELAY_MS}. */
  after(delayMs: number, callback: () => void, options?: TimerOptions): Timer;
  /** Calls `callback` once in this turn or the next one of the event loop, after the I/O that is ready. */
  nextTurn(callback: () => void): Timer;
}

/**
 * Milliseconds on a monotonic clock that all processes of this machine share, so that processes can exchange
 * deadlines. `performance.now()` would take twice as long, about 0.5 microseconds, and the gateway reads the clock
 * about eight times for each request.
 */
export function machineTime(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

/** The longest delay of `setTimeout`, which fires at once if the delay is longer. */
export const MAX_DELAY_MS = 2 ** 31 - 1;

/** Milliseconds since the epoch as text, such as `2026-03-01T02:00:00.000Z`. */
export function isoTime(date: number): string {
  return new Date(date).toISOString();
}

export const systemClock: Clock = {
  now: machineTime,
  date: () => Date.now(),
  random: () => Math.random(),
  after(delayMs, callback, options = {}) {
    const delay = Math.min(Math.max(0, Math.ceil(delayMs)), MAX_DELAY_MS);
    const timeout = setTimeout(callback, delay);
    if (!options.ref) timeout.unref();
    return { cancel: () => clearTimeout(timeout) };
  },
  nextTurn(callback) {
    const immediate = setImmediate(callback);
    return { cancel: () => clearImmediate(immediate) };
  },
};
