/** Releases a few requests, then more with every good response. The fixed limits apply as well. */
import { fixed } from './fixed.ts';
import { portion, type PaceRule, type Strategy } from './strategy.ts';

/** How long the window waits for any response before it grows without one. */
const QUIET_MS = 1000;

export const slowStart: Strategy = (deps) => [
  ...fixed(deps),
  growWindow(portion(deps.settings.initial, deps.share()), deps.start),
];

/**
 * A congestion window as in TCP (RFC 5681). Each good response adds one, which doubles the window with
 * each round trip. A bad response halves it, once for all requests released by then. If the backend had
 * answered before, the window then grows by only one with each round trip.
 */
function growWindow(initial: number, start: number): PaceRule {
  let window = initial;
  let quietSince = start;
  let lastReleased = 0;
  let lastBeforeCut = 0;
  /** At this size the window begins to grow slowly. */
  let threshold = Infinity;
  let hasGoodResponse = false;
  return {
    delay(now, { pending }) {
      if (pending < Math.floor(window)) return 0;
      const left = quietSince + QUIET_MS - now;
      if (left > 0) return left;
      // No response for a while. The pending requests may be long polls, which must not block the rest.
      window++;
      quietSince = now;
      return pending < Math.floor(window) ? 0 : QUIET_MS;
    },
    onRelease(now, { pending }, number) {
      if (pending <= 1) quietSince = now;
      lastReleased = number;
    },
    onResponse(now, number, isGood) {
      quietSince = now;
      if (isGood) {
        hasGoodResponse = true;
        window += window < threshold ? 1 : 1 / window;
      } else if (number > lastBeforeCut) {
        window = Math.max(1, Math.floor(window / 2));
        // Without any good response the size of the window is not the cause.
        if (hasGoodResponse) threshold = window;
        hasGoodResponse = false;
        lastBeforeCut = lastReleased;
      }
    },
  };
}
