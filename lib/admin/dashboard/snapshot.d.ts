/**
 * What `events` sends, as far as the page reads it. Written out again, as the page must not see the
 * types of Node; a test holds it to the original.
 */
export interface Status {
  app: string;
  phase: 'running' | 'pausing' | 'paused' | 'releasing' | 'stopped';
  held: number;
  inFlight: number;
  oldestHoldMs: number | null;
  pausedForMs: number | null;
  stoppedForMs?: number | null;
  endsInMs: number | null;
  leaseEndsInMs?: number | null;
  reason: string | null;
  message: string | null;
  stragglers?: {
    method: string;
    path: string;
    ageMs: number;
    waitsFor?: 'upload' | 'download';
  }[];
  // Not every version says these.
  only?: 'writes' | null;
  probe?: { unplanned: boolean } | null;
  backend?: {
    state: 'unknown' | 'up' | 'down';
    forMs: number | null;
    summary: string | null;
    next: string | null;
  };
  // Where several processes share a store.
  processes?: { acknowledged: boolean }[];
  lostProcesses?: { blocksDrain?: boolean }[];
  store?: 'connected' | 'lost';
}

export interface Snapshot {
  at: string;
  apps: Status[];
}
