/** A pause in an async function that an abort signal can cut short. */
import type { Clock } from '../common/clock.ts';

/** Resolves when the time is over, or the signal is aborted. */
export function delay(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const end = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.after(ms, end, { ref: true });
    signal?.addEventListener('abort', end);
  });
}
