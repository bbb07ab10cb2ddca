/**
 * What users may set: types, defaults, and how they are read. Knows nothing of how a setting is used.
 */
import type { IncomingMessage } from 'node:http';
import { AntractError } from './errors.ts';
import { readHealth } from './health-option.ts';
import type { HealthCheck } from './health-gate.ts';
import type { PaceSettings } from './pacer.ts';
import { pathOf } from './request.ts';
import type { Store } from './stores/store.ts';
import {
  DEFAULT_SPOOL_SETTINGS,
  readSpoolOptions,
  type SpoolOptions,
  type SpoolSettings,
} from './spool/settings.ts';
import {
  boolean,
  duration,
  expected,
  func,
  integer,
  isPlainObject,
  oneOf,
  positive,
  readObject,
  stringOrRegExp,
  type Duration,
  type Readers,
} from './validate.ts';

export type { Duration } from './validate.ts';

/** `console` is one. */
export interface Logger {
  debug?(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** What antract reads of a request. `node:http`, Express, Connect and their like all fit. */
export interface AntractRequest extends IncomingMessage {
  /** The URL before a router took its mount path off (Express, Connect). */
  originalUrl?: string;
  /** Express. */
  hostname?: string;
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
 * How to see that the backend answers, in one of these ways. It is asked every 250 ms, then every 2 s,
 * before those held are let go.
 */
export interface HealthOptions {
  /** GET this URL; 2xx and 3xx are good. */
  url?: string | undefined;
  /** Connect to `host:port`, or to the path of a Unix socket. */
  connect?: string | undefined;
  /** Look yourself: throw, or resolve with false, when the backend does not answer. */
  check?: ((signal: AbortSignal) => Promise<boolean | void> | boolean | void) | undefined;
}

/** What a drain does about WebSockets, event streams and long polls. */
export type LongLivedPolicy = 'wait' | 'ignore' | 'close';

/** Options that each app can have of its own, see `apps`. */
export interface AppOptions {
  /** The longest pause, unless `enable` names another; then the app resumes by itself. Default `5m`. */
  maxTime?: Duration | undefined;
  /**
   * Whole paths that are never held, for GET and HEAD: a load balancer's health check. A RegExp is
   * matched against the path without the query. Default none.
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
  hold?: ((req: AntractRequest) => boolean) | undefined;
  /** Return true for a request that is never to be held. Default none. */
  bypass?: ((req: AntractRequest) => boolean) | undefined;
  /** How many requests are held at once; one more gets 503. Default 10,000. */
  maxHeld?: number | undefined;
  /**
   * The longest that one request is held, for those with a load balancer in front that gives up on a
   * response (often after 30 or 60 s). Default `Infinity`: as long as the pause.
   */
  maxHold?: Duration | undefined;
  /** What happens then: a 503, or letting it through to the backend as it is. Default `reject`. */
  onMaxHold?: 'reject' | 'release' | undefined;
  /** The pace of a release. Default: all at once, in order. */
  release?: ReleaseOptions | undefined;
  /**
   * How to see that the backend answers; those held are let go only when it does. Default none: they
   * are let go at once. The gateway connects to its target, or asks for `healthCheckPath`.
   */
  health?: HealthOptions | undefined;
  /** How many good answers in a row it takes. Default 1. */
  healthThreshold?: number | undefined;
  /** How long to wait for them after `disable`. Default: what is left of the pause. */
  healthTimeout?: Duration | undefined;
  /** What happens then: `release` those held all the same, or `stop` the app. Default `release`. */
  onHealthTimeout?: 'release' | 'stop' | undefined;
  /**
   * For how long requests are held when the backend refuses a connection with nobody having paused,
   * as in a plain restart; then 502. Needs `health`, and a proxy that gives requests back. Default 0:
   * off. The gateway's is `10s`.
   */
  cover?: Duration | undefined;
  /**
   * What a drain does about WebSockets, event streams and long polls, which would keep it from ever
   * ending: `wait` for them, `ignore` them, or `close` them, once all others have ended, in a way that
   * makes clients come back. Default `wait`; the gateway's is `close`.
   */
  longLived?: LongLivedPolicy | undefined;
  /**
   * What is long-lived beside WebSockets and event streams, which are known: whole paths, for GET, or
   * a function. Default none. Name long polls here; one that is closed gets a 503 to try again, so a
   * handler in this process must stop when its response closes.
   */
  isLongLived?:
    | string
    | RegExp
    | readonly (string | RegExp)[]
    | ((req: AntractRequest) => boolean)
    | undefined;
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
   * Commands reach the process that they are given to in any case. Default `last-known`.
   */
  onStoreError?: 'last-known' | 'open' | 'closed' | undefined;
  /** Where warnings go. Default `console`. */
  logger?: Logger | undefined;
}

export type ReleaseSettings = PaceSettings;

export interface HeartbeatSettings {
  readonly every: number;
  readonly status: 102 | 103;
}

/** {@link AppOptions}, validated and complete. Durations are in milliseconds. */
export interface AppSettings {
  readonly maxTime: number;
  readonly healthCheckPath: readonly (string | RegExp)[];
  readonly answerHealthChecks: boolean;
  readonly privilegedUserAgent: string | RegExp | undefined;
  readonly bypass: ((req: AntractRequest) => boolean) | undefined;
  readonly hold: ((req: AntractRequest) => boolean) | undefined;
  readonly maxHeld: number;
  readonly maxHold: number;
  readonly onMaxHold: 'reject' | 'release';
  readonly release: ReleaseSettings;
  readonly health: HealthCheck | undefined;
  readonly healthThreshold: number;
  readonly healthTimeout: number | undefined;
  readonly onHealthTimeout: 'release' | 'stop';
  readonly cover: number;
  readonly longLived: LongLivedPolicy;
  readonly isLongLived: ((req: AntractRequest) => boolean) | undefined;
  readonly heartbeat: HeartbeatSettings | undefined;
}

/** {@link AntractOptions}, validated and complete. */
export interface Settings extends AppSettings {
  readonly apps: ReadonlyMap<string, AppSettings>;
  readonly adminPath: string | false;
  readonly maxApps: number;
  readonly spool: SpoolSettings;
  readonly notify: string | undefined;
  readonly store: Store | undefined;
  readonly onStoreError: 'last-known' | 'open' | 'closed';
  readonly logger: Logger;
}

/** The defaults, here and nowhere else; a test holds the documentation to them. */
export const DEFAULT_APP_SETTINGS: AppSettings = Object.freeze({
  maxTime: 5 * 60_000,
  healthCheckPath: Object.freeze([]),
  answerHealthChecks: false,
  privilegedUserAgent: undefined,
  bypass: undefined,
  hold: undefined,
  maxHeld: 10_000,
  maxHold: Infinity,
  onMaxHold: 'reject',
  release: Object.freeze({
    strategy: 'immediate',
    concurrency: Infinity,
    perSecond: Infinity,
    jitter: 0,
    initial: 8,
  }),
  health: undefined,
  healthThreshold: 1,
  healthTimeout: undefined,
  onHealthTimeout: 'release',
  cover: 0,
  longLived: 'wait',
  isLongLived: undefined,
  heartbeat: undefined,
});

export const DEFAULT_SETTINGS: Settings = Object.freeze({
  ...DEFAULT_APP_SETTINGS,
  adminPath: '/_antract',
  apps: new Map<string, AppSettings>(),
  maxApps: 1000,
  spool: DEFAULT_SPOOL_SETTINGS,
  notify: undefined,
  store: undefined,
  onStoreError: 'last-known',
  logger: console,
});

const releaseReaders: Readers<ReleaseSettings> = {
  strategy: oneOf('immediate', 'fixed', 'slow-start'),
  initial: integer({ min: 1 }),
  concurrency: integer({ min: 1, infinite: true }),
  perSecond: positive(),
  jitter: duration(),
};

const heartbeatReaders: Readers<HeartbeatSettings> = {
  every: duration({ min: 100 }),
  status: (name, value) => {
    if (value === 102 || value === 103) return value;
    throw expected(name, '102 or 103', value);
  },
};

const appReaders: Readers<AppSettings> = {
  maxTime: duration({ min: 1 }),
  healthCheckPath: readPaths,
  answerHealthChecks: boolean,
  privilegedUserAgent: stringOrRegExp(),
  bypass: func('(req) => boolean'),
  hold: func('(req) => boolean'),
  maxHeld: integer(),
  maxHold: duration({ min: 1, infinite: true }),
  onMaxHold: oneOf('reject', 'release'),
  release: readRelease,
  health: readHealth,
  healthThreshold: integer({ min: 1 }),
  healthTimeout: duration(),
  onHealthTimeout: oneOf('release', 'stop'),
  cover: duration(),
  longLived: oneOf('wait', 'ignore', 'close'),
  isLongLived: readIsLongLived,
  heartbeat: readHeartbeat,
};

const readers: Readers<Omit<Settings, 'apps'> & { apps: unknown }> = {
  ...appReaders,
  adminPath: readAdminPath,
  apps: (_name, value) => value,
  maxApps: integer({ min: 1 }),
  spool: (name, value) => readSpoolOptions(value, `${name}.`),
  notify: readNotify,
  store: readStore,
  onStoreError: oneOf('last-known', 'open', 'closed'),
  logger: readLogger,
};

/** Every name that `createAntract()` takes. */
export const OPTION_NAMES: readonly string[] = Object.keys(readers);

/** Every name that an entry of `apps` takes. */
export const APP_OPTION_NAMES: readonly string[] = Object.keys(appReaders);

/** Validates what a user passed to `createAntract()`; throws `ERR_ANTRACT_OPTION`. */
export function readOptions(options: AntractOptions = {}): Settings {
  const { apps, ...settings } = readObject('', options, readers, { ...DEFAULT_SETTINGS, apps: {} });
  return { ...checkCover('', settings), apps: readApps(apps, settings) };
}

function readApps(value: unknown, defaults: AppSettings): Map<string, AppSettings> {
  if (!isPlainObject(value)) throw expected('apps', 'an object of options by app name', value);
  const inherited = Object.fromEntries(
    APP_OPTION_NAMES.map((name) => [name, defaults[name as keyof AppSettings]]),
  ) as unknown as AppSettings;
  return new Map(
    Object.entries(value).map(([app, options]) => {
      readAppName(app);
      const prefix = `apps.${app}.`;
      return [app, checkCover(prefix, readObject(prefix, options, appReaders, inherited))];
    }),
  );
}

/** What is held for a backend that is gone can only be let go by somebody who sees it come back. */
function checkCover<T extends AppSettings>(prefix: string, settings: T): T {
  if (settings.cover === 0 || settings.health) return settings;
  throw expected(`${prefix}cover`, '0 where there is no `health`', settings.cover);
}

/**
 * An app's name may come from a client (a virtual host), and is shown to operators: no control
 * characters, and not longer than a host name can be.
 */
export function readAppName(name: unknown): string {
  if (isAppName(name)) return name;
  throw new AntractError(
    'ERR_ANTRACT_APP_NAME',
    `Expected \`app\` to be a name of 1 to ${MAX_APP_NAME} printable characters.`,
  );
}

const MAX_APP_NAME = 253;

export function isAppName(name: unknown): name is string {
  return typeof name === 'string' && name.length <= MAX_APP_NAME && /^\P{Cc}+$/u.test(name);
}

export function readApp(name: string, value: unknown): AppOf {
  if (typeof value === 'function') return value as AppOf;
  if (typeof value === 'string') return readAppName(value);
  throw expected(name, 'a name, or a function (req) => name', value);
}

function readRelease(name: string, value: unknown): ReleaseSettings {
  const defaults = DEFAULT_APP_SETTINGS.release;
  const read = readObject(`${name}.`, value, releaseReaders, defaults);
  const { strategy } = value as ReleaseOptions;
  const limits = ['concurrency', 'perSecond', 'jitter'] as const;
  const limit = limits.find((key) => read[key] !== defaults[key]);
  if (limit === undefined || strategy === 'slow-start') return read;
  if (strategy === 'immediate') {
    throw expected(`${name}.strategy`, `'fixed' or 'slow-start' beside \`${limit}\``, strategy);
  }
  return { ...read, strategy: 'fixed' };
}

function readHeartbeat(name: string, value: unknown): HeartbeatSettings {
  const defaults: HeartbeatSettings = { every: 0, status: 102 };
  const read = readObject(`${name}.`, value, heartbeatReaders, defaults);
  if (read.every === 0) throw expected(`${name}.every`, "a duration such as '10s'", undefined);
  return read;
}

function readIsLongLived(name: string, value: unknown): (req: AntractRequest) => boolean {
  if (typeof value === 'function') return value as (req: AntractRequest) => boolean;
  const paths = readPaths(name, value);
  return (req) => req.method === 'GET' && matchesPath(paths, pathOf(req));
}

/** Whole paths, or RegExps for them. */
export function matchesPath(paths: readonly (string | RegExp)[], path: string): boolean {
  return paths.some((wanted) => (typeof wanted === 'string' ? wanted === path : wanted.test(path)));
}

function readPaths(name: string, value: unknown): readonly (string | RegExp)[] {
  const wanted = "a path that starts with '/', a RegExp, or an array of them";
  const read = stringOrRegExp(wanted);
  return (Array.isArray(value) ? value : [value]).map((item: unknown) => {
    if (typeof item === 'string' && !/^\/[^?#]*$/.test(item)) throw expected(name, wanted, item);
    return read(name, item);
  });
}

function readAdminPath(name: string, value: unknown): string | false {
  if (value === false) return false;
  if (typeof value === 'string' && /^(\/[\w.~-]+)+$/.test(value)) return value;
  throw expected(name, "a path such as '/_antract' without a trailing slash, or false", value);
}

/** Messages show no value: for many services the path is the secret. */
function readNotify(name: string, value: unknown): string {
  const url = value instanceof URL ? value.href : value;
  if (typeof url === 'string' && isHttpUrl(url)) return url;
  throw new AntractError(
    'ERR_ANTRACT_OPTION',
    `Expected \`${name}\` to be an http: or https: URL.`,
  );
}

/** Also that its user and password can be decoded, which a URL does not check. */
function isHttpUrl(text: string): boolean {
  try {
    const { protocol, username, password } = new URL(text);
    decodeURIComponent(username + password);
    return protocol === 'http:' || protocol === 'https:';
  } catch {
    return false;
  }
}

function readStore(name: string, value: unknown): Store {
  if (hasMethods(value, ['load', 'publish', 'subscribe'])) return value as Store;
  throw expected(name, 'a store: an object with the methods load, publish and subscribe', value);
}

function readLogger(name: string, value: unknown): Logger {
  if (hasMethods(value, ['info', 'warn', 'error'])) return value as Logger;
  throw expected(name, 'an object with the methods info, warn and error, as console is', value);
}

function hasMethods(value: unknown, methods: readonly string[]): boolean {
  const object = value as Partial<Record<string, unknown>> | null;
  return methods.every((method) => typeof object?.[method] === 'function');
}
