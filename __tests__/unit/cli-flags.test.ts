/** The table of flags against the options that there are. */
import { describe, expect, it } from '@jest/globals';
import { Command } from 'commander';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readConfigFile } from '../../lib/cli/config/config-file.ts';
import { FLAGS } from '../../lib/cli/config/flags.ts';
import { misspeltVariables } from '../../lib/cli/config/misspelt-variables.ts';
import { addFlags, merge, readFlags } from '../../lib/cli/config/read-flags.ts';
import { createGateway } from '../../lib/gateway/server/gateway.ts';
import { GATEWAY_OPTION_NAMES } from '../../lib/gateway/config/read-config.ts';
import { DEFAULT_APP_SETTINGS, DEFAULT_SETTINGS } from '../../lib/options/settings.ts';

/** What a command line can't say, or has another way to: functions, streams, secrets, several apps. */
const NOT_FLAGS = [
  'apps',
  'bypass',
  'shouldHold',
  'authorize',
  'logger',
  'adminToken',
  'accessLogFormat',
  'store',
];
/** What only a command line has. */
const ONLY_FLAGS = [
  'logFormat',
  'config',
  'adminTokenFile',
  'workers',
  'redis',
  'stateFile',
  'redisPrefix',
];

function parse(...args: string[]) {
  const command = addFlags(
    new Command().exitOverride().configureOutput({ writeErr: () => undefined }),
  );
  command.parse(args, { from: 'user' });
  return readFlags(command).config;
}

describe('the flags', () => {
  it('exist for every option, and for nothing else', () => {
    const keys = FLAGS.map(({ key }) => key);
    const nested: Record<string, string[]> = {
      release: Object.keys(DEFAULT_APP_SETTINGS.release),
      spool: Object.keys(DEFAULT_SETTINGS.spool),
      heartbeat: ['every', 'status'],
      // A function, `check`, can't be given on a command line.
      probe: ['url', 'connect', 'threshold', 'timeout', 'onTimeout'],
    };
    const wanted = GATEWAY_OPTION_NAMES.flatMap(
      (name) => nested[name]?.map((inner) => `${name}.${inner}`) ?? [name],
    );
    expect([...keys].sort()).toEqual(
      [...wanted.filter((name) => !NOT_FLAGS.includes(name)), ...ONLY_FLAGS].sort(),
    );
  });

  const durations = FLAGS.filter(({ isDuration }) => isDuration).map(({ key }) => key);
  const WANTED = "to be a duration with a unit, such as '30s' or '5m', got";

  /** A configuration in which one option has this value. */
  const configOf = (key: string, value: unknown): Record<string, unknown> => {
    const [name = key, inner] = key.split('.');
    return { [name]: inner === undefined ? value : { [inner]: value } };
  };

  it.each(durations)('need a unit in the text of %s', (key) => {
    for (const text of ['30', '1.5', '30 ']) {
      const config = { target: 'http://127.0.0.1:1', ...configOf(key, text) };
      expect(() => createGateway(config)).toThrow(`Expected \`${key}\` ${WANTED} '${text}'.`);
    }
  });

  it.each(durations)('need a unit in a file for %s, also where it is a number', (key) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'antract-'));
    const file = path.join(folder, 'antract.json');
    const read = (config: object): unknown => {
      writeFileSync(file, JSON.stringify(config));
      return readConfigFile(file);
    };
    try {
      for (const value of [30, 0.5, -1]) {
        const said = `${WANTED} ${value}.`;
        expect(() => read(configOf(key, value))).toThrow(`${file}: Expected \`${key}\` ${said}`);
        const apps = { shop: configOf(key, value) };
        expect(() => read({ apps })).toThrow(`${file}: Expected \`apps.shop.${key}\` ${said}`);
      }
      expect(read(configOf(key, 0))).toEqual(configOf(key, 0));
      expect(read(configOf(key, '30s'))).toEqual(configOf(key, '30s'));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('follow from the names of options, and so do the variables', () => {
    const flag = FLAGS.find(({ key }) => key === 'release.perSecond');
    expect(flag).toMatchObject({ long: '--release-per-second', env: 'ANTRACT_RELEASE_PER_SECOND' });
  });

  it('become a configuration with the given options and no others', () => {
    expect(parse()).toEqual({});
    expect(
      parse(
        '--target=http://b',
        '--port=0',
        '--max-time=1m',
        '--health-check-path=/a',
        '--health-check-path',
        '/b,/c',
        '--answer-health-checks',
        '--change-origin=false',
        '--release-jitter=5s',
        '--release-concurrency=3',
      ),
    ).toEqual({
      target: 'http://b',
      port: 0,
      maxTime: '1m',
      healthCheckPath: ['/a', '/b', '/c'],
      answerHealthChecks: true,
      changeOrigin: false,
      release: { jitter: '5s', concurrency: 3 },
    });
  });

  it('distinguish a misspelt variable from a valid one and from those of other programs', () => {
    const meant = (...names: string[]) =>
      misspeltVariables(Object.fromEntries(names.map((name) => [name, 'x'])));
    expect(meant('ANTRACT_MAX_TME', 'ANTRACT_PROBETIMEOUT')).toEqual([
      { name: 'ANTRACT_MAX_TME', meant: 'ANTRACT_MAX_TIME' },
      { name: 'ANTRACT_PROBETIMEOUT', meant: 'ANTRACT_PROBE_TIMEOUT' },
    ]);
    expect(
      meant(
        ...FLAGS.map(({ env }) => env),
        'ANTRACT_ADMIN_TOKEN',
        'ANTRACT_URL',
        'MAX_TME',
        'ANTRACT_PORT_8082_TCP',
        'ANTRACT_PORT_8082_TCP_PROTO',
        'ANTRACT_PORT_80_TCP_ADDR',
        'ANTRACT_PORT_80_TCP_PORT',
        'ANTRACT_SERVICE_HOST',
        'ANTRACT_SERVICE_PORT',
        'ANTRACT_SERVICE_PORT_HTTP',
      ),
    ).toEqual([]);
  });

  it('take a regular expression between slashes for a user agent', () => {
    expect(parse('--privileged-user-agent', '/^Probe/i')).toEqual({
      privilegedUserAgent: /^Probe/i,
    });
    expect(parse('--privileged-user-agent', 'Probe/1.0')).toEqual({
      privilegedUserAgent: 'Probe/1.0',
    });
    expect(() => parse('--privileged-user-agent', '/(/')).toThrow();
  });

  it('name pages relative to the file of --config, in an app too', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'antract-'));
    const file = path.join(folder, 'antract.json');
    writeFileSync(file, JSON.stringify({ errorPage: 'a', apps: { shop: { errorPage: '../b' } } }));
    const read = readConfigFile(file);
    rmSync(folder, { recursive: true });
    const shop = { errorPage: path.join(folder, '..', 'b') };
    expect(read).toEqual({ errorPage: path.join(folder, 'a'), apps: { shop } });
  });

  it('override a file value by value', () => {
    const under = { target: 'a', release: { jitter: 1, concurrency: 2 } };
    expect(merge(under, { target: 'b', release: { jitter: 3 } })).toEqual({
      target: 'b',
      release: { jitter: 3, concurrency: 2 },
    });
    expect(under.release.jitter).toBe(1);
  });
});
