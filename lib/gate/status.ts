/**
 * What can be said of an app: the shape that the admin endpoints, the dashboard and programs read.
 * Types, and the code for each reason to refuse.
 */
import type { AntractErrorCode } from '../common/errors.ts';
import type { Actor } from './actor.ts';
import type { Straggler } from './in-flight.ts';
import type { Phase, RejectReason } from './phase.ts';
import type { TrafficStatus } from './traffic-report.ts';

/**
 * An app in figures, names and sentences. The admin endpoints, the command line and the dashboard show
 * the sentences as they are.
 */
export interface AppStatus extends StatusFields {
  /** Where the backend is, such as `http://127.0.0.1:3000`; null in a middleware, which doesn't know. */
  target: string | null;
  /** One sentence with the phase, the counts and the times. */
  summary: string;
  /** Further sentences: what happens to requests, why, and what an operator should know. */
  details: string[];
}

/** The figures and names of a status. Durations are whole milliseconds; null where none applies. */
export interface StatusFields {
  /** The name of the app. */
  app: string;
  /** The observed state of the app. */
  phase: Phase;
  /** Requests that are held. */
  held: number;
  /** Requests that passed and whose response has not ended, including the long-lived ones. */
  inFlight: number;
  /** WebSockets, event streams and long polls among those in flight. */
  longLived: number;
  /** Bytes of the bodies of held requests that are kept, in memory and on disk. */
  spooledBytes: number;
  /** How long the first request in the queue has waited; null if the queue is empty. */
  oldestHoldMs: number | null;
  /** How many requests are held at most; one more is rejected. Null without a limit. */
  heldLimit: number | null;
  /** The longest time that one request is held; null if only the end of the pause limits it. */
  maxWaitMs: number | null;
  /** What happens to a request after `maxWaitMs`: 503 (`reject`), or it is passed on (`release`). */
  onMaxWait: 'reject' | 'release';
  /** How long a pause lasts at most whose command gives no other limit (`maxTime`). */
  maxTimeMs: number;
  /**
   * During a release: how many more requests are held than at its start. Negative while the queue shrinks,
   * positive while more requests arrive than the pace releases. Null otherwise.
   */
  heldDelta: number | null;
  /** How long the app has been paused; null if it is not paused. */
  pausedForMs: number | null;
  /** How long the app has been stopped; null if it is not stopped. */
  stoppedForMs: number | null;
  /** The time until the pause or the stop ends by itself; null for a stop without `maxTime`. */
  endsInMs: number | null;
  /** The time until the pause ends unless its lease is renewed; null without a lease. */
  leaseEndsInMs: number | null;
  /**
   * The time until the operator expects the pause or the stop to end; negative once that time is over. Null
   * if the operator named no end. It ends nothing.
   */
  expectedEndInMs: number | null;
  /** Identifies the pause; null without a pause. */
  pauseId: string | null;
  /** Which requests the pause holds; null for all requests. */
  only: 'writes' | null;
  /** Why the app is paused, in the operator's words; or why antract stopped it (`probe.onTimeout`). */
  reason: string | null;
  /** What clients of a stopped app are told. */
  message: string | null;
  /** Who paused or stopped the app; null if that is unknown, or if the app is running. */
  by: Actor | null;
  /**
   * The running probe; null if none runs. Requests wait until the probe succeeds, or until its time is
   * over.
   */
  probe: ProbeStatus | null;
  /** Whether the backend answers, as far as is known. */
  backend: BackendStatus;
  /** The traffic of the last minute. */
  traffic: TrafficStatus;
  /** During a drain: the requests that it waits for, oldest first, at most 20. */
  stragglers?: Straggler[];
  /** With a `store`: the processes that share it, this one included. Counts are sums over them. */
  processes?: ProcessStatus[];
  /**
   * With a `store`: processes that no longer report and may still run, and those that were lost since
   * the app was paused or stopped.
   */
  lostProcesses?: LostProcessStatus[];
  /**
   * With a `store`: whether it answers. While it does not, commands reach only this process, and
   * `processes` has the last report of each other process. Sums leave out reports older than 5 s.
   */
  store?: 'connected' | 'lost';
  /** With a `store`: whether a pause outlives the processes that share it. */
  durable?: boolean;
}

/** With a `store`, these figures are sums over all processes. */
const COUNTS = [
  'held',
  'inFlight',
  'longLived',
  'spooledBytes',
] as const satisfies (keyof StatusFields)[];

export type Counts = Pick<StatusFields, (typeof COUNTS)[number]>;

/** A process of an older version does not report every count. */
export function sumCounts(reports: readonly Partial<Counts>[]): Counts {
  const sum = (name: keyof Counts): number =>
    reports.reduce((total, report) => total + (report[name] ?? 0), 0);
  return Object.fromEntries(COUNTS.map((name) => [name, sum(name)])) as unknown as Counts;
}

/** What one of the processes that share a store reports about one app. */
export interface ProcessStatus {
  /** The host name of the process. */
  host: string;
  /** The process ID. */
  pid: number;
  /** Requests held by this process. */
  held: number;
  /** Requests in flight in this process. */
  inFlight: number;
  /** The process knows the last command. If that is a pause, it holds new requests. */
  acknowledged: boolean;
  /** The process has acknowledged the pause, and nothing is in flight that a drain waits for. */
  drained: boolean;
  /** The process accepts no more connections, and ends when it has served its requests. */
  leaving: boolean;
  /** How long ago the process reported. The other fields are from that report. */
  seenMs: number;
}

/** A process that shared the store, and no longer reports although it did not leave. */
export interface LostProcessStatus {
  /** The host name of the process. */
  host: string;
  /** The process ID. */
  pid: number;
  /** How long ago the process reported last. */
  silentForMs: number;
  /** How long the process has counted as lost. */
  lostForMs: number;
  /** The cluster's primary saw the process end. False: the process is silent, and may still run. */
  ended: boolean;
  /** The process holds new requests while it can't report (`onStoreError: 'fence'`). Earlier ones may continue. */
  fenced: boolean;
  /** The process may still send requests of this app to the backend, so no drain succeeds. */
  blocksDrain: boolean;
}

/** Whether the backend answers, as far as is known. */
export interface BackendStatus {
  /**
   * What the last request or the last probe showed. `unknown` if there was none since the app was last
   * paused, resumed or stopped. A backend that was down before stays `down` until it answers. The middleware
   * learns only from the probe and from requeued requests.
   */
  state: 'unknown' | 'up' | 'down';
  /** Why the backend is down, such as `ECONNREFUSED` or `HTTP 502`; null if it is not down. */
  reason: string | null;
  /** How long the backend has been in this state; null if the state is unknown. */
  forMs: number | null;
  /** How long ago the backend was last seen in this state; null if the state is unknown. */
  seenMs: number | null;
  /** Whether a probe is running. */
  probing: boolean;
  /** A sentence that says what is wrong and why; null if nothing is known to be wrong. */
  summary: string | null;
  /** A sentence that says what happens next; null if `summary` is null. */
  next: string | null;
}

/** The running probe of the backend. */
export interface ProbeStatus {
  /** The result of the last attempt, such as `ECONNREFUSED`; null before the first one ends. */
  lastSeen: string | null;
  /** How long the backend has been in doubt. */
  forMs: number;
  /** How much longer held requests wait for a success. Then they are released or rejected; 0 if that time is over. */
  endsInMs: number;
  /** Whether the probe follows an outage instead of a pause. */
  unplanned: boolean;
}

/** How the wait for a release ended. */
export interface ReleaseResult {
  /**
   * `reopened`: no request is held, and the backend answers. `timeout`: a request is still held, or the
   * backend does not answer. `paused`, `stopped`: a command has ended the release. `closed`: antract was
   * closed.
   */
  outcome: 'reopened' | 'timeout' | 'paused' | 'stopped' | 'closed';
  /** How long the call waited, in milliseconds. */
  waitedMs: number;
}

/** What an operator's command did. */
export interface CommandResult {
  /** The app that the command was for. */
  app: string;
  /** False if the app was in that state already. */
  changed: boolean;
  /** How many requests were held when the command was given. */
  held: number;
  /** The status after the command. */
  status: AppStatus;
  /** With a `store`: false if the store does not answer. Then the command reached only this process. */
  shared?: boolean;
  /** With a `store`: a sentence about a problem. The command is in force, but would not survive a restart. */
  warning?: string;
}

/** How the wait for a drain ended. */
export interface DrainResult {
  /**
   * `drained`: nothing is in flight. `timeout`: requests are still in flight. `lost`: nothing is in flight in
   * the processes that report, but others are missing, or the store does not answer. `resumed`: the pause
   * has ended. `closed`: antract was closed.
   */
  outcome: 'drained' | 'timeout' | 'lost' | 'resumed' | 'closed';
  /** How long the call waited, in milliseconds. */
  waitedMs: number;
  /** With a `store`: processes that no longer report and may still send requests to the backend. */
  missing?: LostProcessStatus[];
  /** With a `store`: whether it answers. While it does not, other processes can't be asked. */
  store?: 'connected' | 'lost';
  /** The requests that are still in flight, oldest first, at most 20. */
  stragglers: Straggler[];
}

const REJECTION_CODES = {
  timeout: 'ERR_ANTRACT_HOLD_TIMEOUT',
  stopped: 'ERR_ANTRACT_STOPPED',
  full: 'ERR_ANTRACT_FULL',
  shutdown: 'ERR_ANTRACT_SHUTDOWN',
  'too-large': 'ERR_ANTRACT_BODY_TOO_LARGE',
  unreachable: 'ERR_ANTRACT_BAD_GATEWAY',
  'long-poll': 'ERR_ANTRACT_LONG_POLL',
  'waiting-page': 'ERR_ANTRACT_WAITING_PAGE',
} as const satisfies Record<RejectReason, AntractErrorCode>;

export const REJECT_REASONS = Object.keys(REJECTION_CODES) as readonly RejectReason[];

export function rejectionCode(reason: RejectReason): AntractErrorCode {
  return REJECTION_CODES[reason];
}
