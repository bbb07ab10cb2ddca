/** Says how many held requests may be released now. One pacer serves one release. */
import type { ReleaseStrategy } from '../../options/nested-options.ts';
import { fixed } from './fixed.ts';
import { immediate } from './immediate.ts';
import type { PaceCounts, Strategy, StrategyDeps } from './pace-rule.ts';
import { slowStart } from './slow-start.ts';

/** A new strategy is a file in this folder, a line here, and its name in `RELEASE_STRATEGIES`. */
const STRATEGIES: Readonly<Record<ReleaseStrategy, Strategy>> = {
  immediate,
  fixed,
  'slow-start': slowStart,
};

export interface Pacer {
  /** Milliseconds until the next release: 0 for now, `Infinity` for not before another response. */
  delay(now: number, counts: PaceCounts): number;
  /** A request was released. Returns its number, for {@link onResponse}. */
  onRelease(now: number, counts: PaceCounts): number;
  /** The response to a release has begun, or there will be none. */
  onResponse(now: number, number: number, good: boolean): void;
}

export function createPacer(deps: StrategyDeps): Pacer {
  const rules = STRATEGIES[deps.settings.strategy](deps);
  let count = 0;
  return {
    delay: (now, counts) => Math.max(0, ...rules.map((rule) => rule.delay(now, counts))),
    onRelease(now, counts) {
      count++;
      for (const rule of rules) rule.onRelease?.(now, counts, count);
      return count;
    },
    onResponse(now, number, good) {
      for (const rule of rules) rule.onResponse?.(now, number, good);
    },
  };
}
