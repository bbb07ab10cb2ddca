/**
 * The flags of `serve`, in the order of its help. Each row also defines the environment variable and
 * the place of the value in the configuration.
 */
import { DEFAULT_CORE_OPTIONS, DEFAULT_GATEWAY_SETTINGS } from '../../gateway/config/config.ts';
import { RELEASE_STRATEGIES } from '../../gate/pacing/strategies.ts';
import {
  DEFAULT_APP_SETTINGS,
  DEFAULT_HEARTBEAT,
  DEFAULT_SETTINGS,
} from '../../options/settings.ts';
import { DEFAULT_PREFIX } from '../../stores/redis-store.ts';
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
  flag('config', '<file>', 'JSON file with options by name, and several apps under `apps`'),

  flag('maxTime', '<duration>', 'longest pause; then the app resumes by itself', defaults.maxTime),
  flag(
    'healthCheckPath',
    '<path>',
    'path whose GET and HEAD requests are never held; may be given several times',
    undefined,
    list,
  ),
  flag(
    'answerHealthChecks',
    '[boolean]',
    'answer --health-check-path with 200 while the app is not running',
    undefined,
    boolean,
  ),
  flag(
    'privilegedUserAgent',
    '<text>',
    'never hold requests whose User-Agent contains this, or matches /this/',
    undefined,
    textOrRegExp,
  ),
  flag('probe.url', '<url>', 'URL to probe before a release (default: see docs/gateway.md)'),
  flag('probe.connect', '<address>', 'host:port or /path.sock to probe, instead of a URL'),
  flag(
    'probe.threshold',
    '<number>',
    'successful probes in a row before a release',
    probe.threshold,
    number,
  ),
  flag(
    'probe.timeout',
    '<duration>',
    'longest wait for these successes (default: the rest of the pause)',
  ),
  flag(
    'probe.onTimeout',
    ['release', 'stop'],
    'what happens after --probe-timeout',
    probe.onTimeout,
  ),
  flag(
    'holdOnOutage',
    '<duration>',
    'hold requests this long when the backend is down and the app is not paused; 0 for off',
    defaults.holdOnOutage,
  ),
  flag(
    'maxQueue',
    '<number>',
    'requests held at once; one more gets 503',
    defaults.maxQueue,
    number,
  ),
  flag('maxWait', '<duration>', 'longest hold of one request (default: as long as the pause)'),
  flag('onMaxWait', ['reject', 'release'], 'what happens after --max-wait', defaults.onMaxWait),
  flag(
    'pageAfter',
    '<duration>',
    'longest hold of a browser before it gets a page that waits (default: off)',
  ),
  flag(
    'release.strategy',
    RELEASE_STRATEGIES,
    'how held requests are released',
    defaults.release.strategy,
  ),
  flag(
    'release.initial',
    '<number>',
    'how many requests may wait for a response when a slow start begins',
    release.initial,
    number,
  ),
  flag(
    'release.concurrency',
    '<number>',
    'how many released requests may wait for a response',
    release.concurrency,
    number,
  ),
  flag('release.perSecond', '<number>', 'releases per second', release.perSecond, number),
  flag(
    'release.jitter',
    '<duration>',
    'time over which held requests are spread at random',
    release.jitter,
  ),

  flag(
    'longLived',
    ['wait', 'ignore', 'close'],
    'what a drain does about WebSockets, event streams and long polls',
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
    'bytes per second; a drain ends a slower upload with 408; 0 for no limit',
    defaults.drainMinBodyRate,
    number,
  ),
  flag(
    'drainBodyTimeout',
    '<duration>',
    'how long a drain waits for a client that sends or reads a body',
    defaults.drainBodyTimeout,
  ),
  flag(
    'heartbeat.every',
    '<duration>',
    'interval of informational responses to held requests (default: off)',
  ),
  flag(
    'heartbeat.status',
    [102, 103],
    'status of these responses',
    DEFAULT_HEARTBEAT.status,
    number,
  ),
  flag(
    'spool.memory',
    '<size>',
    "memory for each held request's body; the rest goes to a file",
    defaults.spool.memory,
  ),
  flag(
    'spool.directory',
    '<directory>',
    'directory of the body files (default: a temporary directory)',
  ),
  flag(
    'spool.maxBody',
    '<size>',
    'largest body that is held; a larger one gets 413',
    defaults.spool.maxBody,
  ),
  flag('spool.maxTotal', '<size>', 'limit for all bodies together', defaults.spool.maxTotal),

  flag(
    'errorPage',
    '<directory>',
    'directory with pages of your own, such as 503.html and 502.json (default: built-in pages)',
  ),

  flag('adminPath', '<path>', 'path of the admin endpoints', defaults.adminPath),
  flag(
    'adminListen',
    '<address>',
    'host:port or /path.sock for the admin endpoints, instead of the public port',
  ),
  flag(
    'adminTokenFile',
    '<file>',
    'tokens for the admin endpoints, one per line; or set ANTRACT_ADMIN_TOKEN',
  ),

  flag('workers', '<number>', 'how many processes share the port; auto: one for each core', 1),
  flag(
    'redis',
    '<url>',
    'Redis through which several gateways share pauses; better set ANTRACT_REDIS',
  ),
  flag(
    'stateFile',
    '<file>',
    'file that keeps pauses through a restart (default: state.json in $STATE_DIRECTORY, if set)',
  ),
  flag('redisPrefix', '<text>', 'prefix of the keys in Redis', DEFAULT_PREFIX),
  flag(
    'onStoreError',
    ['last-known', 'open', 'closed', 'fence'],
    'what happens while Redis does not answer',
    defaults.onStoreError,
  ),

  flag(
    'notify',
    '<url>',
    'URL for a POST of JSON at each pause and its end; better set ANTRACT_NOTIFY',
  ),

  flag(
    'proxyTimeout',
    '<duration>',
    'longest silence until the backend answers; 0 for no limit',
    defaults.proxyTimeout,
  ),
  flag('changeOrigin', '[boolean]', "send the target's own name in Host", undefined, boolean),
  flag('insecure', '[boolean]', 'accept any certificate of an https target', undefined, boolean),
  flag(
    'trustForwarded',
    '[boolean]',
    'keep the X-Forwarded-* headers of requests',
    undefined,
    boolean,
  ),
  flag(
    'accessLog',
    ['auto', 'json', 'pretty', 'off'],
    'format of the access log; auto: as --log-format',
    'auto',
  ),
  flag(
    'logFormat',
    ['auto', 'json', 'pretty'],
    'format of messages; auto: messages pretty, and the access log pretty on a terminal, else JSON',
    'auto',
  ),
  flag(
    'keepAliveTimeout',
    '<duration>',
    "how long a client's idle connection is kept",
    defaults.keepAliveTimeout,
  ),
  flag(
    'shutdownTimeout',
    '<duration>',
    'longest wait for requests in flight at shutdown',
    defaults.shutdownTimeout,
  ),
];
