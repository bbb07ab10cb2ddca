/** Waits for events of antract. */
import type { AntractEvents, AntractListener } from '../../lib/index.ts';

interface Emitter {
  once<K extends keyof AntractEvents>(event: K, listener: AntractListener<K>): unknown;
}

/** Resolves with the payload of the next event of that name. */
export function nextEvent<K extends keyof AntractEvents>(
  emitter: Emitter,
  event: K,
): Promise<AntractEvents[K]> {
  return new Promise((resolve) => {
    emitter.once(event, (...args: AntractEvents[K]) => resolve(args));
  });
}

/** Resolves when the app holds at least `count` requests. */
export async function untilHeld(
  antract: Emitter & { status(): { readonly held: number } },
  count: number,
): Promise<void> {
  while (antract.status().held < count) await nextEvent(antract, 'held');
}
