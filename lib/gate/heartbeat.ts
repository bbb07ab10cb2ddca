/**
 * Signs of life for those held, all of one app at once. Knows no HTTP.
 */
import { DeadlineTimer } from '../common/deadline-timer.ts';
import type { Clock } from '../common/clock.ts';
import type { HeartbeatSettings } from '../options/settings.ts';
import type { Ticket } from './ticket.ts';

export interface Heartbeat {
  /** Somebody is held. */
  start(): void;
  stop(): void;
}

/** Undefined where none is asked for. */
export function createHeartbeat(
  settings: HeartbeatSettings | undefined,
  clock: Clock,
  held: Iterable<Ticket> & { readonly size: number },
): Heartbeat | undefined {
  if (!settings) return undefined;
  const alarm = new DeadlineTimer(clock, () => {
    for (const { passage } of held) passage.sendHeartbeat?.();
    next();
  });
  const next = (): void => alarm.set(held.size > 0 ? clock.now() + settings.every : Infinity);
  return { start: next, stop: () => alarm.set(Infinity) };
}
