/** Spreads held requests at random over a time, in their order. A rule that strategies can include. */
import type { PaceRule } from './pace-rule.ts';

/**
 * Draws the gaps between n random points in the time that is left, one gap at a time. This keeps the
 * requests in order: https://en.wikipedia.org/wiki/Order_statistic
 */
export function jitter(spreadMs: number, start: number, random: () => number): PaceRule {
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
