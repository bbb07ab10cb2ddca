/** `antract check`, in this process. */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CommandFailure } from '../../lib/cli/cli-error.ts';
import { createProgram } from '../../lib/cli/program.ts';
import { freePort } from '../support/free-port.ts';

interface Report {
  options: { option: string; value: string | null; from: string }[];
  backends?: object[];
  mistakes?: string[];
  warnings: string[];
}

const savedEnv = process.env;
let folder = '';
let file = '';

beforeEach(() => {
  // Without the variables of the shell that runs the tests.
  process.env = { PATH: savedEnv['PATH'] };
  folder = mkdtempSync(path.join(tmpdir(), 'antract-'));
  file = path.join(folder, 'antract.json');
});

afterEach(() => {
  process.env = savedEnv;
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

/** What the command prints. */
async function check(...args: string[]): Promise<string> {
  const log = jest.spyOn(console, 'log').mockImplementation(() => undefined);
  jest.spyOn(console, 'error').mockImplementation(() => undefined);
  const program = await createProgram('0.0.0', 'check', []);
  try {
    await program.parseAsync(['check', ...args], { from: 'user' });
    return log.mock.calls.flat().join('\n');
  } finally {
    log.mockRestore();
  }
}

async function checkJson(...args: string[]): Promise<Report> {
  return JSON.parse(await check('--json', ...args)) as Report;
}

async function failureOf(...args: string[]): Promise<CommandFailure> {
  const error: unknown = await check(...args).catch((thrown: unknown) => thrown);
  if (error instanceof CommandFailure) return error;
  throw new Error('Expected the check to fail.', { cause: error });
}

async function mistakesOf(...args: string[]): Promise<string[]> {
  return ((await failureOf(...args)).details as Report).mistakes ?? [];
}

describe('antract check', () => {
  it('says what each option is and where it was set, and hides secrets', async () => {
    process.env['ANTRACT_NOTIFY'] = 'https://hooks.test/secret';
    process.env['ANTRACT_ADMIN_TOKEN'] = 'secret,another';
    process.env['ANTRACT_MAX_TME'] = '1m';
    const shop = {
      target: 'http://127.0.0.1:1',
      release: { perSecond: 5 },
      probe: { url: 'http://127.0.0.1:1/up?key=secret' },
    };
    const config = { maxTime: '10m', maxQueue: 7, apps: { shop } };
    writeFileSync(file, JSON.stringify(config));
    const { options, warnings } = await checkJson(
      '--config',
      file,
      '--max-queue=9',
      '--host',
      '::',
    );
    const rows = new Map(options.map(({ option, value, from }) => [option, [value, from]]));
    expect(Object.fromEntries(rows)).toMatchObject({
      maxTime: ['10m', file],
      maxQueue: ['9', '--max-queue'],
      host: ['::', '--host'],
      proxyTimeout: ['2m', 'default'],
      insecure: ['false', 'default'],
      target: [null, 'default'],
      notify: ['https://hooks.test/… (hidden)', 'ANTRACT_NOTIFY'],
      adminToken: ['2 tokens (hidden)', 'ANTRACT_ADMIN_TOKEN'],
      'apps.shop.release.perSecond': ['5', file],
      'apps.shop.probe.url': ['http://127.0.0.1:1/… (hidden)', file],
      'apps.shop.hosts': ['shop', 'default'],
    });
    expect(JSON.stringify(options)).not.toContain('secret');
    expect(warnings).toEqual([expect.stringContaining('Did you mean ANTRACT_MAX_TIME?')]);
  });

  it('says what the probe of each app does by default', async () => {
    const apps = {
      shop: { target: 'http://127.0.0.1:2', healthCheckPath: '/up' },
      blog: { target: 'http://127.0.0.1:3', probe: { connect: '127.0.0.1:4' } },
    };
    writeFileSync(file, JSON.stringify({ apps }));
    const probesOf = async (...args: string[]): Promise<[string, string | null][]> => {
      const { options } = await checkJson('--target', 'http://127.0.0.1:1', ...args);
      const probes = options.filter(({ option }) => /probe\.(url|connect)$/.test(option));
      return probes.map(({ option, value }) => [option, value]);
    };
    expect(await probesOf('--config', file)).toEqual([
      ['probe.url', 'a connection to the target'],
      ['probe.connect', null],
      ['apps.shop.probe.url', 'GET /up of the target'],
      ['apps.blog.probe.connect', '127.0.0.1:4'],
    ]);
    expect(await probesOf('--config', file, '--probe-connect', '127.0.0.1:5')).toEqual([
      ['probe.url', null],
      ['probe.connect', '127.0.0.1:5'],
      ['apps.blog.probe.connect', '127.0.0.1:4'],
    ]);
  });

  it('names every mistake at once, each with the flag, variable or key', async () => {
    process.env['ANTRACT_PROXY_TIMEOUT'] = '30';
    process.env['ANTRACT_INSECURE'] = 'maybe';
    const shop = { target: 'x', maxWait: 'long', heartbeat: { status: 102 }, 'max.time': '1m' };
    const other = { hosts: ['other.test'] };
    const config = { adminToken: 'hidden!', maxTime: 30, release: { strategy: 'x' }, mxQueue: 1 };
    writeFileSync(file, JSON.stringify({ ...config, apps: { shop, 'b.c': other } }));
    const args =
      `--config ${file} --port http --workers=0 --host=:: --max-tme 1m --log-format=xml ` +
      `--redis-prefix=a --admin-token-file ${file}.none`;
    const mistakes = await mistakesOf(...args.split(' '));
    const wanted = [
      'Unknown flag `--max-tme`. Did you mean `--max-time`?',
      'Expected `ANTRACT_INSECURE` to be true or false',
      'Expected `--port` to be a number',
      `${file}: expected \`adminTokenFile\` instead of \`adminToken\``,
      `${file}: Expected \`maxTime\` to be a duration with a unit`,
      'Expected `--workers` to be a number from 1 to 256',
      "Expected `--log-format` to be 'auto'",
      'Could not read the admin token',
      'Expected `--redis` to be set',
      'Expected `ANTRACT_PROXY_TIMEOUT` to be a duration',
      `${file}: Unknown option \`mxQueue\`. Did you mean \`maxQueue\`?`,
      `${file}: Expected \`apps.shop.target\` to be`,
      `${file}: Unknown option \`apps.shop.max.time\``,
      `${file}: Expected \`apps.b.c.target\` to be`,
      `${file}: Expected \`release.strategy\` to be`,
      `${file}: Expected \`apps.shop.maxWait\` to be`,
      `${file}: Expected \`apps.shop.heartbeat.every\` to be`,
    ];
    const missing = wanted.filter((text) => !mistakes.some((mistake) => mistake.startsWith(text)));
    const extra = mistakes.filter((mistake) => !wanted.some((text) => mistake.startsWith(text)));
    expect({ missing, extra }).toEqual({ missing: [], extra: [] });
    expect(mistakes).toHaveLength(wanted.length);
    expect(mistakes.join()).not.toContain('hidden!');
  });

  it('has one mistake for a configuration with one', async () => {
    const target = 'http://127.0.0.1:1';
    const wanted = 'Expected `--target`, or at least one of `apps` in the file of `--config`.';
    expect(await mistakesOf()).toEqual([wanted]);
    expect(await mistakesOf('--target', 'x')).toHaveLength(1);
    expect(await mistakesOf('--target', target, '--host', '0.0.0.0')).toEqual([
      expect.stringContaining('Anyone who can reach'),
    ]);
    expect(await mistakesOf('--target', target, 'stray')).toEqual(['Unexpected word `stray`.']);
    expect(await mistakesOf('--config', file)).toEqual([
      expect.stringContaining('Could not read the file'),
    ]);
    const { exitCode, message } = await failureOf('--target', 'x');
    expect([exitCode, message]).toEqual([2, expect.stringMatching(/^1 mistake in the config/)]);
  });

  it('names a state file that can not be used, beside all other mistakes', async () => {
    const stateFile = path.join(folder, 'state.json');
    const args = ['--target', 'http://127.0.0.1:1', '--state-file'];
    expect((await checkJson(...args, stateFile)).options).toContainEqual({
      option: 'stateFile',
      value: stateFile,
      from: '--state-file',
    });
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(stateFile, '{}');
    const damaged = await failureOf(...args, stateFile);
    expect(damaged).toMatchObject({ exitCode: 1, code: 'ERR_ANTRACT_FAILED' });
    expect(damaged.message).toContain(`The state file ${stateFile} is damaged`);
    truncateSync(stateFile, 3 * 1024 ** 3);
    const huge = await failureOf(...args, stateFile);
    expect(huge.message).toContain(
      `The state file ${stateFile} has 3 GiB, and antract reads at most`,
    );
    const missing = path.join(folder, 'none', 'state.json');
    expect(await mistakesOf(...args, missing, '--port', 'http')).toEqual([
      expect.stringContaining('Expected `--port` to be'),
      expect.stringContaining('Create its directory'),
    ]);
    // A root user may write everywhere but here.
    expect(await mistakesOf(...args, '/proc/self/state.json')).toEqual([
      expect.stringMatching(/^The state file .* can't be written \(.*a pause would not survive/),
    ]);
  });

  it('asks Redis with --probe, and hides its password', async () => {
    const redis = `redis://:secret@127.0.0.1:${await freePort()}`;
    process.env['ANTRACT_REDIS'] = redis;
    const args = ['--target', 'http://127.0.0.1:1'];
    await check(...args);
    const failure = await failureOf(...args, '--probe');
    expect(failure).toMatchObject({ exitCode: 1 });
    expect(failure.message).toMatch(
      /\n {2}The Redis server of `ANTRACT_REDIS` can't be used: .*[^.]\.\n {2}The backend does not answer: 'default'\.$/,
    );
    expect(failure.message + JSON.stringify(failure.details)).not.toContain('secret');
  });

  it('probes each backend as before a release, and fails if one does not answer', async () => {
    const server = createServer((req, res) => {
      res.statusCode = req.url === '/up' ? 200 : 500;
      res.end();
    });
    // Only the check closes connections.
    server.keepAliveTimeout = 0;
    const closed: Promise<unknown>[] = [];
    server.on('connection', (socket) => closed.push(once(socket, 'close')));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const up = ['--target', target, '--health-check-path', '/up', '--probe'];
      const { backends } = await checkJson(...up);
      expect(backends).toEqual([{ app: 'default', target, answers: true, reason: null }]);
      writeFileSync(file, JSON.stringify({ apps: { shop: { target, healthCheckPath: '/x' } } }));
      const failure = await failureOf('--config', file, ...up);
      expect(failure).toMatchObject({ exitCode: 1, code: 'ERR_ANTRACT_FAILED' });
      expect(failure.message).toContain("does not answer: 'shop'.");
      expect((failure.details as Report).backends).toEqual([
        { app: 'shop', target, answers: false, reason: 'HTTP 500' },
        { app: 'default', target, answers: true, reason: null },
      ]);
      expect(await check(...up)).toContain(`App 'default': ${target} answers`);
      expect(closed).toHaveLength(4);
      await Promise.all(closed);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});
