/** The backend in a status, where nothing is known of it. */
import type { BackendStatus } from '../../lib/gate/status.ts';

export const UNKNOWN_BACKEND: BackendStatus = Object.freeze({
  state: 'unknown',
  reason: null,
  forMs: null,
  seenMs: null,
  probing: false,
  summary: null,
  next: null,
});
