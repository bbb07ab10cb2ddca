/**
 * Waiting for something to be told, with a time limit and a signal. Knows nothing of what is awaited.
 */
import type { Clock, Timer } from './clock.ts';

export interface WaitLimits {
  /** Default `Infinity`. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Resolves with what `watch` tells, with `known` at once where there is nothing to wait for, or with
 * `timeout`. Rejects only with the signal's reason. Leaves neither listener nor timer.
 *
 * @param watch calls back once, and returns what takes the callback off.
 */
export function waitFor<T extends string>(
  clock: Clock,
  { timeoutMs = Infinity, signal }: WaitLimits,
  known: T | undefined,
  watch: (callback: (outcome: T) => void) => () => void,
): Promise<T | 'timeout'> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    if (known !== undefined) {
      resolve(known);
      return;
    }
    let timer: Timer | undefined;
    const settle = (outcome: T | 'timeout'): void => {
      cleanUp();
      resolve(outcome);
    };
    const onAbort = (): void => {
      cleanUp();
      reject(signal?.reason);
    };
    const unwatch = watch(settle);
    const cleanUp = (): void => {
      unwatch();
      timer?.cancel();
      signal?.removeEventListener('abort', onAbort);
    };
    signal?.addEventListener('abort', onAbort);
    // Somebody awaits the outcome, so this timer keeps the process alive.
    if (timeoutMs < Infinity) {
      timer = clock.after(timeoutMs, () => settle('timeout'), { ref: true });
    }
  });
}
