/**
 * What the registry tells those who listen. Types only.
 */
import type { AntractErrorCode } from '../common/errors.ts';
import type { RejectReason } from './phase.ts';
import type { RequestLine } from '../common/request.ts';

/** An event about one request. */
export interface RequestEvent {
  /** The app of the request. */
  readonly app: string;
  /** The HTTP method of the request. */
  readonly method: string;
  /** Without the query. */
  readonly path: string;
}

/** A request is no longer held. */
export interface EndedHoldEvent extends RequestEvent {
  /** How long the request was held, in milliseconds. */
  readonly heldMs: number;
}

/** A pause has begun. */
export interface PausedEvent {
  /** The app that is paused. */
  readonly app: string;
  /** Identifies this pause, see `ifPause`. */
  readonly pauseId: string;
  /** Why the app is paused, if the operator said so. */
  readonly reason: string | null;
  /** The app resumes by itself after this long. */
  readonly endsInMs: number;
}

/** Nothing is in flight any more. */
export interface DrainedEvent {
  /** The app that is drained. */
  readonly app: string;
  /** Since the pause, or the stop, began. */
  readonly afterMs: number;
}

/** A drain has ended a request because its client was too slow. */
export interface TooSlowEvent extends RequestEvent {
  /** Since the request was passed on. */
  readonly ageMs: number;
  /** `upload`: its client still sent the request body. `download`: it still took the response. */
  readonly waitsFor: 'upload' | 'download';
  /** Which limit was exceeded: `drainMinBodyRate` or `drainBodyTimeout`. */
  readonly cause: 'rate' | 'timeout';
}

/** A pause has ended. */
export interface ResumedEvent {
  /** The app that is resumed. */
  readonly app: string;
  /** How long the pause lasted, in milliseconds. */
  readonly pausedForMs: number;
  /** How many are about to be released. */
  readonly held: number;
}

/** A pause or a stop has ended by itself. */
export interface ExpiredEvent extends ResumedEvent {
  /** What has ended by itself. For a stop, `pausedForMs` is how long it lasted. */
  readonly ended: 'pause' | 'stop';
  /** What was over: the longest time of a pause, or a lease that nobody renewed. */
  readonly cause: 'maxTime' | 'lease';
}

/** A stop has begun. */
export interface StoppedEvent {
  /** The app that is stopped. */
  readonly app: string;
  /** What clients are told, if the operator said so. */
  readonly message: string | null;
  /** How many held requests were refused. */
  readonly held: number;
  /** How long the pause was that it ended; null where there was none. */
  readonly pausedForMs: number | null;
  /** The app resumes by itself after this long; null for a stop without an end. */
  readonly endsInMs: number | null;
}

/** A request was rejected. */
export interface RejectedEvent extends EndedHoldEvent {
  /** Why the request was rejected. */
  readonly reason: RejectReason;
  /** The code that the client gets. */
  readonly code: AntractErrorCode;
}

/** After a pause, the backend did not answer within `probe.timeout`. */
export interface UnhealthyEvent {
  /** The app whose backend does not answer. */
  readonly app: string;
  /** What the probe saw last. */
  readonly lastSeen: string | null;
  /** What happens all the same: those held are let go, or refused. */
  readonly action: 'release' | 'stop';
}

/** The backend refused a connection while the app was not paused. */
export interface UnreachableEvent {
  /** The app whose backend is unreachable. */
  readonly app: string;
  /** How long requests are held for it; what is left of that where the probe was wrong to find it well. */
  readonly endsInMs: number;
}

/** The backend answers the probe again. */
export interface ReachableEvent {
  /** The app whose backend answers. */
  readonly app: string;
  /** How long the backend was unreachable, in milliseconds. */
  readonly afterMs: number;
  /** How many are about to be released. */
  readonly held: number;
}

/** An idle app was evicted to make room for another app, see `maxApps`. */
export interface EvictedEvent {
  /** The app that was evicted. */
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

/** A listener of one event. Its return value is ignored. */
export type AntractListener<K extends keyof AntractEvents> = (...args: AntractEvents[K]) => unknown;

export type EmitEvent = <K extends keyof AntractEvents>(
  event: K,
  payload: AntractEvents[K][0],
  /** The request that it is about; for tracing tools. */
  request?: RequestLine,
) => void;
