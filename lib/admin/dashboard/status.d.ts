/**
 * The part of the server's data that the page reads. Declared here because the page must not use the types
 * of Node. A test compares them with the types of the server.
 */
export interface Status {
  app: string;
  target: string | null;
  summary: string;
  details: string[];
  phase: 'running' | 'pausing' | 'paused' | 'releasing' | 'stopped';
  held: number;
  heldLimit: number | null;
  inFlight: number;
  oldestHoldMs: number | null;
  maxWaitMs: number | null;
  onMaxWait: 'reject' | 'release';
  maxTimeMs: number;
  pausedForMs: number | null;
  stoppedForMs: number | null;
  endsInMs: number | null;
  leaseEndsInMs: number | null;
  expectedEndInMs: number | null;
  pauseId: string | null;
  only: 'writes' | null;
  reason: string | null;
  message: string | null;
  by: { name: string | null; address: string | null; token: string | null } | null;
  stragglers?: {
    method: string;
    path: string;
    ageMs: number;
    waitsFor?: 'upload' | 'download';
  }[];
  probe: { endsInMs: number; unplanned: boolean } | null;
  backend: {
    state: 'unknown' | 'up' | 'down';
    forMs: number | null;
    probing: boolean;
    summary: string | null;
  };
  traffic: {
    requestsPerSecond: number;
    p50Ms: number | null;
    p95Ms: number | null;
    errorShare: number | null;
    latestPerSecond: number;
    latestErrorsPerSecond: number;
  };
}

export interface Snapshot {
  /** In milliseconds since 1970. */
  at: number;
  server: { version: string; uptimeMs: number };
  apps: Status[];
}

export interface Transition {
  id: number;
  at: number;
  app: string;
  event:
    | 'paused'
    | 'drained'
    | 'resumed'
    | 'stopped'
    | 'expired'
    | 'unhealthy'
    | 'backendDown'
    | 'backendUp'
    | 'changed';
  text: string;
}

export interface Report {
  pauseId: string;
  startedAt: number;
  complete: boolean;
  reason: string | null;
  pausedForMs: number | null;
  endedBy: 'resume' | 'maxTime' | 'lease' | 'stop' | null;
  held: number;
  released: number;
  carriedOver: number | null;
  abandoned: number;
  rejected: number;
  waitingPages: number;
  longestHoldMs: number | null;
  medianHoldMs: number | null;
  drainedAfterMs: number | null;
}

export interface Samples {
  at: number[];
  held: (number | null)[];
  inFlight: (number | null)[];
  requestsPerSecond: (number | null)[];
  errorsPerSecond: (number | null)[];
}

export interface AppHistory {
  samples: Samples;
  pauses: Report[];
}
