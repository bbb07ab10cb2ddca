/**
 * The events of the registry.
 */
import type { AntractErrorCode } from '../common/errors.ts';
import type { Actor } from './actor.ts';
import type { RejectReason } from './phase.ts';
import type { RequestLine } from '../common/request.ts';

/** An event about one request. */
export interface RequestEvent {
  /** The app of the request. */
  readonly app: string;
  /** The HTTP method of the request. */
  readonly method: string;
  /** The path of the request, without the query. */
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
  /** Who paused the app, as far as is known. */
  readonly by: Actor | null;
  /** The app resumes by itself after this time, in milliseconds. */
  readonly endsInMs: number;
}

/** Nothing is in flight any more. */
export interface DrainedEvent {
  /** The app that is drained. */
  readonly app: string;
  /** How long the drain took since the pause or the stop began, in milliseconds. */
  readonly afterMs: number;
}

/** A drain has ended a request because its client was too slow. */
export interface TooSlowEvent extends RequestEvent {
  /** Milliseconds since the request was passed on. */
  readonly ageMs: number;
  /** `upload`: the client still sent the request body. `download`: the client still read the response. */
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
  /** How many requests are held at this moment, and will be released. */
  readonly held: number;
  /** Who resumed the app; null if that is unknown, or if the pause or stop has ended by itself. */
  readonly by: Actor | null;
}

/** A pause or a stop has ended by itself. */
export interface ExpiredEvent extends ResumedEvent {
  /** What has ended by itself. For a stop, `pausedForMs` is how long it lasted. */
  readonly ended: 'pause' | 'stop';
  /** What has ended it: `maxTime`, or a lease that was not renewed. */
  readonly cause: 'maxTime' | 'lease';
}

/** A stop has begun. */
export interface StoppedEvent {
  /** The app that is stopped. */
  readonly app: string;
  /** What clients are told, if the operator said so. */
  readonly message: string | null;
  /** Who stopped the app; null if that is unknown. */
  readonly by: Actor | null;
  /** How many held requests were rejected. */
  readonly held: number;
  /** How long the pause had lasted, in milliseconds; null if the app was not paused. */
  readonly pausedForMs: number | null;
  /** The app resumes by itself after this time, in milliseconds; null for a stop without an end. */
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
  /** The result of the probe's last attempt. */
  readonly lastSeen: string | null;
  /** `release`: held requests are released. `stop`: the app is stopped, which rejects them. */
  readonly action: 'release' | 'stop';
}

/** The backend refused a connection while the app was not paused. */
export interface UnreachableEvent {
  /** The app whose backend is unreachable. */
  readonly app: string;
  /** How long requests are still held, in milliseconds. */
  readonly endsInMs: number;
}

/** The backend answers the probe again. */
export interface ReachableEvent {
  /** The app whose backend answers. */
  readonly app: string;
  /** How long the backend was unreachable, in milliseconds. */
  readonly afterMs: number;
  /** How many requests are held at this moment, and will be released. */
  readonly held: number;
}

/** The backend is down, as seen by a request or by the probe of any process. */
export interface BackendDownEvent {
  /** The app whose backend is down. */
  readonly app: string;
  /** Why, such as `ECONNREFUSED` or `HTTP 502`. */
  readonly reason: string | null;
  /** What has seen it: a request, the probe, the health check at the start, or another process. */
  readonly seenBy: 'request' | 'probe' | 'startCheck' | 'process';
}

/** The backend answers again. */
export interface BackendUpEvent {
  /** The app whose backend answers. */
  readonly app: string;
  /** How long the backend was down, in milliseconds. */
  readonly downForMs: number;
}

/** An idle app was evicted to make room for another app, see `maxApps`. */
export interface EvictedEvent {
  /** The app that was evicted. */
  readonly app: string;
  /** How many requests it had passed without holding them. */
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
  /** A request is held. */
  held: [RequestEvent];
  /** A held request was released and continues. */
  released: [EndedHoldEvent];
  /** The client of a held request has disconnected. */
  abandoned: [EndedHoldEvent];
  /** A request was rejected: on arrival (`heldMs` is 0), or after it was held. */
  rejected: [RejectedEvent];
  /** A pause or a stop has ended by itself; `resumed` follows. */
  expired: [ExpiredEvent];
  /** A pause has ended; held requests are released when the backend answers. */
  resumed: [ResumedEvent];
  /** Requests get a 503 from now on. */
  stopped: [StoppedEvent];
  /** A pause has ended, and the backend did not answer in time. */
  unhealthy: [UnhealthyEvent];
  /** The backend is unreachable although the app is not paused; requests are held. */
  unreachable: [UnreachableEvent];
  /**
   * The probe succeeds again after `unreachable`; held requests are released. If a pause or a stop begins
   * in between, `reachable` is emitted when the probe succeeds after that. If the backend still refuses
   * connections, `unreachable` follows once more. The next `reachable` then waits for an answered request.
   */
  reachable: [ReachableEvent];
  /** The backend is down, whether or not the app is paused. */
  backendDown: [BackendDownEvent];
  /** The backend answers again after it was down. */
  backendUp: [BackendUpEvent];
  /** An idle app was evicted, see `maxApps`. The next request for it creates it again. */
  evicted: [EvictedEvent];
}

/** A listener of one event. Its return value is ignored. */
export type AntractListener<K extends keyof AntractEvents> = (...args: AntractEvents[K]) => unknown;

export type EmitEvent = <K extends keyof AntractEvents>(
  event: K,
  payload: AntractEvents[K][0],
  /** The request that the event is about; for tracing tools. */
  request?: RequestLine,
) => void;
