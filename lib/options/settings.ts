/**
 * The settings: options, validated and complete, and their defaults.
 */
import type { LogRecord } from '../common/logger.ts';
import type { BackendCheck } from '../probe/backend-probe.ts';
import type { ErrorPageFunction } from './error-page.ts';
import type { AntractRequest, Logger, LongLivedPolicy } from './options.ts';
import type { ReleaseSettings } from '../gate/pacing/strategies.ts';
import { DEFAULT_SPOOL_SETTINGS, type SpoolSettings } from './spool-settings.ts';
import type { Store } from '../stores/store.ts';

export interface ProbeSettings {
  /** Undefined: the backend is not probed. */
  readonly check: BackendCheck | undefined;
  readonly threshold: number;
  /** Undefined: the rest of the pause. */
  readonly timeout: number | undefined;
  readonly onTimeout: 'release' | 'stop';
}

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
  readonly shouldHold: ((req: AntractRequest) => boolean) | undefined;
  readonly maxQueue: number;
  readonly maxWait: number;
  readonly onMaxWait: 'reject' | 'release';
  readonly pageAfter: number;
  readonly release: ReleaseSettings;
  readonly probe: ProbeSettings;
  readonly holdOnOutage: number;
  readonly longLived: LongLivedPolicy;
  readonly isLongLived: ((req: AntractRequest) => boolean) | undefined;
  readonly drainMinBodyRate: number;
  readonly drainBodyTimeout: number;
  readonly heartbeat: HeartbeatSettings | undefined;
  readonly errorPage: ErrorPageFunction | undefined;
}

/** {@link AntractOptions}, validated and complete. */
export interface Settings extends AppSettings {
  readonly apps: ReadonlyMap<string, AppSettings>;
  readonly adminPath: string | false;
  readonly maxApps: number;
  readonly spool: SpoolSettings;
  readonly notify: string | undefined;
  readonly store: Store | undefined;
  readonly onStoreError: 'last-known' | 'open' | 'closed' | 'fence';
  readonly logger: Logger;
}

/** The defaults of the options of an app. A test compares the documentation with them. */
export const DEFAULT_APP_SETTINGS: AppSettings = Object.freeze({
  maxTime: 5 * 60_000,
  healthCheckPath: Object.freeze([]),
  answerHealthChecks: false,
  privilegedUserAgent: undefined,
  bypass: undefined,
  shouldHold: undefined,
  maxQueue: 10_000,
  maxWait: Infinity,
  onMaxWait: 'reject',
  pageAfter: Infinity,
  release: Object.freeze({
    strategy: 'immediate',
    concurrency: Infinity,
    perSecond: Infinity,
    jitter: 0,
    initial: 8,
  }),
  probe: Object.freeze({
    check: undefined,
    threshold: 1,
    timeout: undefined,
    onTimeout: 'release',
  }),
  holdOnOutage: 0,
  longLived: 'wait',
  isLongLived: undefined,
  drainMinBodyRate: 0,
  drainBodyTimeout: Infinity,
  heartbeat: undefined,
  errorPage: undefined,
});

/** The defaults beside an interval, which has none: without an interval there is no heartbeat. */
export const DEFAULT_HEARTBEAT: HeartbeatSettings = Object.freeze({ every: 0, status: 102 });

/** Writes no record for information: the standard output of a program belongs to the program. */
const DEFAULT_LOGGER: Logger = Object.freeze({
  info: (message: string) => console.info(message),
  warn: (message: string) => console.warn(message),
  error: (message: string) => console.error(message),
  record: ({ level, message }: LogRecord) => {
    if (level === 'warn') console.warn(message);
  },
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
  logger: DEFAULT_LOGGER,
});
