/**
 * The types of the options. `read-options` turns them into settings.
 */
import type { IncomingMessage } from 'node:http';
import type { ErrorPageFunction } from './error-page.ts';
import type { HeartbeatOptions, ProbeOptions, ReleaseOptions } from './nested-options.ts';
import type { SpoolOptions } from './spool-settings.ts';
import type { Store } from '../stores/store.ts';
import type { Logger } from '../common/logger.ts';
import type { Duration } from '../common/validate.ts';

export type { ErrorPageContent, ErrorPageContext, ErrorPageFunction } from './error-page.ts';
export type { Logger } from '../common/logger.ts';
export type { Duration } from '../common/validate.ts';
export type { HeartbeatOptions, ProbeOptions, ReleaseOptions } from './nested-options.ts';
export type { ReleaseStrategy } from '../gate/pacing/strategies.ts';

/** A request as antract reads it. Requests of `node:http`, Express and Connect match it. */
export interface AntractRequest extends IncomingMessage {
  /** The URL before a router removed its mount path (Express, Connect). */
  originalUrl?: string | undefined;
  /** The host name, as Express reads it. */
  hostname?: string | undefined;
}

/** The name of an app, or a function that returns it. `undefined` stands for the app `default`. */
export type AppOf = string | ((req: AntractRequest) => string | undefined);

/** What a drain does about WebSockets, event streams and long polls. */
export type LongLivedPolicy = 'wait' | 'ignore' | 'close';

/** Options that you can set for all apps, and for single apps in `apps`. */
export interface AppOptions {
  /**
   * The longest pause, unless `enable` sets another. Then the app resumes by itself.
   *
   * @default '5m'
   * @minimum 1 ms
   */
  maxTime?: Duration | undefined;
  /**
   * Paths that clients such as a load balancer request to check the app. GET and HEAD requests to them
   * are never held. A string must be the whole path. A RegExp is tested against the path without the
   * query. WebSocket handshakes, and requests whose target is a whole URL (`GET http://host/up`), are
   * never health checks.
   *
   * @default none
   */
  healthCheckPath?: string | RegExp | readonly (string | RegExp)[] | undefined;
  /**
   * Whether antract answers `healthCheckPath` with 200 while the app is not running, until the last held
   * request is released. A load balancer in front then keeps this process in its pool. If false, the
   * backend answers.
   *
   * @default false
   */
  answerHealthChecks?: boolean | undefined;
  /**
   * Requests whose User-Agent contains this string, or matches this RegExp, are never held.
   *
   * @default none
   */
  privilegedUserAgent?: string | RegExp | undefined;
  /**
   * Return false for a request that passes during a pause. A drain doesn't wait for it. Unlike with
   * `bypass`, a stopped app still rejects it, and it is counted.
   *
   * @default all requests are held
   */
  shouldHold?: ((req: AntractRequest) => boolean) | undefined;
  /**
   * Return true for a request that is never held, rejected or counted.
   *
   * @default none
   */
  bypass?: ((req: AntractRequest) => boolean) | undefined;
  /**
   * Requests held at once, for each app. One more gets 503.
   *
   * @default 10_000
   * @minimum 0
   */
  maxQueue?: number | undefined;
  /**
   * The longest time that one request is held. Set it below the timeout of a load balancer in front,
   * which is often 30 or 60 s.
   *
   * @default Infinity: as long as the pause
   * @minimum 1 ms
   */
  maxWait?: Duration | undefined;
  /**
   * What happens to a request after `maxWait`: `reject` it with 503, or `release` it to the backend.
   *
   * @default 'reject'
   */
  onMaxWait?: 'reject' | 'release' | undefined;
  /**
   * How long a browser that navigates is held before it gets a page that says so. The page reloads itself
   * into the queue, so the request loses its place. All other requests keep waiting. Set it if visitors must
   * not look at an empty window.
   *
   * @default Infinity: no page
   * @minimum 1 ms
   */
  pageAfter?: Duration | undefined;
  /**
   * The pace of a release.
   *
   * @default all at once, in order; in the gateway a slow start
   */
  release?: ReleaseOptions | undefined;
  /**
   * How antract probes the backend. Held requests are released only after a successful probe. An app
   * inherits each field that its own `probe` leaves out.
   *
   * @default none: held requests are released at once. The gateway requests `healthCheckPath` from its
   * target, or connects to the target if there is no such path.
   */
  probe?: ProbeOptions | undefined;
  /**
   * How long requests are held when the backend refuses a connection and the app is not paused, as in a
   * plain restart. Then requests get 502. Needs `probe`, and a proxy that requeues requests. The gateway
   * also holds requests after the backend dropped a connection before a response, unless the probe then
   * succeeds.
   *
   * @default 0: off; in the gateway '10s'
   */
  holdOnOutage?: Duration | undefined;
  /**
   * What a drain does about WebSockets, event streams and long polls, which could keep it from ending:
   * `wait` for them, `ignore` them, or `close` them after all other requests have ended, so that their
   * clients reconnect.
   *
   * @default 'wait'; in the gateway 'close'
   */
  longLived?: LongLivedPolicy | undefined;
  /**
   * Which requests are long polls, which antract can't recognise by itself: GET requests by path, or a
   * function. In a path, `*` stands for any one segment, `?name=value` names a parameter that the query
   * must have (`/db/_changes?feed=longpoll`), and `?name` accepts any value. A RegExp is tested against
   * the path without the query. A long poll that a drain closes gets 503. So a handler in this process
   * must stop when its response closes.
   *
   * @default none
   */
  isLongLived?:
    | string
    | RegExp
    | readonly (string | RegExp)[]
    | ((req: AntractRequest) => boolean)
    | undefined;
  /**
   * The lowest rate of a request body while a drain waits for it, in bytes per second, as an average
   * over 20 s. A slower request gets 408, and the backend sees an incomplete body. 0 means no limit. On
   * HTTP/2 the rate is that of the whole connection. Raise it if slow uploads keep drains from ending.
   *
   * @default 0; in the gateway 500
   */
  drainMinBodyRate?: number | undefined;
  /**
   * How long a drain waits for a client that still sends its request body, or still reads its response.
   * Then antract ends the request, even if the client is fast. The time counts from the start of the drain.
   * Set it to less than a drain may take.
   *
   * @default Infinity: no limit
   * @minimum 1 ms
   */
  drainBodyTimeout?: Duration | undefined;
  /**
   * Sends informational responses to held requests, for a proxy in front that restarts its timer for
   * them. Never sent to an HTTP/1.0 client. Some proxies and clients break: see docs/connections.md.
   *
   * @default none
   */
  heartbeat?: HeartbeatOptions | undefined;
  /**
   * What clients get in place of the built-in page and problem document, for each response that antract makes
   * itself: a directory with templates such as `503.html` and `502.json`, which is read at once, or a
   * function that returns a body. Status and headers stay.
   *
   * @default none: the built-in responses
   */
  errorPage?: string | ErrorPageFunction | undefined;
}

/**
 * The options of `createAntract()`. Durations are milliseconds, or strings such as `'30s'`.
 *
 * @example
 * createAntract({
 *   maxTime: '10m',
 *   maxWait: '25s',
 *   probe: { connect: '127.0.0.1:3000' },
 *   apps: { shop: { maxTime: '1m' } },
 * });
 */
export interface AntractOptions extends AppOptions {
  /**
   * Where the admin router is mounted. Requests to it are never held. False if it is not behind
   * `pause()`.
   *
   * @default '/_antract'
   */
  adminPath?: string | false | undefined;
  /**
   * Options of single apps, by name. An app inherits each option that it leaves out.
   *
   * @default none
   */
  apps?: Readonly<Record<string, AppOptions>> | undefined;
  /**
   * Apps kept at once, because their names may come from what clients send. Idle apps are evicted first.
   * If none is idle, a request for one more app gets 503.
   *
   * @default 1000
   * @minimum 1
   */
  maxApps?: number | undefined;
  /** Where the bodies of held requests are kept, and how much of them. */
  spool?: SpoolOptions | undefined;
  /**
   * A URL that gets a POST of JSON for each pause, drain, resumption, expiry and stop. Nothing waits for
   * it.
   *
   * @default none
   */
  notify?: string | URL | undefined;
  /**
   * Shares pauses between several processes: see docs/stores.md. This instance owns the store and closes
   * it in `close()`.
   *
   * @default the memory of this process
   */
  store?: Store | undefined;
  /**
   * What happens while the store does not answer. `last-known`: the last known state stays, until
   * `maxTime`. `open`: all requests pass. `closed`: all requests wait, at most `maxTime`. `fence`: a
   * process that could not report to the store for 4 s holds its requests until it can, without a time
   * limit. Choose `fence` if no request may reach a backend that another process has drained. In all
   * cases, commands take effect in the process that gets them.
   *
   * @default 'last-known'
   */
  onStoreError?: 'last-known' | 'open' | 'closed' | 'fence' | undefined;
  /**
   * Where warnings go.
   *
   * @default console
   */
  logger?: Logger | undefined;
}
