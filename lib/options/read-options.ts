/**
 * Reads the options of `createAntract()` into settings.
 */
import { readAppName } from './app-name.ts';
import { AntractError } from '../common/errors.ts';
import { guardErrorPage, readErrorPage } from './error-page-option.ts';
import type {
  AntractOptions,
  AntractRequest,
  AppOptions,
  Logger,
  ReleaseOptions,
} from './options.ts';
import { ONE_CHECK, readProbe } from './probe-option.ts';
import { RELEASE_STRATEGIES, type ReleaseSettings } from '../gate/pacing/strategies.ts';
import { printableLogger } from '../common/printable.ts';
import { isPlainPath, pathOf } from '../common/request.ts';
import { matchesPattern, readRequestPattern } from '../common/request-pattern.ts';
import {
  DEFAULT_APP_SETTINGS,
  DEFAULT_HEARTBEAT,
  DEFAULT_SETTINGS,
  type AppSettings,
  type HeartbeatSettings,
  type Settings,
} from './settings.ts';
import { readSpoolOptions } from './spool-settings.ts';
import type { Store } from '../stores/store.ts';
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
  type Readers,
} from '../common/validate.ts';

const releaseReaders: Readers<ReleaseSettings> = {
  strategy: oneOf(...RELEASE_STRATEGIES),
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
  shouldHold: func('(req) => boolean'),
  maxQueue: integer(),
  maxWait: duration({ min: 1, infinite: true }),
  onMaxWait: oneOf('reject', 'release'),
  pageAfter: duration({ min: 1, infinite: true }),
  release: readRelease,
  probe: (name, value) => readProbe(name, value, DEFAULT_APP_SETTINGS.probe),
  holdOnOutage: duration(),
  longLived: oneOf('wait', 'ignore', 'close'),
  isLongLived: readIsLongLived,
  drainMinBodyRate: integer(),
  drainBodyTimeout: duration({ min: 1, infinite: true }),
  heartbeat: readHeartbeat,
  errorPage: readErrorPage,
};

const readers: Readers<Omit<Settings, 'apps'> & { apps: unknown }> = {
  ...appReaders,
  adminPath: readAdminPath,
  apps: (_name, value) => value,
  maxApps: integer({ min: 1 }),
  spool: (name, value) => readSpoolOptions(value, `${name}.`),
  notify: readNotify,
  store: readStore,
  onStoreError: oneOf('last-known', 'open', 'closed', 'fence'),
  logger: readLogger,
};

/** The names of all options of `createAntract()`. */
export const OPTION_NAMES: readonly string[] = Object.keys(readers);

/** The names of all options of an entry of `apps`. */
export const APP_OPTION_NAMES: readonly string[] = Object.keys(appReaders);

/** @throws AntractError `ERR_ANTRACT_OPTION` for an unknown or invalid option. */
export function readOptions(options: AntractOptions = {}): Settings {
  const { apps, ...settings } = readObject('', options, readers, { ...DEFAULT_SETTINGS, apps: {} });
  // Apps inherit from a `probe` at the top, which then needs no check of its own.
  const probe = isPlainObject(apps) && Object.keys(apps).length > 0 ? undefined : options.probe;
  const logger = printableLogger(settings.logger);
  const guarded = { ...settings, errorPage: guardErrorPage(settings.errorPage, logger) };
  return { ...requireCheck('', probe, guarded), logger, apps: readApps(apps, guarded, logger) };
}

function readApps(value: unknown, defaults: AppSettings, logger: Logger): Map<string, AppSettings> {
  if (!isPlainObject(value)) throw expected('apps', 'an object of options by app name', value);
  const inherited = Object.fromEntries(
    APP_OPTION_NAMES.map((name) => [name, defaults[name as keyof AppSettings]]),
  ) as unknown as AppSettings;
  const inheritingReaders: Readers<AppSettings> = {
    ...appReaders,
    probe: (name, probe) => readProbe(name, probe, defaults.probe),
    errorPage: (name, page) => guardErrorPage(readErrorPage(name, page), logger),
  };
  return new Map(
    Object.entries(value).map(([app, options]) => {
      readAppName(app);
      const prefix = `apps.${app}.`;
      const read = readObject(prefix, options, inheritingReaders, inherited);
      return [app, requireCheck(prefix, (options as AppOptions).probe, read)];
    }),
  );
}

/** @param probe the option as it was given; its other fields have no effect without a check. */
function requireCheck<T extends AppSettings>(prefix: string, probe: unknown, settings: T): T {
  if (settings.probe.check) return settings;
  if (probe !== undefined) throw expected(`${prefix}probe`, ONE_CHECK, probe);
  // Only a probe can see that the backend is back.
  if (settings.holdOnOutage === 0) return settings;
  throw expected(`${prefix}holdOnOutage`, '0 where there is no `probe`', settings.holdOnOutage);
}

function readRelease(name: string, value: unknown): ReleaseSettings {
  const defaults = DEFAULT_APP_SETTINGS.release;
  const read = readObject(`${name}.`, value, releaseReaders, defaults);
  const { strategy } = value as ReleaseOptions;
  const limits = ['concurrency', 'perSecond', 'jitter'] as const;
  const limit = limits.find((key) => read[key] !== defaults[key]);
  if (limit === undefined) return read;
  if (strategy === undefined) return { ...read, strategy: 'fixed' };
  if (strategy === 'immediate') {
    const others = RELEASE_STRATEGIES.filter((other) => other !== strategy);
    const wanted = others.map((other) => `'${other}'`).join(' or ');
    throw expected(`${name}.strategy`, `${wanted} beside \`${limit}\``, strategy);
  }
  return read;
}

function readHeartbeat(name: string, value: unknown): HeartbeatSettings {
  const read = readObject(`${name}.`, value, heartbeatReaders, DEFAULT_HEARTBEAT);
  if (read.every === 0) throw expected(`${name}.every`, "a duration such as '10s'", undefined);
  return read;
}

function readIsLongLived(name: string, value: unknown): (req: AntractRequest) => boolean {
  if (typeof value === 'function') return value as (req: AntractRequest) => boolean;
  const tests = (Array.isArray(value) ? value : [value]).map((item: unknown) =>
    readLongPoll(name, item),
  );
  return (req) => req.method === 'GET' && tests.some((test) => test(req));
}

function readLongPoll(name: string, value: unknown): (req: AntractRequest) => boolean {
  const wanted =
    "a path that starts with '/', as in a request, with `*` for any one segment and '?name=value' for " +
    'a parameter that the query must have; or a RegExp for the path, an array of these, or a function';
  if (typeof value !== 'string') {
    const path = stringOrRegExp(wanted)(name, value) as RegExp;
    return (req) => path.test(pathOf(req));
  }
  const pattern = readRequestPattern(value);
  if (!pattern) throw expected(name, wanted, value);
  return (req) => matchesPattern(pattern, req);
}

function readPaths(name: string, value: unknown): readonly (string | RegExp)[] {
  const wanted =
    "a path that starts with '/', a RegExp, or an array of them; as in a request, so without '//' at " +
    "the start, '..', '\\\\', a query or spaces";
  const read = stringOrRegExp(wanted);
  return (Array.isArray(value) ? value : [value]).map((item: unknown) => {
    if (typeof item === 'string' && !isPlainPath(item)) throw expected(name, wanted, item);
    return read(name, item);
  });
}

function readAdminPath(name: string, value: unknown): string | false {
  if (value === false) return false;
  if (typeof value === 'string' && /^(\/[\w.~-]+)+$/.test(value)) return value;
  throw expected(name, "a path such as '/_antract' without a trailing slash, or false", value);
}

/** The message doesn't show the value: for many services the path is the secret. */
function readNotify(name: string, value: unknown): string {
  const url = value instanceof URL ? value.href : value;
  if (typeof url === 'string' && isHttpUrl(url)) return url;
  throw new AntractError(
    'ERR_ANTRACT_OPTION',
    `Expected \`${name}\` to be an http: or https: URL.`,
  );
}

/** Also checks that user and password can be decoded, which `URL` does not. */
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
