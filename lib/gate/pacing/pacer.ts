/** Says how many held requests may be released now. One pacer serves one release. */
import { STRATEGIES, type ReleaseSettings } from './strategies.ts';
import type { PaceCounts, StrategyDeps } from './strategy.ts';

export interface PacerDeps extends StrategyDeps {
  readonly settings: ReleaseSettings;
}

export interface Pacer {
  /** Milliseconds until the next release: 0 for now, `Infinity` for not before another response. */
  delay(now: number, counts: PaceCounts): number;
  /** A request was released. Returns its number, for {@link onResponse}. */
  onRelease(now: number, counts: PaceCounts): number;
  /** The response to a release has begun, or there will be none. */
  onResponse(now: number, number: number, isGood: boolean): void;
}

export function createPacer(deps: PacerDeps): Pacer {
  const rules = STRATEGIES[deps.settings.strategy](deps);
  let count = 0;
  return {
    delay: (now, counts) => Math.max(0, ...rules.map((rule) => rule.delay(now, counts))),
    onRelease(now, counts) {
      count++;
      for (const rule of rules) rule.onRelease?.(now, counts, count);
      return count;
    },
    onResponse(now, number, isGood) {
      for (const rule of rules) rule.onResponse?.(now, number, isGood);
    },
  };
}
