/** Waits in an async function, until an abort signal at the latest. */
import type { Clock } from '../common/clock.ts';

/** Resolves after `ms`, or when the signal is aborted. Never rejects. */
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
