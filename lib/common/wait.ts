/** Waits for an event, with a time limit and a signal. */
import type { Clock, Timer } from './clock.ts';

export interface WaitLimits {
  /** @default `Infinity` */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Resolves with `known` at once if it is defined; otherwise with the outcome that `watch` calls back with, or with
 * `timeout`. Rejects only with the reason of the signal. Removes its listener and its timer in each case.
 *
 * @param watch calls back once, and returns a function that removes the callback.
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
    // A caller awaits the outcome, so this timer keeps the process alive.
    if (timeoutMs < Infinity) {
      timer = clock.after(timeoutMs, () => settle('timeout'), { ref: true });
    }
  });
}
