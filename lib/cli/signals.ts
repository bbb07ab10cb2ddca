/**
 * The signals that ask this process to leave, as something to wait for. Knows no command.
 */
import { constants } from 'node:os';
import { systemClock } from '../common/clock.ts';

/** Ctrl-C, `kill`, and a terminal that was closed. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export type InterruptSignal = (typeof SIGNALS)[number];

export interface Interruption {
  /** Aborted by the first one. */
  readonly signal: AbortSignal;
  /** The first one. */
  readonly name: InterruptSignal | undefined;
  /** Called when somebody asks again, with how often that was by then. */
  onRepeat: (times: number) => void;
  /** From now on signals end the process again, as they do by default. */
  stop(): void;
}

/**
 * Signals so soon after one another are one: `timeout` sends SIGTERM twice, and a closed terminal
 * SIGHUP from both the shell and the kernel.
 */
const SAME_TIME = 500;

export function watchInterruption(): Interruption {
  const interruption = new AbortController();
  let times = 0;
  let countedAt = -Infinity;
  let name: InterruptSignal | undefined;
  const isNew = (signal: InterruptSignal): boolean =>
    // A terminal that goes asks for no hurry.
    times === 0 || (signal !== 'SIGHUP' && systemClock.now() >= countedAt + SAME_TIME);
  const listeners = SIGNALS.map((signal) => {
    const listener = (): void => {
      if (!isNew(signal)) return;
      times++;
      countedAt = systemClock.now();
      name ??= signal;
      if (times === 1) interruption.abort();
      else result.onRepeat(times);
    };
    process.on(signal, listener);
    return [signal, listener] as const;
  });
  const result: Interruption = {
    signal: interruption.signal,
    get name() {
      return name;
    },
    onRepeat: () => undefined,
    stop() {
      for (const [signal, listener] of listeners) process.off(signal, listener);
    },
  };
  return result;
}

/** What a shell says of a process that a signal ended. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/** Ends this process by the SIGHUP that it was sent, if it was sent one. */
export function endByHangup(interruption: Interruption): void {
  if (interruption.name === 'SIGHUP') endBySignal('SIGHUP');
}

/**
 * For a SIGHUP from a terminal: a regular exit resets the terminal first, and Node crashes when the
 * terminal is gone.
 */
export function endBySignal(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/**
 * Keeps the process alive when the reader of its output has gone, such as a log collector or the primary
 * of a worker. Otherwise the next line it writes would end it, with all requests that it holds.
 */
export function ignoreLostOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}
