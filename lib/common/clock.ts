/**
 * Time and chance, the only door to either, so that a test can replace them.
 * Knows nothing of what is being timed.
 */

export interface Timer {
  /** Cancels the timer. Has no effect after the timer has fired. */
  cancel(): void;
}

/** Options of a timer. */
export interface TimerOptions {
  /**
   * Whether a waiting timer keeps the process alive. Default false: a pause must not stop a
   * process from ending. True where somebody awaits the outcome.
   */
  ref?: boolean;
}

/** The time, random numbers and timers. Tests replace it. */
export interface Clock {
  /** Milliseconds on a clock that never jumps. Only differences mean anything. */
  readonly now: () => number;
  /** Milliseconds since the epoch, for what people read. */
  readonly date: () => number;
  /** From 0 up to, but not including, 1. */
  readonly random: () => number;
  /** Calls `callback` once after `delayMs`, at most {@link MAX_DELAY_MS}. */
  after(delayMs: number, callback: () => void, options?: TimerOptions): Timer;
}

/**
 * Milliseconds on a clock that never jumps and that all processes of this machine share: a deadline in
 * one process means the same in another. `now()` counts from the start of each process instead.
 */
export function machineTime(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** The longest delay `setTimeout` takes; it fires at once when given more. */
export const MAX_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => Date.now(),
  random: () => Math.random(),
  after(delayMs, callback, options = {}) {
    const delay = Math.min(Math.max(0, Math.ceil(delayMs)), MAX_DELAY_MS);
    const timeout = setTimeout(callback, delay);
    if (!options.ref) timeout.unref();
    return { cancel: () => clearTimeout(timeout) };
  },
};
