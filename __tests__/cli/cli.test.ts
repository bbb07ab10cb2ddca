/** The command line, as a process of its own. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FLAGS } from '../../lib/cli/config/flags.ts';
import { killBackends, startBackend } from '../support/backend.ts';
import { endAll, runCli, runOnTerminal, serve } from '../support/cli.ts';
import { closeAll, listen, request } from '../support/http.ts';

const directories: string[] = [];

afterEach(async () => {
  await endAll();
  await killBackends();
  await closeAll();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

function file(name: string, content: unknown, mode = 0o600): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'antract-'));
  directories.push(directory);
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  writeFileSync(path.join(directory, name), text, { mode });
  return path.join(directory, name);
}

const target = 'http://127.0.0.1:9';

/** How a call that can't work ends. */
async function failure(args: string[], env?: Record<string, string>) {
  const cli = runCli(args, env);
  const { code } = await cli.exited;
  expect(cli.stderr).not.toMatch(/\n\s+at /);
  return { code, message: cli.stderr.trim() };
}

describe('antract serve', () => {
  it('starts a gateway that proxies, pauses, serves the admin endpoints and writes an access log', async () => {
    const backend = await startBackend();
    const { cli, url, adminUrl } = await serve(['--target', backend.url]);
    await request(`${adminUrl}/enable`);
    const answer = request(`${url}/held`, { method: 'POST', body: 'x' });
    for (;;) {
      const { body } = await request(`${adminUrl}/status`);
      if (body.startsWith('Pause is enabled, 1 request ')) break;
    }
    await request(`${adminUrl}/disable`);
    expect((await answer).status).toBe(200);
    const [line] = await cli.saw('stdout', /.*"path":"\/held".*/);
    const { heldMs, status } = JSON.parse(line) as { heldMs: number; status: number };
    expect(status).toBe(200);
    expect(heldMs).toBeGreaterThan(0);
  });

  it('says what it serves, which backend is down, and how to protect the admin endpoints', async () => {
    const up = await startBackend();
    const apps = { shop: { target: up.url }, blog: { target } };
    const config = file('antract.json', { apps });
    const { cli, url, adminUrl } = await serve(['--config', config]);
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    await cli.saw('stderr', /Dashboard: .*\n/);
    expect(cli.stderr).toContain(`antract ${version} listens on ${url}, `);
    expect(cli.stderr).toContain(`\nApp 'shop': target ${up.url}\nApp 'blog': target ${target}\n`);
    expect(cli.stderr).toContain(`\nDashboard: ${adminUrl}/\n`);
    await cli.saw(
      'stderr',
      /WRN_ANTRACT_TARGET: app 'blog': The backend at http:\/\/127\.0\.0\.1:9 is down: connection refused/,
    );
    expect(cli.stderr).not.toContain("WRN_ANTRACT_TARGET: app 'shop'");
    await request(`${adminUrl}/status`);
    await cli.saw('stderr', /WRN_ANTRACT_ADMIN_LOOPBACK: .*`--admin-token-file`.*`--admin-listen`/);
  });

  it('writes every line as JSON with --log-format json', async () => {
    const backend = await startBackend();
    const flags = ['--target', backend.url, '--log-format', 'json', '--max-queue', '9000000'];
    const cli = runCli(['serve', '--port', '0', ...flags], { ANTRACT_MAX_TIMES: '1m' });
    const [, url = ''] = await cli.saw('stderr', /"url":"([^"]+)"/);
    await request(url);
    await cli.saw('stdout', /\n/);
    cli.signal('SIGTERM');
    await cli.exited;
    const parse = (text: string) =>
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    const messages = parse(cli.stderr);
    for (const message of messages) {
      expect(message).toMatchObject({
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        level: expect.stringMatching(/^(info|warn|error)$/),
        message: expect.any(String),
        pid: expect.any(Number),
      });
    }
    // From the primary before it has read the configuration, from a worker, and the banner.
    expect(messages).toContainEqual(
      expect.objectContaining({ level: 'warn', code: 'WRN_ANTRACT_VARIABLE' }),
    );
    expect(messages).toContainEqual(
      expect.objectContaining({ level: 'warn', code: 'WRN_ANTRACT_DESCRIPTORS' }),
    );
    expect(messages).toContainEqual(
      expect.objectContaining({
        adminUrl: `${url}/_antract`,
        dashboard: `${url}/_antract/`,
        targets: { default: backend.url },
        workers: 1,
      }),
    );
    expect(parse(cli.stdout)).toEqual([expect.objectContaining({ status: 200, path: '/' })]);
  });

  it('prefers an option of the command line to the environment, and the environment to the file', async () => {
    const [byFlag, byEnv, byFile] = await Promise.all(
      ['flag', 'env', 'file'].map((name) => listen((_req, res) => res.end(name))),
    );
    const config = file('antract.json', { target: byFile?.url, accessLog: 'off' });
    const env = { ANTRACT_TARGET: byEnv?.url as string, ANTRACT_CONFIG: config };
    const ask = async ({ url }: { url: string }) => (await request(url)).body;
    expect(await ask(await serve(['--target', byFlag?.url as string], env))).toBe('flag');
    expect(await ask(await serve([], env))).toBe('env');
    expect(await ask(await serve(['--config', config]))).toBe('file');
  });

  it('reads several apps from a file, each with its own options', async () => {
    const [shop, blog] = await Promise.all(
      ['shop', 'blog'].map((name) => listen((_req, res) => res.end(name))),
    );
    const config = file('antract.json', {
      apps: {
        shop: {
          hosts: ['shop.example'],
          target: shop?.url,
          healthCheckPath: ['/up'],
          answerHealthChecks: true,
        },
        blog: { hosts: ['blog.example'], target: blog?.url },
      },
      privilegedUserAgent: '/^probe/i',
    });
    const { url, adminUrl } = await serve(['--config', config]);
    expect((await request(url, { headers: { host: 'blog.example' } })).body).toBe('blog');
    await request(`${adminUrl}/enable?app=shop`);
    const probe = { host: 'shop.example', 'User-Agent': 'Probe/1.0' };
    expect((await request(url, { headers: probe })).body).toBe('shop');
    expect((await request(`${url}/up`, { headers: { host: 'shop.example' } })).body).toBe('OK\n');
  });

  it('reads booleans, lists, numbers and durations from the environment', async () => {
    const backend = await listen((_req, res) => res.end('backend'));
    const { url, adminUrl } = await serve(['--target', backend.url], {
      ANTRACT_HEALTH_CHECK_PATH: '/up,/healthy',
      ANTRACT_ANSWER_HEALTH_CHECKS: 'no',
      ANTRACT_MAX_QUEUE: '0',
      ANTRACT_MAX_TIME: '1m',
      ANTRACT_RELEASE_PER_SECOND: '',
    });
    expect((await request(`${adminUrl}/enable`)).body).toContain('1 min');
    expect((await request(`${url}/healthy`)).body).toBe('backend');
    expect((await request(url)).status).toBe(503);
  });
});

describe('the admin token', () => {
  const status = async (adminUrl: string, token: string) =>
    (await request(`${adminUrl}/status`, { headers: { Authorization: `Bearer ${token}` } })).status;

  it('is read from the environment, where commas separate several', async () => {
    const { adminUrl } = await serve(['--target', target, '--host', '0.0.0.0'], {
      ANTRACT_ADMIN_TOKEN: 'one, two',
    });
    const local = adminUrl.replace('0.0.0.0', '127.0.0.1');
    expect(await Promise.all(['one', 'two', 'three'].map((token) => status(local, token)))).toEqual(
      [200, 200, 401],
    );
  });

  it('is read from a file with one token a line, which replaces the environment', async () => {
    const tokens = file('tokens', 'one\r\ntwo\n\n');
    const { cli, adminUrl } = await serve(['--target', target, '--admin-token-file', tokens], {
      ANTRACT_ADMIN_TOKEN: 'three',
    });
    expect(
      await Promise.all(['one', 'two', 'three'].map((token) => status(adminUrl, token))),
    ).toEqual([200, 200, 401]);
    expect(cli.stderr).not.toContain('WRN_ANTRACT_TOKEN_FILE');
  });

  it('causes a warning when other users can read its file', async () => {
    const tokens = file('tokens', 'one', 0o644);
    const { cli } = await serve(['--target', target, '--admin-token-file', tokens]);
    expect(cli.stderr).toMatch(`WRN_ANTRACT_TOKEN_FILE: other users can read ${tokens}`);
  });

  it('causes a warning when the name of its variable is misspelt, as for any flag', async () => {
    const { cli } = await serve(['--target', target], {
      ANTRACT_ADMIN_TOKN: 'x',
      ANTRACT_PORT_80_TCP: 'x',
    });
    const warnings = cli.stderr.split('\n').filter((line) => line.includes('WRN_'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/ANTRACT_ADMIN_TOKN .* Did you mean ANTRACT_ADMIN_TOKEN\?$/);
  });

  it('is never a comment or a blank line, neither of a file nor of the variable', async () => {
    const text = '\uFEFF# of the deploy\n\n  # old: zero\n one \r\n#two\n';
    const tokens = file('tokens', text);
    const byFile = await serve(['--target', target, '--admin-token-file', tokens]);
    const byVariable = await serve(['--target', target], { ANTRACT_ADMIN_TOKEN: text });
    for (const { adminUrl } of [byFile, byVariable]) {
      const given = ['one', '# of the deploy', '#two', 'two', '# old: zero'];
      expect(await Promise.all(given.map((token) => status(adminUrl, token)))).toEqual([
        200, 401, 401, 401, 401,
      ]);
    }
  });

  it.each<[string, string]>([
    ['empty', ''],
    ['of white space', ' \t\n '],
    ['of commas', ' ,, '],
    ['a comment', '# later'],
  ])('is refused where its variable is %s', async (_what, ANTRACT_ADMIN_TOKEN) => {
    expect(await failure(['serve', '--target', target], { ANTRACT_ADMIN_TOKEN })).toEqual({
      code: 2,
      message:
        'antract: Expected a token in ANTRACT_ADMIN_TOKEN, but it is empty. Unset it to run without a token.',
    });
  });

  it.each(['', '\n \n', '# one\n  # two\n'])(
    'is rejected when its file contains only %j',
    async (text) => {
      const tokens = file('tokens', text);
      const config = file('antract.json', { target, adminTokenFile: tokens });
      for (const [args, env] of [
        [['--admin-token-file', tokens], {}],
        [[], { ANTRACT_ADMIN_TOKEN_FILE: tokens }],
        [['--config', config], {}],
      ] as [string[], Record<string, string>][]) {
        const failed = await failure(['serve', '--target', target, ...args], env);
        expect(failed).toEqual({
          code: 2,
          message: `antract: Expected a token in ${tokens}, which has only comments and blank lines.`,
        });
      }
    },
  );

  it('is named by its line and source, and not shown, when it is invalid', async () => {
    const tokens = file('tokens', '# two\none\nhunt\u0007er2\n');
    expect(await failure(['serve', '--target', target, '--admin-token-file', tokens])).toEqual({
      code: 2,
      message: `antract: Expected the token on line 3 of ${tokens} to be without control characters.`,
    });
    const byVariable = { ANTRACT_ADMIN_TOKEN: 'one,hunt\ter2' };
    expect(await failure(['serve', '--target', target], byVariable)).toEqual({
      code: 2,
      message:
        'antract: Expected the token on line 1 of ANTRACT_ADMIN_TOKEN to be without control characters.',
    });
  });

  it('that a client got wrong is logged, also without an access log and by workers', async () => {
    const env = { ANTRACT_ADMIN_TOKEN: 'secret' };
    for (const more of [[], ['--workers', '1']]) {
      const args = ['--target', target, '--access-log', 'off', ...more];
      const { cli, adminUrl } = await serve(args, env);
      expect(await status(adminUrl, 'guess')).toBe(401);
      await cli.saw('stderr', /WRN_ANTRACT_ADMIN_TOKEN: .* from 127\.0\.0\.1 \(1\)/);
      expect(cli.stderr).not.toContain('guess');
    }
  });

  it('is not read from the arguments or the configuration, where other users see it', async () => {
    expect(await failure(['serve', '--target', target, '--admin-token', 'x'])).toMatchObject({
      code: 2,
    });
    const config = file('antract.json', { target, adminToken: 'x' });
    expect(await failure(['serve', '--config', config])).toEqual({
      code: 2,
      message: `antract: ${config}: expected \`adminTokenFile\` instead of \`adminToken\`, which is a secret.`,
    });
  });
});

describe('an empty variable', () => {
  it.each([
    'ANTRACT_TARGET',
    'ANTRACT_HOST',
    'ANTRACT_CONFIG',
    'ANTRACT_ADMIN_PATH',
    'ANTRACT_ADMIN_LISTEN',
    'ANTRACT_ADMIN_TOKEN_FILE',
    'ANTRACT_REDIS',
    'ANTRACT_NOTIFY',
    'ANTRACT_PROBE_URL',
    'ANTRACT_PROBE_CONNECT',
    'ANTRACT_HEALTH_CHECK_PATH',
    'ANTRACT_IS_LONG_LIVED',
    'ANTRACT_SPOOL_DIRECTORY',
    'ANTRACT_ERROR_PAGE',
  ])('is refused by its name where it is for a place: %s', async (name) => {
    const args = name === 'ANTRACT_TARGET' ? [] : ['--target', target];
    for (const value of ['', ' ']) {
      const failed = await failure(['serve', '--port', '0', ...args], { [name]: value });
      expect(failed).toMatchObject({ code: 2, message: expect.stringContaining(`\`${name}\``) });
    }
  });

  it('that sets no secret counts as not set', async () => {
    const places =
      /^--(target|host|config|.*-(path|listen|file|url|connect|directory)|redis|notify|is-long-lived|error-page)$/;
    const others = FLAGS.filter(({ long }) => !places.test(long)).map(({ env }) => [env, '']);
    const { ANTRACT_PORT, ...env } = Object.fromEntries(others) as Record<string, string>;
    expect(ANTRACT_PORT).toBe('');
    await serve(['--target', target], env);
  });
});

describe('a secret in the arguments', () => {
  it.each([
    ['--notify', 'https://hooks.example/services/T0/hunter2', 'WRN_ANTRACT_NOTIFY_ARGUMENT'],
    ['--notify', 'https://hooks.example/?key=hunter2', 'WRN_ANTRACT_NOTIFY_ARGUMENT'],
    ['--notify', 'https://:hunter2@hooks.example/', 'WRN_ANTRACT_NOTIFY_ARGUMENT'],
    ['--probe-url', 'http://up:hunter2@127.0.0.1:9/up', 'WRN_ANTRACT_PROBE_URL_ARGUMENT'],
    ['--probe-url', 'http://127.0.0.1:9/up?key=hunter2', 'WRN_ANTRACT_PROBE_URL_ARGUMENT'],
  ])('is warned about: %s %s', async (flag, url, code) => {
    const { cli } = await serve(['--target', target, flag, url]);
    expect(cli.stderr).toMatch(
      new RegExp(`${code}: other users can see ${flag} in ps.* Set ANTRACT_`),
    );
    expect(cli.stderr).not.toContain('hunter2');
  });

  it('causes no warning when it is absent, or is in the environment or the file', async () => {
    const url = 'https://hooks.example/services/hunter2';
    const config = file('antract.json', { target, notify: url });
    const all = await Promise.all([
      serve(['--target', target, '--notify', 'https://hooks.example']),
      serve(['--target', target, '--probe-url', 'http://127.0.0.1:9/up']),
      serve(['--target', target], { ANTRACT_NOTIFY: url }),
      serve(['--config', config]),
    ]);
    for (const { cli } of all) expect(cli.stderr).not.toContain('_ARGUMENT');
  });
});

describe('antract called with invalid arguments exits with 2 and', () => {
  it.each<[string, string[], Record<string, string>, string | RegExp]>([
    [
      'a hint at the flag that was meant',
      ['--targt', 'x'],
      {},
      /unknown option '--targt'\n\(Did you mean --target\?\)/,
    ],
    [
      'both ways to give a backend where there is none',
      [],
      {},
      /^antract: Expected `--target`, or at least one of `apps` in the file of `--config`\.$/,
    ],
    ['the flag', ['--target', 'nowhere'], {}, /^antract: Expected `--target` to be the backend's/],
    [
      'the flag, nested',
      ['--target', target, '--release-concurrency', '0'],
      {},
      /^antract: Expected `--release-concurrency` to be/,
    ],
    [
      'the variable',
      ['--target', target],
      { ANTRACT_MAX_TIME: 'ever' },
      /^antract: Expected `ANTRACT_MAX_TIME` to be a duration/,
    ],
    [
      'the variable, parsed',
      ['--target', target],
      { ANTRACT_PORT: 'http' },
      /from env 'ANTRACT_PORT' is invalid. Expected a number/,
    ],
    [
      'the flag, parsed',
      ['--target', target, '--answer-health-checks', 'maybe'],
      {},
      /Expected true or false/,
    ],
    [
      'why',
      ['--target', target, '--host', '0.0.0.0'],
      {},
      /could take the site down.*Set `--admin-token-file` or `ANTRACT_ADMIN_TOKEN`/,
    ],
    [
      'the file',
      ['--config', '/nowhere.json'],
      {},
      /Could not read the file of --config: .*\/nowhere.json/,
    ],
    [
      'the mode of PM2 that starts it as a worker',
      ['--target', target],
      { NODE_UNIQUE_ID: '1' },
      /^antract: Another program has started `antract serve`.*`exec_mode: 'fork'`/,
    ],
  ])('names %s', async (_what, args, env, message) => {
    const failed = await failure(['serve', ...args], env);
    expect(failed.code).toBe(2);
    expect(failed.message).toMatch(message);
  });

  it.each<[string, string[], Record<string, string>, string]>([
    ['a flag', ['--heartbeat-every', '30'], {}, '`--heartbeat-every`'],
    ['a variable', [], { ANTRACT_MAX_TIME: '30' }, '`ANTRACT_MAX_TIME`'],
  ])('refuses a duration without a unit from %s', async (_from, args, env, name) => {
    expect(await failure(['serve', '--target', target, ...args], env)).toEqual({
      code: 2,
      message: `antract: Expected ${name} to be a duration with a unit, such as '30s' or '5m', got '30'.`,
    });
  });

  it('rejects a duration without a unit in a file, also in one of its apps', async () => {
    const config = file('antract.json', { apps: { shop: { target, proxyTimeout: 30 } } });
    expect(await failure(['serve', '--config', config])).toEqual({
      code: 2,
      message:
        `antract: ${config}: Expected \`apps.shop.proxyTimeout\` to be ` +
        "a duration with a unit, such as '30s' or '5m', got 30.",
    });
  });

  it('accepts a duration of 0 without a unit, in a flag and in a file', async () => {
    const config = file('antract.json', { target, holdOnOutage: 0, release: { jitter: 0 } });
    const { adminUrl } = await serve(['--config', config, '--proxy-timeout', '0']);
    expect((await request(`${adminUrl}/status`)).status).toBe(200);
  });

  it('names the file and the key', async () => {
    for (const [content, message] of [
      [{ target, maxTim: 1 }, 'Unknown option `maxTim`. Did you mean `maxTime`?'],
      [{ apps: { shop: { target, maxTime: 'ever' } } }, 'Expected `apps.shop.maxTime` to be'],
      [
        { apps: { shop: { target, privilegedUserAgent: '/(/' } } },
        'Expected `apps.shop.privilegedUserAgent` to be a text, or a regular expression',
      ],
      [{ target, accessLog: 'all' }, "Expected `accessLog` to be 'auto' or 'json' or 'pretty'"],
      ['{', 'expected JSON'],
      ['[]', 'expected an object'],
    ] as const) {
      const config = file('antract.json', content);
      const failed = await failure(['serve', '--config', config]);
      expect(failed).toMatchObject({
        code: 2,
        message: expect.stringContaining(`antract: ${config}: ${message}`),
      });
    }
  });
});

/** Once nothing listens any more, the gateway is about to exit. */
async function expectRefused(url: string): Promise<void> {
  for (;;) {
    const isListening = await request(url).then(
      () => true,
      () => false,
    );
    if (!isListening) return;
  }
}

describe('a gateway process', () => {
  it('exits with 1 and a sentence when the port is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    expect(await failure(['serve', '--target', target, '--port', String(port)])).toEqual({
      code: 1,
      message: `antract: Could not listen on port ${port} of 127.0.0.1: another program already uses it.`,
    });
    other.close();
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'on %s rejects held requests, lets others finish, and exits with 0',
    async (signal) => {
      const backend = await startBackend();
      const { cli, url, adminUrl } = await serve(['--target', backend.url]);
      const arrived = backend.received('/?ms=300');
      const inFlight = request(`${url}/?ms=300`);
      await arrived;
      await request(`${adminUrl}/enable`);
      const agent = new http.Agent({ keepAlive: true });
      const held = request(url, { agent });
      for (;;) {
        const { body } = await request(`${adminUrl}/status`);
        if (body.startsWith('Pause is enabled, 1 request ')) break;
      }
      cli.signal(signal);
      expect((await held).status).toBe(503);
      expect((await inFlight).status).toBe(200);
      expect(await cli.exited).toEqual({ code: 0, signal: null });
    },
  );

  it('writes its whole access log before it exits, also to a reader that is behind', async () => {
    const backend = await startBackend();
    const { cli, url } = await serve(['--target', backend.url, '--access-log', 'json']);
    cli.readSlowly();
    const path = `/${'y'.repeat(490)}`;
    const headers = { 'user-agent': 'x'.repeat(500) };
    // About 350 kB, which is more than a pipe and the buffer of its reader take.
    for (let i = 0; i < 300; i++) await request(url + path, { headers });
    cli.signal('SIGTERM');
    await cli.saw('stderr', /SIGTERM: closing/);
    await expectRefused(url);
    cli.readOn();
    expect(await cli.exited).toEqual({ code: 0, signal: null });
    expect(cli.stdout.match(/"path":"\/y/g)).toHaveLength(300);
  });

  it('ends by SIGHUP when its terminal is closed, after it has answered the held requests', async () => {
    const backend = await startBackend();
    const cli = runOnTerminal(['serve', '--port', '0', '--target', backend.url]);
    const [, url = ''] = await cli.saw('stdout', /(http:\/\/127\.0\.0\.1:\d+)\D/);
    await request(`${url}/_antract/enable`);
    const held = request(url);
    for (;;) {
      const { body } = await request(`${url}/_antract/status`);
      if (body.startsWith('Pause is enabled, 1 request ')) break;
    }
    cli.closeTerminal();
    expect((await held).status).toBe(503);
    expect(await cli.exited).toEqual({ code: 129, signal: null });
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('at once on a second %s, with %d', async (signal, code) => {
    const backend = await startBackend();
    const { cli, url } = await serve(['--target', backend.url]);
    const arrived = backend.received('/hang');
    const cutOff = request(`${url}/hang`).catch((error: NodeJS.ErrnoException) => error.code);
    await arrived;
    cli.signal(signal);
    await cli.saw('stderr', /a second signal ends/);
    cli.signal(signal);
    expect(await cli.exited).toEqual({ code, signal: null });
    expect(await cutOff).toBe('ECONNRESET');
  });

  it('does not end when the reader of its access log has ended', async () => {
    const backend = await startBackend();
    const { cli, url } = await serve(['--target', backend.url]);
    await request(url);
    await cli.saw('stdout', /\n/);
    cli.stopReading();
    for (let i = 0; i < 3; i++) expect((await request(url)).status).toBe(200);
  });
});

describe('antract demo', () => {
  it('prints commands to try, and they work', async () => {
    const cli = runCli(['demo', '--port', '0', '--backend-port', '0']);
    const [text] = await cli.saw('stdout', /[^]*Ctrl-C/);
    const urls = [...text.matchAll(/curl '?(http:\S+?)'?\s/g)].map(([, url]) => url as string);
    expect(urls).toHaveLength(5);
    const [now, enable, later, status, disable] = urls as [string, string, string, string, string];
    expect((await request(now)).body).toMatch(
      /^Server address: 127\.0\.0\.1:\d+\nServer name: \S+\nDate: \d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\nURI: \/\nRequest ID: [\da-f]{32}\n$/,
    );
    expect((await request(enable)).body).toMatch(/^Pause is enabled\./);
    const waiting = request(later);
    for (;;) {
      const { body } = await request(status);
      if (body.startsWith('Pause is enabled, 1 request is currently paused.')) break;
    }
    expect((await request(disable)).body).toMatch(
      /^Pause is disabled\. 1 request was held in-flight\./,
    );
    expect((await waiting).status).toBe(200);
    cli.signal('SIGINT');
    expect(await cli.exited).toEqual({ code: 0, signal: null });
  });
});

describe('antract', () => {
  it('prints its version and its commands', async () => {
    const { version } = JSON.parse(
      readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
    ) as { version: string };
    const asked = runCli(['--version']);
    expect(await asked.exited).toEqual({ code: 0, signal: null });
    expect(asked.stdout).toBe(`${version}\n`);
    const help = runCli(['serve', '--help']);
    expect((await help.exited).code).toBe(0);
    expect(help.stdout).toMatch(/--max-time <duration>[^]*ANTRACT_MAX_TIME/);
    expect((await runCli([]).exited).code).toBe(2);
  });

  it('lists each command with its arguments and options in the help', async () => {
    const help = runCli(['--help']);
    expect((await help.exited).code).toBe(0);
    expect(help.stdout).toContain('  run [options] [app] -- command...');
    for (const line of ['serve [options]', 'pause [options] [app]', 'status [options] [app]']) {
      expect(help.stdout).toContain(`  ${line}`);
    }
    expect(help.stdout).not.toContain('worker');
  });

  it('names the default app in the help of each command', async () => {
    for (const name of ['run', 'pause', 'resume', 'stop', 'drain']) {
      const help = runCli([name, '--help']);
      expect((await help.exited).code).toBe(0);
      expect([name, help.stdout]).toEqual([
        name,
        expect.stringMatching(/app +name of the app \(default: "default"\)/),
      ]);
    }
    const status = runCli(['status', '--help']);
    expect((await status.exited).code).toBe(0);
    expect(status.stdout).toMatch(/app +name of the app \(default: all apps\)/);
  });
});
