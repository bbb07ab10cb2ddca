/**
 * What every release strategy is made of: rules that say when the next held request may be released.
 * Rules are pure: they are given the time, the counts, the outcomes and chance, and never wait.
 */

/** The limits of a release. */
export interface PaceLimits {
  /** Released requests that wait for their response headers at once. */
  readonly concurrency: number;
  readonly perSecond: number;
  readonly jitter: number;
  readonly initial: number;
}

export interface PaceCounts {
  /** Requests that are still held. */
  readonly held: number;
  /** Released requests whose response has not begun. */
  readonly pending: number;
}

/** The part of every limit that this process may use. `index` counts the processes from 0. */
export interface Share {
  readonly index: number;
  readonly of: number;
  /** Whether held requests of another process go first, so that this one releases none now. */
  readonly waits?: boolean;
}

/** One rule of several. The next request is released when all rules allow it. */
export interface PaceRule {
  /** Milliseconds until the next release: 0 for now, `Infinity` for not before another response. */
  delay(now: number, counts: PaceCounts): number;
  /** A request was released. `number` counts the releases from 1. */
  onRelease?(now: number, counts: PaceCounts, number: number): void;
  /** The response to release `number` has begun, or there will be none. */
  onResponse?(now: number, number: number, isGood: boolean): void;
}

export interface StrategyDeps {
  readonly settings: PaceLimits;
  /** When the release began. */
  readonly start: number;
  readonly random: () => number;
  /** May change during the release, when a process joins or leaves. */
  readonly share: () => Share;
}

/** Makes the rules for one release. */
export type Strategy = (deps: StrategyDeps) => PaceRule[];

/** This process's part of a limit. All parts add up to the limit, even if it is below the number of processes. */
export function portion(limit: number, { index, of }: Share): number {
  if (limit === Infinity) return Infinity;
  return Math.floor(limit / of) + (index < limit % of ? 1 : 0);
}
