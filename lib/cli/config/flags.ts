/**
 * The flags of `serve`, in the order of its help. Each row also defines the environment variable and
 * the place of the value in the configuration.
 */
import { DEFAULT_CORE_OPTIONS, DEFAULT_GATEWAY_SETTINGS } from '../../gateway/config/config.ts';
import { DEFAULT_APP_SETTINGS, DEFAULT_SETTINGS } from '../../options/settings.ts';
import { boolean, flag, list, number, textOrRegExp, type Flag } from './flag.ts';

const { release, probe, ...appDefaults } = DEFAULT_APP_SETTINGS;
const defaults = {
  ...DEFAULT_SETTINGS,
  ...appDefaults,
  ...DEFAULT_GATEWAY_SETTINGS,
  ...DEFAULT_CORE_OPTIONS,
};

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
