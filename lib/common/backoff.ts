/** The pauses between retries. Each pause is longer than the one before. */

export const FIRST_PAUSE_MS = 250;

/** Short, because a backend that was just started may be busy and refuse connections for a moment. */
const MAX_PAUSE_MS = 1000;

/** The pause after a pause of `ms`. 0 stands for no pause. */
export function nextPause(ms: number): number {
  return ms === 0 ? FIRST_PAUSE_MS : Math.min(ms * 1.5, MAX_PAUSE_MS);
}
