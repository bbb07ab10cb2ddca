/**
 * How long to wait before a backend is asked once more: longer each time. Pure.
 */

export const FIRST_PAUSE_MS = 250;

/** Short: a backend that is back, and busy, may refuse connections again soon. */
const LONGEST_PAUSE_MS = 1000;

/** The pause that follows one of `ms`; 0 is none. */
export function nextPause(ms: number): number {
  return ms === 0 ? FIRST_PAUSE_MS : Math.min(ms * 1.5, LONGEST_PAUSE_MS);
}
