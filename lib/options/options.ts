/**
 * What users may set. Types only: what they are read into is `settings`, and how, `read-options`.
 */
import type { IncomingMessage } from 'node:http';
import type { SpoolOptions } from './spool-settings.ts';
import type { Store } from '../stores/store.ts';
import type { Logger } from '../common/logger.ts';
import type { Duration } from '../common/validate.ts';

export type { Logger } from '../common/logger.ts';
export type { Duration } from '../common/validate.ts';

/** What antract reads of a request. `node:http`, Express, Connect and their like all fit. */
export interface AntractRequest extends IncomingMessage {
  /** The URL before a router took its mount path off (Express, Connect). */
  originalUrl?: string | undefined;
  /** Express. */
  hostname?: string | undefined;
}

/** An app's name, or what reads it off a request; undefined stands for the default app. */
export type AppOf = string | ((req: AntractRequest) => string | undefined);

/** The pace of a release. */
export interface ReleaseOptions {
  /**
   * `immediate`: all at once, in order. `fixed`: as the limits below say. `slow-start`: a few, one more
   * for each good answer, half as many after a bad one, within the limits. Default: `fixed` where a
   * limit is set, else `immediate`; the gateway's is `slow-start`.
   */
  strategy?: 'immediate' | 'fixed' | 'slow-start' | undefined;
  /** With how many a slow start begins. Default 8. */
  initial?: number | undefined;
  /**
   * Released requests that may be under way at once: how many of those let go still wait for their
   * answer's headers. Default `Infinity`. Set it to what the backend takes with cold caches.
   */
  concurrency?: number | undefined;
  /** Releases a second. Default `Infinity`. */
  perSecond?: number | undefined;
  /**
   * Over how long those held are spread, at random and in their order, so that they don't arrive all
   * at once and several gateways don't move in step. Default 0.
   */
  jitter?: Duration | undefined;
}

/** Signs of life while held: informational responses (RFC 9110, 15.2). */
export interface HeartbeatOptions {
  /** How often. */
  every: Duration;
  /** 102 (Processing) or 103 (Early Hints). Default 102. */
  status?: 102 | 103 | undefined;
}

/**
 * How antract probes the backend before it releases held requests: every 250 ms, later every 2 s.
 * Give one of `url`, `connect` and `check`; the gateway has a default for them.
 *
 * @example
 * createAntract({ probe: { url: 'http://127.0.0.1:3000/up', threshold: 2, timeout: '1m' } });
 */
export interface ProbeOptions {
  /** URL to send a GET request to. A status of 2xx or 3xx is a success. */
  url?: string | undefined;
  /** Address to connect to: `host:port`, or the path of a Unix socket. A connection is a success. */
  connect?: string | undefined;
  /**
   * Function of your own. It throws, or resolves with false, when the backend does not answer. The
   * signal aborts when the result is no longer needed.
   */
  check?: ((signal: AbortSignal) => Promise<boolean | void> | boolean | void) | undefined;
  /**
   * Successes in a row that it takes to release.
   *
   * @default 1
   * @minimum 1
   */
  threshold?: number | undefined;
  /**
   * How long held requests wait for a success after `disable`.
   *
   * @default the rest of the pause
   * @minimum 0
   */
  timeout?: Duration | undefined;
  /**
   * What happens to held requests after `timeout`: `release` sends them to the backend anyway, `stop`
   * stops the app, which rejects them.
   *
   * @default 'release'
   */
  onTimeout?: 'release' | 'stop' | undefined;
}

/** What a drain does about WebSockets, event streams and long polls. */
export type LongLivedPolicy = 'wait' | 'ignore' | 'close';

/** Options that each app can have of its own, see `apps`. */
export interface AppOptions {
  /** The longest pause, unless `enable` names another; then the app resumes by itself. Default `5m`. */
  maxTime?: Duration | undefined;
  /**
   * Whole paths that are never held, for GET and HEAD: a load balancer's health check. A RegExp is
   * matched against the path without the query. The handshake of a WebSocket and a target that names a
   * whole URL (`GET http://host/up`) are never health checks. Default none.
   */
  healthCheckPath?: string | RegExp | readonly (string | RegExp)[] | undefined;
  /**
   * Answer `healthCheckPath` with 200 here while the app is not running, until the last one held has
   * gone out, so that a load balancer in front keeps this gateway in its pool. Default false: it is
   * passed to the backend.
   */
  answerHealthChecks?: boolean | undefined;
  /** Requests whose User-Agent contains this string, or matches it, are never held. Default none. */
  privilegedUserAgent?: string | RegExp | undefined;
  /**
   * Return true for a request that has to wait while paused; others pass, and a drain does not wait for
   * them. Unlike `bypass` it does not stop a stopped app from refusing, and those let by are counted.
   * Default: all wait.
   */
  shouldHold?: ((req: AntractRequest) => boolean) | undefined;
  /** Return true for a request that is never to be held. Default none. */
  bypass?: ((req: AntractRequest) => boolean) | undefined;
  /** How many requests are held at once; one more gets 503. Default 10,000. */
  maxQueue?: number | undefined;
  /**
   * The longest that one request is held, for those with a load balancer in front that gives up on a
   * response (often after 30 or 60 s). Default `Infinity`: as long as the pause.
   */
  maxWait?: Duration | undefined;
  /** What happens then: a 503, or letting it through to the backend as it is. Default `reject`. */
  onMaxWait?: 'reject' | 'release' | undefined;
  /** The pace of a release. Default: all at once, in order. */
  release?: ReleaseOptions | undefined;
  /**
   * How antract probes the backend. Held requests are released only after a successful probe.
   * An app inherits each field that its own `probe` leaves out.
   *
   * @default none: held requests are released at once. The gateway requests `healthCheckPath` from its
   * target, or connects to the target if there is no such path.
   */
  probe?: ProbeOptions | undefined;
  /**
   * For how long requests are held when the backend refuses a connection with nobody having paused,
   * as in a plain restart; then 502. Needs `probe`, and a proxy that gives requests back. Default 0:
   * off. The gateway's is `10s`. The gateway also holds requests after the backend dropped a
   * connection before it responded, unless the probe then succeeds.
   */
  holdOnOutage?: Duration | undefined;
  /**
   * What a drain does about WebSockets, event streams and long polls, which would keep it from ever
   * ending: `wait` for them, `ignore` them, or `close` them, once all others have ended, in a way that
   * makes clients come back. Default `wait`; the gateway's is `close`.
   */
  longLived?: LongLivedPolicy | undefined;
  /**
   * Long polls, which antract can't recognise by itself: GET requests by path, or a function. Default
   * none. In a path `*` stands for any one segment. `?name=value` names a parameter that the query must
   * have (`/db/_changes?feed=longpoll`), `?name` one with any value. A RegExp is matched against the path
   * without the query. A long poll that a drain closes gets a 503 to try again, so a handler in this
   * process must stop when its response closes.
   */
  isLongLived?:
    | string
    | RegExp
    | readonly (string | RegExp)[]
    | ((req: AntractRequest) => boolean)
    | undefined;
  /**
   * The least rate at which a request body has to arrive while a drain waits for it, in bytes per
   * second, as an average over 20 s. Below it the request is answered 408, and the backend sees an
   * incomplete body. 0 for no limit. Default 0; the gateway's is 500. On HTTP/2 the rate is that of the
   * whole connection. Raise it where slow uploads keep drains from ending.
   */
  drainMinBodyRate?: number | undefined;
  /**
   * How long a drain waits for a client that still sends its request body, or still reads its response;
   * then the request is ended, however fast it is. Counted from the beginning of the drain. Default
   * `Infinity`: no limit. Set it to less than the time that a drain may take.
   */
  drainBodyTimeout?: Duration | undefined;
  /**
   * Send informational responses to those held, for a proxy in front whose timer they restart. Never
   * to HTTP/1.0. Default none, as some proxies and clients break on them: see docs/proxies.md.
   */
  heartbeat?: HeartbeatOptions | undefined;
}

export interface AntractOptions extends AppOptions {
  /**
   * Where the admin router is mounted; requests to it are never held. False when it is not
   * reachable through the gate. Default `/_antract`.
   */
  adminPath?: string | false | undefined;
  /** Options for single apps, by name; what they leave out is taken from above. Default none. */
  apps?: Readonly<Record<string, AppOptions>> | undefined;
  /**
   * How many apps are kept at once, as their names may come from what clients send. Idle ones are
   * forgotten first; beyond it a request for one more gets 503. Default 1,000.
   */
  maxApps?: number | undefined;
  /** Where the bodies of held requests are kept, and how much of them. */
  spool?: SpoolOptions | undefined;
  /**
   * A URL that is told of each pause, drain, resumption, expiry and stop by a POST of JSON. Nothing
   * waits for it. Default none.
   */
  notify?: string | URL | undefined;
  /**
   * Through which several processes share what is asked for: see docs/stores.md. It belongs to this
   * antract, and is closed with it. Default: this process's memory, for it alone.
   */
  store?: Store | undefined;
  /**
   * What happens while the store does not answer. `last-known`: what was asked for last goes on, until
   * `maxTime`. `open`: everybody is let through. `closed`: everybody waits, `maxTime` at the longest.
   * `fence`: a process that could not report to the store for 4 s holds its requests until it can
   * again, however long that is; choose it where no request may reach a backend that another process
   * has drained, at the price that requests wait while the store is away.
   * Commands reach the process that they are given to in any case. Default `last-known`.
   */
  onStoreError?: 'last-known' | 'open' | 'closed' | 'fence' | undefined;
  /** Where warnings go. Default `console`. */
  logger?: Logger | undefined;
}
