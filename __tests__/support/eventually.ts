/** Waits for states that no event announces. A wait that fails says what it waited for. */
import { setTimeout as wait } from 'node:timers/promises';

/** Between two looks. */
const EVERY_MS = 5;

/** Resolves when `isSo` returns true. */
export async function eventually(what: string, isSo: () => boolean, ms = 5000): Promise<void> {
  await untilSeen(what, isSo, (seen) => seen, ms);
}

/**
 * Resolves with the first thing seen that is as it should be.
 *
 * @throws when there was none within `ms`, with the thing that was seen last.
 */
export async function untilSeen<T>(
  what: string,
  look: () => T | Promise<T>,
  isSo: (seen: T) => boolean,
  ms: number,
): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const seen = await look();
    if (isSo(seen)) return seen;
    if (performance.now() > end) {
      throw new Error(`Waited ${ms} ms in vain for: ${what}. Last seen: ${JSON.stringify(seen)}`);
    }
    await wait(EVERY_MS);
  }
}
