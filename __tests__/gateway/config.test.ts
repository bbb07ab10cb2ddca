/** What `createGateway()` takes, and what it says of the rest. */
import { describe, expect, it } from '@jest/globals';
import { createGateway, type GatewayConfig } from '../../lib/gateway/server/gateway.ts';
import { readConfig } from '../../lib/gateway/config/read-config.ts';
import { readOptions } from '../../lib/options/read-options.ts';

const target = 'http://127.0.0.1:3000';

function messageFor(config: unknown): string {
  try {
    createGateway(config as GatewayConfig);
  } catch (error) {
    expect(error).toMatchObject({ name: 'AntractError', code: 'ERR_ANTRACT_OPTION' });
    return (error as Error).message;
  }
  throw new Error('Nothing was thrown.');
}

/** `sun_path` is a byte longer on Linux than elsewhere allowed here, for the closing zero. */
const LIMIT = process.platform === 'linux' ? 107 : 103;
const pathOf = (bytes: number): string => `/${'x'.repeat(bytes - 1)}`;
const TOO_LONG = pathOf(LIMIT + 1);

const LONG_SOCKET_PATHS: [object, RegExp][] = [
  [
    { target, adminListen: TOO_LONG },
    /^Expected `adminListen` .* at most 10[37] bytes.*, got 10[48]/,
  ],
  [{ target: `unix:${TOO_LONG}` }, /^Expected `target` .* at most 10[37] bytes/],
  [{ apps: { a: { target: `unix:${TOO_LONG}` } } }, /^Expected `apps.a.target` .* at most 10[37]/],
  [{ target, probe: { connect: TOO_LONG } }, /^Expected `probe.connect` .* at most 10[37] bytes/],
  // Bytes, not characters.
  [{ target, adminListen: `/${'ü'.repeat(54)}` }, /^Expected `adminListen` .*, got 109 bytes/],
  [{ target, adminListen: '/run/a\0b' }, /^Expected `adminListen` to be the absolute path/],
  [{ target: 'unix:/run/' }, /^Expected `target` to be the absolute path of a Unix socket/],
];

describe('the configuration of a gateway', () => {
  it.each([
    [{ targe: target }, 'Unknown option `targe`. Did you mean `target`?'],
    [
      { target, apps: { shop: { target, maxtime: 1 } } },
      'Unknown option `apps.shop.maxtime`. Did you mean `maxTime`?',
    ],
    [{}, 'Expected `target`, or at least one of `apps`.'],
    [{ apps: {} }, 'Expected `target`, or at least one of `apps`.'],
    [{ target, apps: { default: { target } } }, 'Expected `target` or `apps.default`, not both.'],
    [
      { apps: { shop: {} } },
      /^Expected `apps.shop.target` to be the backend's http: or https: URL.*got undefined\.$/,
    ],
    [{ apps: [] }, /^Expected `apps` to be an object of apps by name/],
    [
      { apps: { 'my shop': { target } } },
      /^Expected `apps.my shop` to be a host name, or to have `hosts`/,
    ],
    [
      { apps: { shop: { target, hosts: ['shop.example:80'] } } },
      /^Expected `apps.shop.hosts` to be an array of host names without ports/,
    ],
    [
      { apps: { a: { target, hosts: ['x.example'] }, b: { target, hosts: ['X.example.'] } } },
      "Expected each host in one app only, but 'x.example' is in both 'a' and 'b'.",
    ],
    [{ target: 'http://me:pass@b:1' }, /^Expected `target` .*, got 'http:\/\/…@b:1'\.$/],
    [{ target: 'me:p@ss/w@b:1' }, /got 'me:…@b:1'\.$/],
    [{ target: '//me:pass@b' }, /got '\/\/…@b'\.$/],
    [{ target, probe: { url: 'htp://me:pass@b/' } }, /^(?!.*pass)/],
    [{ target, notify: 'htp://me:pass@b/' }, /^(?!.*pass)/],
    [{ target, port: 65_536 }, 'Expected `port` to be a port from 0 to 65535, got 65536.'],
    [{ target, port: -1 }, /^Expected `port`/],
    [{ target, port: '80' }, /^Expected `port`/],
    [{ target, host: 'a b' }, /^Expected `host`/],
    [{ target, proxyTimeout: 'soon' }, /^Expected `proxyTimeout` to be a duration/],
    [{ target, shutdownTimeout: -1 }, /^Expected `shutdownTimeout`/],
    [
      { target, adminListen: '9000' },
      /^Expected `adminListen` to be 'host:port' or the absolute path/,
    ],
    [{ target, adminListen: 'localhost:99999' }, /^Expected `adminListen`/],
    [{ target, adminListen: 'admin.sock' }, /^Expected `adminListen`/],
    [
      { target, adminListen: '127.0.0.1:0', adminPath: false },
      'Expected `adminPath` to be a path where `adminListen` is set, got false.',
    ],
    ...LONG_SOCKET_PATHS,
    [{ target, adminToken: '' }, /^Expected `adminToken`/],
    [{ target, adminToken: [] }, /^Expected `adminToken`/],
    [{ target, adminToken: ' ' }, /^Expected `adminToken`/],
    [{ target, adminToken: ['a', 'b\n'] }, /^Expected `adminToken` to be a string/],
    [{ target, accessLog: 'json' }, /^Expected `accessLog` to be a stream/],
    [
      { target, accessLogFormat: 'xml' },
      /^Expected `accessLogFormat` to be 'auto' or 'json' or 'pretty'/,
    ],
    [{ target, maxTime: 'ever' }, /^Expected `maxTime` to be a duration/],
    [{ target, apps: { shop: { target, maxQueue: -1 } } }, /^Expected `apps.shop.maxQueue`/],
    [{ target, probe: { url: 'up' } }, /^Expected `probe.url` to be a URL/],
    [
      { target, probe: { url: target, connect: 'b:1' } },
      /^Expected `probe` to be an object with one/,
    ],
    [{ target, probe: 'up' as never }, /^Expected `probe` to be an object/],
    [
      { probe: { threshold: 0 }, apps: { a: { target } } },
      /^Expected `probe.threshold` to be a whole number/,
    ],
    [{ target, holdOnOutage: 'ever' }, /^Expected `holdOnOutage` to be a duration/],
    [{ target, release: { strategy: 'slow' } }, /^Expected `release.strategy`/],
    [{ target, release: 5 }, /^Expected `release`/],
    [{ target, trustForwarded: 'yes' }, /^Expected `trustForwarded` to be true or false/],
  ])('such as %j is rejected: %s', (config, message) => {
    if (message instanceof RegExp) expect(messageFor(config)).toMatch(message);
    else expect(messageFor(config)).toBe(message);
  });

  it.each([
    'localhost:3000',
    '127.0.0.1:3000',
    'ftp://127.0.0.1',
    'http://127.0.0.1:3000/base',
    'http://127.0.0.1:3000/?a',
    'http://127.0.0.1:3000/#a',
    'http://user:password@127.0.0.1',
    'http://127.0.0.1:99999',
    'unix:relative.sock',
    'http:',
    '',
    3000,
  ])('with the target %p is rejected', (bad) => {
    expect(messageFor({ target: bad })).toMatch(/^Expected `target` to be the backend's/);
  });

  it.each([
    'http://127.0.0.1:3000/',
    'HTTP://Backend',
    'https://backend.example',
    'http://[::1]:3000',
    'unix:/run/b.sock',
    `unix:${pathOf(LIMIT)}`,
  ])('with the target %s is accepted', async (good) => {
    await createGateway({ target: good }).close();
  });

  it('is neither kept nor changed, and undefined options are absent', async () => {
    const hosts = Object.freeze(['shop.example']);
    const shop = Object.freeze({ target, hosts, maxQueue: undefined, proxyTimeout: undefined });
    const config = Object.freeze({
      target,
      port: undefined,
      maxTime: undefined,
      apps: Object.freeze({ shop }),
    });
    await createGateway(config).close();
  });

  it('never shows a token in an error message', () => {
    expect(messageFor({ target, adminToken: ['secret', 7] })).not.toContain('secret');
    expect(messageFor({ target, adminToken: ' secret ' })).not.toContain('secret');
  });
});

describe('the defaults of a gateway', () => {
  const settingsOf = (config: GatewayConfig) => readOptions(readConfig(config).antract);

  it('are a slow start, holdOnOutage, and a probe of each backend', () => {
    const { apps, ...top } = settingsOf({ target, apps: { shop: { target } } });
    for (const settings of [top, apps.get('shop')]) {
      expect(settings).toMatchObject({
        holdOnOutage: 10_000,
        probe: { check: expect.any(Function) },
        release: { strategy: 'slow-start', initial: 8, concurrency: Infinity },
      });
    }
    expect(top.probe.check).not.toBe(apps.get('shop')?.probe.check);
  });

  it('are overridden by the top level, and that by each app', () => {
    const { apps, ...top } = settingsOf({
      target,
      holdOnOutage: 0,
      release: { concurrency: 5 },
      apps: {
        a: { target, holdOnOutage: '3s', release: { strategy: 'immediate' } },
        b: { target, release: { perSecond: 2 } },
      },
    });
    expect(top).toMatchObject({
      holdOnOutage: 0,
      release: { strategy: 'slow-start', concurrency: 5 },
    });
    expect(apps.get('a')).toMatchObject({ holdOnOutage: 3000, release: { strategy: 'immediate' } });
    expect(apps.get('b')).toMatchObject({
      holdOnOutage: 0,
      release: { strategy: 'slow-start', perSecond: 2, concurrency: Infinity },
    });
  });

  it('do not require a backend at the top level', () => {
    const { apps, ...top } = settingsOf({ holdOnOutage: '5s', apps: { shop: { target } } });
    expect(apps.get('shop')).toMatchObject({
      holdOnOutage: 5000,
      probe: { check: expect.any(Function) },
    });
    expect(top).toMatchObject({ holdOnOutage: 0, probe: { check: undefined } });
  });

  it('probes each backend with the fields of `probe` that its app or the top sets', () => {
    const check = (): boolean => true;
    const { apps } = settingsOf({
      probe: { threshold: 3, timeout: '1m' },
      apps: { a: { target }, b: { target, probe: { check, timeout: '5s' } } },
    });
    expect(apps.get('a')?.probe).toMatchObject({
      check: expect.any(Function),
      threshold: 3,
      timeout: 60_000,
    });
    expect(apps.get('b')?.probe).toMatchObject({ threshold: 3, timeout: 5000 });
    const own = settingsOf({ target, probe: { connect: 'b:1' }, apps: { a: { target } } });
    expect(own.apps.get('a')?.probe.check).toBe(own.probe.check);
  });
});
