/** Releases held requests within fixed limits: a rate, a number of pending responses, a random spread. */
import { jitter } from './jitter.ts';
import { portion, type PaceRule, type Share, type Strategy } from './pace-rule.ts';

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

function limitPending(concurrency: number, share: () => Share): PaceRule {
  return { delay: (_now, { pending }) => (pending < portion(concurrency, share()) ? 0 : Infinity) };
}
