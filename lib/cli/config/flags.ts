/**
 * Every flag of `serve`: one table, from which the flag, its environment variable, its place in the
 * configuration, its parser and its help all follow. Knows no gateway.
 */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { DEFAULT_CORE_OPTIONS, DEFAULT_GATEWAY_SETTINGS } from '../../gateway/config/config.ts';
import { DEFAULT_APP_SETTINGS, DEFAULT_SETTINGS } from '../../options/settings.ts';
import { readTextOrRegExp, TEXT_OR_REGEXP } from './text-or-regexp.ts';

/** A configuration as a file or the command line writes it; what it means is read later. */
export type RawConfig = Record<string, unknown>;

/** Where a value came from. */
export type Source = 'cli' | 'env' | 'file';

export interface Flag {
  /** Where its value goes in the configuration, such as `release.concurrency`. */
  readonly key: string;
  /** Such as `--release-concurrency`. */
  readonly long: string;
  /** Such as `ANTRACT_RELEASE_CONCURRENCY`. */
  readonly env: string;
  /**
   * Whether an empty variable counts as not set, as `VARIABLE=` in a compose file is meant. Not where
   * it says who may come in or where something is: there the default could be dangerous.
   */
  readonly mayBeEmpty: boolean;
  readonly isDuration: boolean;
  readonly option: Option;
}

/** What the values of flags that name a place are called in the help. */
const PLACES = ['<url>', '<address>', '<file>', '<path>'];

const DURATION = '<duration>';

type Parse = (text: string, previous: unknown) => unknown;

const { release, probe, ...appDefaults } = DEFAULT_APP_SETTINGS;
const defaults = {
  ...DEFAULT_SETTINGS,
  ...appDefaults,
  ...DEFAULT_GATEWAY_SETTINGS,
  ...DEFAULT_CORE_OPTIONS,
};

export const PREFIX = 'ANTRACT_';

export const FLAGS: readonly Flag[] = [
  flag('target', '<url>', 'the backend, such as http://127.0.0.1:3000 or unix:/path.sock'),
  flag('port', '<number>', 'port to listen on, 0 for any that is free', defaults.port, number),
  flag('host', '<address>', 'address to listen on', defaults.host),
  flag('config', '<file>', 'JSON file with options by their names, and several apps under `apps`'),

  flag(
    'maxTime',
    '<duration>',
    'the longest pause; then requests go on by themselves',
    defaults.maxTime,
  ),
  flag('healthCheckPath', '<path>', 'never held; may be given several times', undefined, list),
  flag(
    'answerHealthChecks',
    '[boolean]',
    'answer it with 200 here while not running',
    undefined,
    boolean,
  ),
  flag(
    'privilegedUserAgent',
    '<text>',
    'requests whose User-Agent has it, or matches /it/, are never held',
    undefined,
    textOrRegExp,
  ),
  flag('probe.url', '<url>', 'asked before those held are let go (default: see docs/gateway.md)'),
  flag('probe.connect', '<address>', 'host:port or /path.sock to connect to for that instead'),
  flag(
    'probe.threshold',
    '<number>',
    'how many good answers in a row it takes',
    probe.threshold,
    number,
  ),
  flag(
    'probe.timeout',
    '<duration>',
    'how long to wait for them (default: what is left of the pause)',
  ),
  flag('probe.onTimeout', '<what>', 'what happens then: release or stop', probe.onTimeout),
  flag(
    'holdOnOutage',
    '<duration>',
    'hold requests this long when the backend is gone unasked, 0 for not at all',
    defaults.holdOnOutage,
  ),
  flag(
    'maxQueue',
    '<number>',
    'requests held at once; one more gets 503',
    defaults.maxQueue,
    number,
  ),
  flag(
    'maxWait',
    '<duration>',
    'the longest that one request is held (default: as long as the pause)',
  ),
  flag('onMaxWait', '<what>', 'what happens then: reject or release', defaults.onMaxWait),
  flag(
    'release.strategy',
    '<strategy>',
    'immediate, fixed or slow-start',
    defaults.release.strategy,
  ),
  flag('release.initial', '<number>', 'with how many a slow start begins', release.initial, number),
  flag(
    'release.concurrency',
    '<number>',
    'released requests under way at once',
    release.concurrency,
    number,
  ),
  flag('release.perSecond', '<number>', 'releases a second', release.perSecond, number),
  flag(
    'release.jitter',
    '<duration>',
    'over how long those held are spread at random',
    release.jitter,
  ),

  flag(
    'longLived',
    '<what>',
    'what a drain does about WebSockets, event streams and long polls: wait, ignore or close',
    defaults.longLived,
  ),
  flag(
    'isLongLived',
    '<path>',
    'long polls, such as /poll or /*/_changes?feed=longpoll; may be given several times',
    undefined,
    list,
  ),
  flag(
    'drainMinBodyRate',
    '<number>',
    'bytes per second: a drain ends a slower upload with 408, 0 for no limit',
    defaults.drainMinBodyRate,
    number,
  ),
  flag(
    'drainBodyTimeout',
    '<duration>',
    'how long a drain waits for a client that still sends or reads a body',
    defaults.drainBodyTimeout,
  ),
  flag(
    'heartbeat.every',
    '<duration>',
    'send informational responses to those held (default: off)',
  ),
  flag('heartbeat.status', '<status>', '102 or 103', 102, number),
  flag('spool.memory', '<size>', "of a held request's body, before a file", '64kb'),
  flag('spool.directory', '<path>', 'where those files are (default: a temporary directory)'),
  flag('spool.maxBody', '<size>', 'the largest body that is held; beyond it 413', '1gb'),
  flag('spool.maxTotal', '<size>', 'how much is spooled in all', '10gb'),

  flag('adminPath', '<path>', 'where the admin endpoints are', defaults.adminPath),
  flag('adminListen', '<address>', 'host:port or /path.sock for them, off the public port'),
  flag(
    'adminTokenFile',
    '<file>',
    'tokens that may use them, one a line; or set ANTRACT_ADMIN_TOKEN',
  ),

  flag('workers', '<number>', 'processes that listen together; auto: one for each core'),
  flag('redis', '<url>', 'where several gateways share what is asked for; better ANTRACT_REDIS'),
  flag('redisPrefix', '<text>', 'of what is kept there', 'antract'),
  flag(
    'onStoreError',
    '<what>',
    'what happens while it does not answer: last-known, open, closed or fence',
    defaults.onStoreError,
  ),

  flag('notify', '<url>', 'is told of each pause and its end by a POST of JSON'),

  flag(
    'proxyTimeout',
    '<duration>',
    'the longest silence until the backend answers, 0 for no limit',
    defaults.proxyTimeout,
  ),
  flag('changeOrigin', '[boolean]', "send the target's own name in Host", undefined, boolean),
  flag('insecure', '[boolean]', 'take any certificate from an https target', undefined, boolean),
  flag(
    'trustForwarded',
    '[boolean]',
    'keep the X-Forwarded-* headers that requests come with',
    undefined,
    boolean,
  ),
  flag('accessLog', '<how>', 'auto (pretty on a terminal, else JSON), json, pretty or off', 'auto'),
  flag(
    'keepAliveTimeout',
    '<duration>',
    "how long a client's idle connection is kept",
    defaults.keepAliveTimeout,
  ),
  flag(
    'shutdownTimeout',
    '<duration>',
    'how long requests in flight may take to finish at the end',
    defaults.shutdownTimeout,
  ),
];

export function addFlags(command: Command): Command {
  for (const { option } of FLAGS) command.addOption(option);
  return command;
}

export interface Given {
  readonly config: RawConfig;
  /** The same by key. */
  readonly values: ReadonlyMap<string, unknown>;
  readonly sources: ReadonlyMap<string, Source>;
}

/** What the command line and the environment say, in the shape of a configuration. */
export function readFlags(command: Command): Given {
  const config: RawConfig = {};
  const values = new Map<string, unknown>();
  const sources = new Map<string, Source>();
  for (const { key, option } of FLAGS) {
    const name = option.attributeName();
    const source = command.getOptionValueSource(name) as Source | undefined;
    if (source !== 'cli' && source !== 'env') continue;
    const value: unknown = command.getOptionValue(name);
    setAt(config, key, value);
    values.set(key, value);
    sources.set(key, source);
  }
  return { config, values, sources };
}

/** Puts what `over` has on top of `under`; neither is changed. */
export function merge(under: RawConfig, over: RawConfig): RawConfig {
  const merged = { ...under };
  for (const [name, value] of Object.entries(over)) {
    const below = merged[name];
    merged[name] = isRecord(value) && isRecord(below) ? merge(below, value) : value;
  }
  return merged;
}

export function isRecord(value: unknown): value is RawConfig {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof RegExp)
  );
}

function flag(
  key: string,
  value: string,
  help: string,
  byDefault?: unknown,
  parse: Parse = text,
): Flag {
  const words = key
    .replaceAll('.', '-')
    .replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`);
  const long = `--${words}`;
  const env = `${PREFIX}${words.replaceAll('-', '_').toUpperCase()}`;
  const shown =
    byDefault === undefined ? help : `${help} (default: ${formatDefault(value, byDefault)})`;
  const option = new Option(`${long} ${value}`, shown).env(env).argParser(parse);
  const mayBeEmpty = !PLACES.includes(value);
  return { key, long, env, mayBeEmpty, isDuration: value === DURATION, option };
}

function formatDefault(value: string, byDefault: unknown): string {
  if (byDefault === Infinity) return 'no limit';
  return value === DURATION && byDefault !== 0
    ? formatDuration(Number(byDefault))
    : String(byDefault);
}

function formatDuration(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000}m` : `${ms / 1000}s`;
}

function setAt(config: RawConfig, key: string, value: unknown): void {
  const [name = key, ...rest] = key.split('.');
  if (rest.length === 0) {
    config[name] = value;
    return;
  }
  const inner = (config[name] ??= {}) as RawConfig;
  setAt(inner, rest.join('.'), value);
}

function text(given: string): string {
  return given;
}

function number(given: string): number {
  const read = Number(given);
  if (given.trim() === '' || Number.isNaN(read))
    throw new InvalidArgumentError('Expected a number.');
  return read;
}

/** Without a value it is yes. From the environment there always is one, and it may be no. */
function boolean(given: string | boolean): boolean {
  if (/^(true|1|yes|on)$/i.test(String(given))) return true;
  if (/^(false|0|no|off)$/i.test(String(given))) return false;
  throw new InvalidArgumentError('Expected true or false.');
}

function list(given: string, previous: unknown): string[] {
  return [
    ...((previous as string[] | undefined) ?? []),
    ...given.split(',').map((item) => item.trim()),
  ];
}

function textOrRegExp(given: string): string | RegExp {
  const read = readTextOrRegExp(given);
  if (read === undefined) throw new InvalidArgumentError(`Expected ${TEXT_OR_REGEXP}.`);
  return read;
}
