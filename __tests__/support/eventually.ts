/** Waits for states that no event announces. A wait that fails says what it waited for. */
import { setTimeout as wait } from 'node:timers/promises';

const UNTIL_MS = 20_000;
/** After this time, `until` leaves the processor to the other tests. */
const EAGER_MS = 1000;
/** Between two looks at another process or the file system. */
const EVERY_MS = 5;

/**
 * Resolves as soon as the condition holds, for a state of this process. At first the state is read after
 * every turn of the event loop, so that a short state is not missed.
 */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const start = performance.now();
  while (!(await condition())) {
    const waitedMs = performance.now() - start;
    if (waitedMs > UNTIL_MS) {
      throw new Error(`Waited ${UNTIL_MS} ms in vain for: ${String(condition)}`);
    }
    await (waitedMs < EAGER_MS ? new Promise(setImmediate) : wait(1));
  }
}

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
