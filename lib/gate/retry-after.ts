/** When a rejected client should come back. The response adds a random part, so that clients don't return together. */
import type { DesiredState } from './desired-state.ts';
import type { DesiredKind } from './phase.ts';

/** The operator may be done sooner than expected, and no client should miss that for long. */
const LONGEST_MS = 5 * 60_000;

/** Limits of a guess. A stop that names no end usually lasts longer than a pause. */
const GUESSES_MS: Readonly<Record<DesiredKind, readonly [shortest: number, longest: number]>> = {
  running: [5000, 5000],
  paused: [5000, 30_000],
  stopped: [30_000, LONGEST_MS],
};

/** Milliseconds until a retry makes sense. */
export function retryAfterMs(state: DesiredState, now: number): number {
  const { kind, until, leaseEnd, expectedEnd } = state;
  // A pause usually ends long before its `until`, which has a default.
  const knownEnds = [expectedEnd, kind === 'stopped' ? until : Infinity];
  const known = Math.min(...knownEnds.filter((end) => end > now), Infinity);
  // A lease is renewed, so it tells nothing about an expected end.
  const end =
    known < Infinity ? Math.min(known, until) : Math.min(now + guess(state, now), leaseEnd, until);
  // Rounded, because the clock counts fractions.
  return Math.min(LONGEST_MS, Math.max(0, Math.round(end - now)));
}

/** What has lasted long will probably last long. So a client waits longer each time. */
function guess({ kind, since, expectedEnd }: DesiredState, now: number): number {
  const [shortest, longest] = GUESSES_MS[kind];
  const lastsMs = now - (expectedEnd < Infinity ? expectedEnd : since);
  return Math.min(longest, Math.max(shortest, lastsMs));
}
