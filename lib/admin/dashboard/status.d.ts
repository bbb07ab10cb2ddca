/**
 * The part of a snapshot that the page reads. Declared here because the page must not use the types of
 * Node. A test compares it with `AppStatus`.
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
