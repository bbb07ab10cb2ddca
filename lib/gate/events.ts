/**
 * What the registry tells those who listen. Types only.
 */
import type { AntractErrorCode } from '../common/errors.ts';
import type { RejectReason } from './phase.ts';
import type { RequestLine } from '../common/request.ts';

export interface RequestEvent {
  readonly app: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
}

export interface EndedHoldEvent extends RequestEvent {
  readonly heldMs: number;
}

export interface PausedEvent {
  readonly app: string;
  readonly pauseId: string;
  readonly reason: string | null;
  /** The app resumes by itself after this long. */
  readonly endsInMs: number;
}

export interface DrainedEvent {
  readonly app: string;
  /** Since the pause, or the stop, began. */
  readonly afterMs: number;
}

export interface TooSlowEvent extends RequestEvent {
  /** Since the request was passed on. */
  readonly ageMs: number;
  /** `upload`: its client still sent the request body. `download`: it still took the response. */
  readonly waitsFor: 'upload' | 'download';
  /** Which limit was exceeded: `drainMinBodyRate` or `drainBodyTimeout`. */
  readonly cause: 'rate' | 'timeout';
}

export interface ResumedEvent {
  readonly app: string;
  readonly pausedForMs: number;
  /** How many are about to be released. */
  readonly held: number;
}

export interface ExpiredEvent extends ResumedEvent {
  /** What has ended by itself. For a stop, `pausedForMs` is how long it lasted. */
  readonly ended: 'pause' | 'stop';
  /** What was over: the longest time of a pause, or a lease that nobody renewed. */
  readonly cause: 'maxTime' | 'lease';
}

export interface StoppedEvent {
  readonly app: string;
  readonly message: string | null;
  /** How many held requests were refused. */
  readonly held: number;
  /** How long the pause was that it ended; null where there was none. */
  readonly pausedForMs: number | null;
  /** The app resumes by itself after this long; null for a stop without an end. */
  readonly endsInMs: number | null;
}

export interface RejectedEvent extends EndedHoldEvent {
  readonly reason: RejectReason;
  readonly code: AntractErrorCode;
}

export interface UnhealthyEvent {
  readonly app: string;
  /** What the probe saw last. */
  readonly lastSeen: string | null;
  /** What happens all the same: those held are let go, or refused. */
  readonly action: 'release' | 'stop';
}

export interface UnreachableEvent {
  readonly app: string;
  /** How long requests are held for it; what is left of that where the probe was wrong to find it well. */
  readonly endsInMs: number;
}

export interface ReachableEvent {
  readonly app: string;
  readonly afterMs: number;
  /** How many are about to be released. */
  readonly held: number;
}

export interface EvictedEvent {
  readonly app: string;
  /** How many requests it had let through at once. */
  readonly passed: number;
}

/** Event names and the one argument of their listeners. */
export interface AntractEvents {
  /** New requests wait from now on. */
  paused: [PausedEvent];
  /** Nothing is in flight any more. */
  drained: [DrainedEvent];
  /** A drain has ended a request in flight because its client was too slow. */
  tooSlow: [TooSlowEvent];
  /** A request has begun to wait. */
  held: [RequestEvent];
  /** A request that waited was let through. */
  released: [EndedHoldEvent];
  /** The client of a request that waited has left. */
  abandoned: [EndedHoldEvent];
  /** A request was refused: at once (`heldMs` 0), or after waiting. */
  rejected: [RejectedEvent];
  /** A pause, or a stop, has reached its end; `resumed` follows. */
  expired: [ExpiredEvent];
  /** A pause has ended; those held are let go. */
  resumed: [ResumedEvent];
  /** Requests are answered 503 from now on. */
  stopped: [StoppedEvent];
  /** A pause has ended, and the backend did not answer in the time it had. */
  unhealthy: [UnhealthyEvent];
  /** The backend refused a connection with nobody having paused; requests are held for it. */
  unreachable: [UnreachableEvent];
  /**
   * It answers again, as far as the probe sees; those held are let go. Where connections are refused all
   * the same, `unreachable` comes once more, and the next of these when a request has been answered.
   */
  reachable: [ReachableEvent];
  /** An idle app has made room for another, see `maxApps`; it begins anew when it is asked for again. */
  evicted: [EvictedEvent];
}

export type AntractListener<K extends keyof AntractEvents> = (...args: AntractEvents[K]) => unknown;

export type EmitEvent = <K extends keyof AntractEvents>(
  event: K,
  payload: AntractEvents[K][0],
  /** The request that it is about; for tracing tools. */
  request?: RequestLine,
) => void;
