/**
 * What `events` sends, as far as the page reads it. Written out again, as the page must not see the
 * types of Node; a test holds it to the original.
 */
export interface Status {
  app: string;
  summary: string;
  details: string[];
  phase: 'running' | 'pausing' | 'paused' | 'releasing' | 'stopped';
  held: number;
  inFlight: number;
  oldestHoldMs: number | null;
  pausedForMs: number | null;
  stoppedForMs?: number | null;
  endsInMs: number | null;
  leaseEndsInMs?: number | null;
  stragglers?: {
    method: string;
    path: string;
    ageMs: number;
    waitsFor?: 'upload' | 'download';
  }[];
  // Not every version says these.
  only?: 'writes' | null;
  backend?: { state: 'unknown' | 'up' | 'down' };
}

export interface Snapshot {
  at: string;
  apps: Status[];
}
