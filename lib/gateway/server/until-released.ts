/** Waits until a gateway that leaves may close without rejecting a request. */
import { systemClock } from '../../common/clock.ts';
import { formatCount } from '../../common/format.js';
import { ENDING_MS } from '../../http/end-socket.ts';
import type { RegistryCore } from '../../registry/registry-core.ts';
import type { ConnectionTracker } from './connection-tracker.ts';

export interface LeavingDeps {
  readonly core: Pick<RegistryCore, 'listOwn'>;
  readonly all: readonly ConnectionTracker[];
  /** How long requests in flight may take after the pause and its release, in milliseconds. */
  readonly timeout: number;
  /** Whether the gateway is shutting down, which ends the wait. */
  readonly isClosing: () => boolean;
}

/** Nothing waits for the moment in which a gateway has left, so it need not be exact. */
const CHECK_EVERY_MS = 100;

/**
 * Resolves when nothing is held and only long-lived requests are left, or when the timeout is nearly over.
 *
 * @returns the rest of the timeout, at least the time that long-lived requests need to end in order.
 */
export async function untilReleased({
  core,
  all,
  timeout,
  isClosing,
}: LeavingDeps): Promise<number> {
  let pausedUntil = systemClock.now();
  for (;;) {
    const now = systemClock.now();
    // A released request may be held again, because the backend refused it. While a pause drains, its
    // operator waits for the requests in flight.
    const isNeeded = core.listOwn().some(({ held, phase }) => held > 0 || phase === 'pausing');
    if (isNeeded) pausedUntil = now;
    const left = pausedUntil + timeout - now;
    const isSettled = all.every((tracker) => tracker.isSettled);
    const isOver = !isNeeded && (isSettled || left <= ENDING_MS);
    if (isOver || isClosing()) return Math.max(left, ENDING_MS);
    await new Promise<void>((resolve) => {
      systemClock.after(CHECK_EVERY_MS, resolve, { ref: true });
    });
  }
}

/** Says in the log what a gateway that leaves still has to serve. */
export function leavingText(core: LeavingDeps['core']): string {
  const counts = core.listOwn();
  const held = counts.reduce((sum, one) => sum + one.held, 0);
  const inFlight = counts.reduce((sum, one) => sum + one.inFlight, 0);
  return `leaving: accepts no more connections. ${formatCount(held, 'request')} held, ${inFlight} in flight.`;
}
