/**
 * How long to wait before a backend is asked once more: longer each time. Pure.
 */

export const FIRST_PAUSE_MS = 250;

const LONGEST_PAUSE_MS = 2000;

/** The pause that follows one of `ms`; 0 is none. */
export function nextPause(ms: number): number {
  return ms === 0 ? FIRST_PAUSE_MS : Math.min(ms * 1.5, LONGEST_PAUSE_MS);
}
