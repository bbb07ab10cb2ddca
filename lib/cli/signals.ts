/** Turns the signals that end a command into an abort signal, and signals into exit codes. */
import { constants } from 'node:os';
import { systemClock } from '../common/clock.ts';

/** Ctrl-C, `kill`, and a closed terminal. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export type InterruptSignal = (typeof SIGNALS)[number];

export interface Interruption {
  /** Aborted by the first of these signals. */
  readonly signal: AbortSignal;
  /** The first signal; undefined before it. */
  readonly name: InterruptSignal | undefined;
  /** Called for each further signal, with the number of signals so far. */
  onRepeat: (count: number) => void;
  /** Removes the listeners, so that signals end the process again. */
  stop(): void;
}

/**
 * Signals within this time count as one: `timeout` sends SIGTERM twice, and for a closed terminal the
 * shell and the kernel each send SIGHUP.
 */
const SAME_SIGNAL_MS = 500;

export function watchInterruption(): Interruption {
  const controller = new AbortController();
  let count = 0;
  let countedAt = -Infinity;
  let name: InterruptSignal | undefined;
  const isNew = (signal: InterruptSignal): boolean =>
    // Closing the terminal is no request to hurry.
    count === 0 || (signal !== 'SIGHUP' && systemClock.now() >= countedAt + SAME_SIGNAL_MS);
  const listeners = SIGNALS.map((signal) => {
    const listener = (): void => {
      if (!isNew(signal)) return;
      count++;
      countedAt = systemClock.now();
      name ??= signal;
      if (count === 1) controller.abort();
      else interruption.onRepeat(count);
    };
    process.on(signal, listener);
    return [signal, listener] as const;
  });
  const interruption: Interruption = {
    signal: controller.signal,
    get name() {
      return name;
    },
    onRepeat: () => undefined,
    stop() {
      for (const [signal, listener] of listeners) process.off(signal, listener);
    },
  };
  return interruption;
}

/** The exit code that a shell shows for a process that a signal ended. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/** If a SIGHUP interrupted this process, ends the process by that signal. */
export function endByHangup(interruption: Interruption): void {
  if (interruption.name === 'SIGHUP') endBySignal('SIGHUP');
}

/**
 * For a SIGHUP from a closed terminal: `process.exit()` resets the terminal first, and Node crashes
 * because the terminal is gone.
 */
export function endBySignal(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/**
 * Keeps the process alive when the reader of its output has ended, such as a log collector or the
 * primary of a worker. Otherwise the next line would end the process and lose its held requests.
 */
export function ignoreLostOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}
