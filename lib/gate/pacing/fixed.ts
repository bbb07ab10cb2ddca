/** Releases held requests within fixed limits: a rate, a number of pending responses, a random spread. */
import { portion, type PaceRule, type Share, type Strategy } from './strategy.ts';

// Timers fire a millisecond or two late. Catching up on this much keeps rates above one per
// millisecond, while a process that was suspended does not burst.
const CATCH_UP_MS = 20;

export const fixed: Strategy = ({ settings, start, random, share }) => [
  limitRate(() => settings.perSecond / share().of, start),
  jitter(settings.jitter, start, random),
  limitPending(settings.concurrency, share),
];

function limitRate(perSecond: () => number, start: number): PaceRule {
  let next = start;
  return {
    delay: (now) => Math.max(0, next - now),
    onRelease: (now) => (next = Math.max(next, now - CATCH_UP_MS) + 1000 / perSecond()),
  };
}

/**
 * Spreads held requests at random over a time, in their order.
 *
 * Draws the gaps between n random points in the time that is left, one gap at a time. This keeps the
 * requests in order: https://en.wikipedia.org/wiki/Order_statistic
 */
function jitter(spreadMs: number, start: number, random: () => number): PaceRule {
  let next: number | undefined;
  const draw = (now: number, held: number): number => {
    const left = Math.max(0, start + spreadMs - now);
    return held > 0 ? now + left * (1 - random() ** (1 / held)) : now;
  };
  return {
    delay: (now, { held }) => Math.max(0, (next ??= draw(now, held)) - now),
    onRelease: (now, { held }) => (next = draw(now, held)),
  };
}

function limitPending(concurrency: number, share: () => Share): PaceRule {
  return { delay: (_now, { pending }) => (pending < portion(concurrency, share()) ? 0 : Infinity) };
}
