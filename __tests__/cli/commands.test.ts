/** `antract pause`, `resume`, `stop`, `drain` and `status`, against gateway processes and worse. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { AdminClient } from '../../lib/cli/client/admin-client.ts';
import { readAdminUrl } from '../../lib/cli/client/admin-url.ts';
import { createProgram } from '../../lib/cli/program.ts';
import { printable, printableJson } from '../../lib/common/printable.ts';
import { killBackends } from '../support/backend.ts';
import { createCertificate } from '../support/certificate.ts';
import { endAll, runCli, runOnTerminal } from '../support/cli.ts';
import { closeAll, listen, request } from '../support/http.ts';
import { operate } from '../support/operated.ts';
import { closeRawBackends, rawBackend, SWITCHING_PROTOCOLS } from '../support/raw-backend.ts';

let folder = mkdtempSync(path.join(tmpdir(), 'antract-cli-'));
const file = (name: string): string => path.join(folder, name);

afterEach(async () => {
  await endAll();
  await killBackends();
  await closeAll();
  await closeRawBackends();
  rmSync(folder, { recursive: true });
  folder = mkdtempSync(path.join(tmpdir(), 'antract-cli-'));
});

/** How a call ends, and what it says. */
async function result(cli: ReturnType<typeof runCli>) {
  const { code } = await cli.exited;
  expect(cli.stderr).not.toMatch(/\n\s+at /);
  return { code, stdout: cli.stdout, stderr: cli.stderr };
}

/** Something that answers, and is not antract as it should be. */
async function impostor(status: number, body: string): Promise<string> {
  const { url } = await listen((_req, res) => {
    res.statusCode = status;
    res.end(body);
  });
  return `${url}/_antract`;
}

describe('a command of the CLI:', () => {
  it('`pause` and `resume` print the new state and the number of held requests', async () => {
    const site = await operate();
    const flags = ['--reason', 'disk', '--max-time', '1m', '--expect', '30s'];
    const paused = await result(site.antract('pause', ...flags));
    expect(paused).toMatchObject({ code: 0, stderr: '' });
    expect(paused.stdout).toMatch(
      /^Pause is enabled\.\nApp default is paused: 0 held.*expected to end in (30|29\.?\d*) s.*1 min.*\.\n[^]*Reason: disk/,
    );
    expect((await result(site.antract('pause'))).stdout).toContain(
      'Pause is already enabled, 0 requests',
    );
    const held = await site.hold();
    const resumed = await result(site.antract('resume'));
    expect(resumed).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Pause is disabled. 1 request was held'),
    });
    expect((await held.answer).status).toBe(200);
    expect((await result(site.antract('resume'))).stdout).toContain('Pause is already disabled.');
  });

  it('`stop` answers clients with the given message', async () => {
    const site = await operate();
    expect(await result(site.antract('stop', '--message', 'gone fishing'))).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/default is stopped[^]*Clients are told: gone fishing/),
    });
  });

  it('`status` says that requests wait for the backend, and for how long at most', async () => {
    const site = await operate('--hold-on-outage', '1m');
    await site.backend.kill();
    const { answer, leave } = await site.hold();
    answer.catch(() => undefined);
    const text = await result(site.antract('status', 'default'));
    expect(text.stdout).toMatch(
      /1 held[^]*requests wait for the backend for another [\d.]+ s at most/,
    );
    const json = await result(site.antract('status', 'default', '--json'));
    expect(JSON.parse(json.stdout)).toMatchObject({
      phase: 'releasing',
      held: 1,
      probe: { unplanned: true, endsInMs: expect.any(Number) },
    });
    leave();
  });

  it('`stop` prints since when the app has been stopped, and whether that ends by itself', async () => {
    const site = await operate();
    await site.antract('stop').exited;
    const status = await result(site.antract('status'));
    expect(status.stdout).toMatch(/default is stopped:.*, stopped for \d+/);
    expect(status.stdout).toContain('The stop does not end by itself.\n  Stopped by: ');
    expect(status.stdout).toContain('\n  Next: `antract resume`');
    const limited = await result(site.antract('stop', '--max-time', '10m', '--expect', '5m'));
    expect(limited.stdout).toMatch(/ends by itself in (10|9\.?\d*) min/);
    expect(limited.stdout).toMatch(/expected to end in (5|4\.?\d*) min/);
    expect(limited.stdout).not.toContain('does not end by itself');
    const refused = await result(site.antract('stop', '--max-time', '10'));
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('--max-time') });
  });

  it('`stop --max-time` ends by itself', async () => {
    const site = await operate();
    await site.antract('stop', '--max-time', '300ms').exited;
    expect(await site.until('running', ({ phase }) => phase === 'running')).toMatchObject({
      endsInMs: null,
    });
  });

  it('`resume --wait` waits until all held requests are released', async () => {
    const site = await operate('--release-per-second', '4');
    await site.antract('pause').exited;
    const held = [await site.hold('/1'), await site.hold('/2'), await site.hold('/3')];
    expect(await result(site.antract('resume', '--wait', '10s'))).toMatchObject({ code: 0 });
    expect(await site.status()).toMatchObject({ phase: 'running', held: 0 });
    await Promise.all(held.map(({ answer }) => answer));
  });

  it('`resume --wait` exits with 4 when requests are still held in the end', async () => {
    const site = await operate('--release-per-second', '0.1');
    await site.antract('pause').exited;
    const held = [await site.hold('/1'), await site.hold('/2')];
    const ended = await result(site.antract('resume', '--wait', '100ms'));
    expect(ended).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('Not running again within'),
    });
    for (const { answer } of held) answer.catch(() => undefined);
  });

  it('`--json` prints the JSON of the server', async () => {
    const site = await operate();
    const paused = await result(site.antract('pause', '--json', '--wait', '1s'));
    expect(JSON.parse(paused.stdout)).toMatchObject({ phase: 'paused', drained: true });
    const status = await result(site.antract('status', 'default', '--json'));
    expect(JSON.parse(status.stdout)).toMatchObject({ app: 'default', phase: 'paused' });
  });

  it('`events`, `report` and `traffic` print what happened, who did it, and what happens from then on', async () => {
    const site = await operate();
    expect((await request(site.url)).status).toBe(200);
    await result(site.antract('pause', '--reason', 'disk'));
    const follow = site.antract('events', '--follow');
    await follow.saw(
      'stdout',
      /^2\S+Z App default is paused by \S+@\S+ \(127\.0\.0\.1\): .* Reason: disk\n/,
    );
    await request(`${site.adminUrl}/disable`);
    await follow.saw('stdout', /Z App default is resumed by 127\.0\.0\.1 after /);
    follow.signal('SIGINT');
    expect(await follow.exited).toEqual({ code: 130, signal: null });
    const events = await result(site.antract('events', '--json'));
    expect(
      events.stdout
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { event: string }).event),
    ).toEqual(['paused', 'drained', 'resumed']);
    const report = await result(site.antract('report'));
    expect(report.stdout).toMatch(/^The last pause of app default ended after .*\.\nHeld: 0, /);
    const traffic = await result(site.antract('traffic', 'default'));
    expect(traffic.stdout).toMatch(
      /^App default in the last .*\nIn the last minute: [\d.]+ a second, half within /,
    );
  });

  it('`status` lists all apps when there are several', async () => {
    const config = file('apps.json');
    const target = 'http://127.0.0.1:9';
    writeFileSync(config, JSON.stringify({ apps: { shop: { target }, blog: { target } } }));
    const site = await operate('--config', config);
    expect((await result(site.antract('pause', 'shop', '--reason', 'x'))).code).toBe(0);
    const { stdout } = await result(site.antract('status'));
    expect(stdout).toMatch(
      /^APP +PHASE[^]*\nshop +paused[^]*\nblog +running[^]*\nshop: ends in .*, by \S+@\S+ \(127\.0\.0\.1\): x\n$/,
    );
    expect(await result(site.antract('pause', 'shpo'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('one of'),
    });
  });
});

it.each([
  ['pause', '--wait'],
  ['pause', '--max-time'],
  ['resume', '--wait'],
  ['drain', '--wait'],
])('antract %s refuses a %s without a unit, and changes nothing', async (command, flag) => {
  const site = await operate();
  await site.admin('enable');
  if (command === 'pause') await site.admin('disable?wait=10s');
  const before = await site.status();
  const cli = site.antract(command, flag, '30');
  expect((await cli.exited).code).toBe(2);
  expect(cli.stderr).toBe(
    `antract: Expected \`${flag}\` to be a duration with a unit, such as '30s' or '5m', got '30'.\n`,
  );
  expect((await site.status()).pauseId).toBe(before.pauseId);
});

describe('a command with --json that fails prints one JSON object', () => {
  const NOWHERE = 'http://127.0.0.1:1/_antract';
  const failure = async (cli: ReturnType<typeof runCli>): Promise<unknown> => {
    const { code } = await cli.exited;
    const printed = JSON.parse(cli.stdout) as { error: { exitCode: number } };
    expect(printed.error.exitCode).toBe(code);
    return printed;
  };
  const error = (code: string, message: RegExp, exitCode: number): object => ({
    error: { code, message: expect.stringMatching(message), exitCode },
  });

  it.each([
    ['status'],
    ['status', '--watch'],
    ['pause'],
    ['pause', '--wait', '1s'],
    ['resume'],
    ['resume', '--wait', '1s'],
    ['stop'],
    ['drain'],
    ['run', '--dry-run'],
    ['run', '--', 'true'],
  ])('when nothing listens: %s %s', async (command, ...rest) => {
    const cli = runCli([command ?? '', '--json', '--url', NOWHERE, ...rest]);
    const wanted = error('ERR_ANTRACT_UNREACHABLE', /^Could not reach antract.*refused.*--url/, 1);
    expect(await failure(cli)).toMatchObject(wanted);
  });

  it.each([
    ['ERR_ANTRACT_OPTION', ['pause', '--wait', '30']],
    ['ERR_ANTRACT_OPTION', ['pause', '--wiat', '30s']],
    ['ERR_ANTRACT_OPTION', ['pause', '--only', 'reads']],
    ['ERR_ANTRACT_OPTION', ['run', '--max-time', '30', '--', 'true']],
    ['ERR_ANTRACT_OPTION', ['run']],
    ['ERR_ANTRACT_OPTION', ['status', '--url', 'nowhere']],
    ['ERR_ANTRACT_FAILED', ['run', '--', './no-such-command']],
  ])('when its arguments are invalid, with %s: %j', async (code, args) => {
    const [command = '', ...rest] = args;
    const printed = await failure(runCli([command, '--json', ...rest]));
    expect(printed).toMatchObject(error(code, /./, code === 'ERR_ANTRACT_FAILED' ? 127 : 2));
  });

  it('when the server rejects it', async () => {
    const site = await operate();
    const cli = site.antract('drain', '--json');
    expect(await failure(cli)).toEqual(error('ERR_ANTRACT_NOT_PAUSED', /./, 1));
  });

  it('when a drain takes too long, with the state of the app', async () => {
    const site = await operate();
    await site.begin();
    const cli = site.antract('pause', '--json', '--wait', '50ms');
    expect(await failure(cli)).toMatchObject({
      app: 'default',
      drained: false,
      ...error('ERR_ANTRACT_DRAIN_TIMEOUT', /did not drain/, 3),
    });
  });

  it('when the command of a run fails, with the report', async () => {
    const site = await operate();
    const cli = site.antract('run', '--json', '--', 'false');
    expect(await failure(cli)).toMatchObject({
      outcome: 'command failed',
      exitCode: 1,
      commandExitCode: 1,
      ...error('ERR_ANTRACT_COMMAND_FAILED', /^false failed with exit code 1/, 1),
    });
  });

  it('when a run is interrupted, with the report', async () => {
    const site = await operate();
    const cli = site.antract('run', '--json', '--', 'sleep', '60');
    await cli.saw('stderr', /running sleep/);
    cli.signal('SIGTERM');
    expect(await failure(cli)).toMatchObject({
      outcome: 'interrupted',
      ...error(
        'ERR_ANTRACT_INTERRUPTED',
        /^Interrupted by SIGTERM\. sleep ended with exit code 143 \(SIGTERM\)/,
        143,
      ),
    });
  });
});

describe('waiting for a drain', () => {
  it('exits with 0 when the app is drained', async () => {
    const site = await operate();
    const slow = await site.begin();
    const pause = site.antract('pause', '--wait', '10s');
    await site.until('pausing', ({ phase }) => phase === 'pausing');
    slow.leave();
    expect(await result(pause)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/Drained after/),
    });
    expect((await result(site.antract('drain'))).code).toBe(0);
  });

  it('exits with 3 when the drain takes too long, and names the requests in flight and what to do', async () => {
    const site = await operate();
    await site.begin();
    for (const command of [
      ['pause', '--wait', '100ms'],
      ['drain', '--wait', '100ms'],
    ]) {
      const ended = await result(site.antract(...command));
      expect(ended.code).toBe(3);
      expect(ended.stderr).toMatch(
        /1 request still in flight:\n {2}GET \/hang for[^]*stays pausing/,
      );
    }
  });

  it('of writes does not wait for reads, and says so', async () => {
    const site = await operate();
    await site.begin();
    const pause = ['pause', '--only', 'writes', '--wait', '10s'];
    expect(await result(site.antract(...pause))).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^App default is paused for writes: 0 held, 1 in flight/m),
    });
    expect((await result(site.antract('status'))).stdout).toContain('paused for writes');
    await site.admin('disable');

    const arrived = site.backend.received('/hang?write');
    request(`${site.url}/hang?write`, { method: 'POST' }).catch(() => undefined);
    await arrived;
    pause[4] = '100ms';
    expect(await result(site.antract(...pause))).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/; writes still in flight:\n {2}POST .*\nIt stays pausing for/),
    });
  });

  it('shows progress on a terminal, and Ctrl-C ends only the wait', async () => {
    const site = await operate();
    await site.begin();
    const pause = site.onTerminal('pause', '--wait', '1m');
    await pause.saw('stdout', /default is pausing: 0 held, 1 in flight[^]*\r\n {2}GET \/hang for/);
    pause.type('\u0003');
    expect((await pause.exited).code).toBe(130);
    expect(pause.stdout).toMatch(
      /A paused app stays paused; `antract resume` lets requests pass again/,
    );
    expect((await site.status()).phase).toBe('pausing');
  });

  it('prints one line per change without a terminal', async () => {
    const site = await operate();
    await site.begin();
    const pause = site.antract('pause', '--wait', '1m');
    await pause.saw('stderr', /^antract: App default is pausing: 0 held, 1 in flight/m);
    expect(pause.stderr).not.toContain('\u001b');
  });

  it('ends at once when the app is not paused', async () => {
    const site = await operate();
    expect(await result(site.antract('drain'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('ERR_ANTRACT_NOT_PAUSED'),
    });
  });
});

describe('a server with a health gate', () => {
  it.each([
    [202, 4, /Not running again within 1 s\. App default is releasing: 2 held\. It is down\./],
    [200, 0, /^$/],
  ])('answers `resume --wait` with %d: %d', async (status, code, stderr) => {
    const asked: string[] = [];
    const { url } = await listen((req, res) => {
      asked.push(req.url as string);
      res.statusCode = req.url?.includes('wait=') ? status : 200;
      const phase = status === 202 ? 'releasing' : 'running';
      const sentences = { summary: `App default is ${phase}: 2 held.`, details: ['It is down.'] };
      res.end(JSON.stringify({ app: 'default', phase, held: 2, inFlight: 0, ...sentences }));
    });
    const ended = await result(runCli(['resume', '--wait', '1s', '--url', url]));
    expect(ended).toMatchObject({ code, stderr: expect.stringMatching(stderr) });
    // The wait must not end a pause that another operator has begun meanwhile.
    expect(asked.filter((one) => one.includes('/disable'))).toEqual([
      '/_antract/disable?app=default',
      '/_antract/disable?app=default&wait=1000ms&if_pause=none',
    ]);
  });
});

describe('status --watch', () => {
  it('redraws on a terminal, and keeps running when the gateway ends', async () => {
    const site = await operate();
    const watch = site.onTerminal('status', '--watch');
    await watch.saw('stdout', /default is running/);
    await site.admin('enable');
    await watch.saw('stdout', /\[J.*default is paused/);
    site.gateway.signalAll('SIGKILL');
    await watch.saw('stdout', /Could not reach antract at .*: connection refused/);
    watch.type('\u0003');
    expect((await watch.exited).code).toBe(130);
  });

  it('prints one line per change without a terminal', async () => {
    const site = await operate();
    const watch = site.antract('status', '--watch', '--json');
    await watch.saw('stdout', /"phase":"running".*\n/);
    await site.admin('enable');
    await watch.saw('stdout', /"phase":"paused".*\n/);
    expect(watch.stdout.match(/"phase":"running"/g)).toHaveLength(1);
    watch.stopReading();
    await site.admin('disable');
    expect((await watch.exited).code).toBe(0);
  });
});

describe('docs/cli.md', () => {
  it('names every flag, and no other', async () => {
    const elsewhere = ['serve', 'check', 'demo', 'worker'];
    const program = await createProgram('1.2.3', undefined, []);
    const commands = program.commands.filter((command) => !elsewhere.includes(command.name()));
    const flags = commands.flatMap(({ options }) => options.map(({ long }) => long));
    const text = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
    const rows = text.match(/^\|.*\|$/gm) ?? [];
    const documented = rows.flatMap((row) => row.match(/--[a-z]+[a-z-]*/g) ?? []);
    expect(new Set(documented)).toEqual(new Set(flags));
  });
});

describe('the address of the server', () => {
  it('can be a Unix socket', async () => {
    const site = await operate('--admin-listen', file('admin.sock'));
    const url = `unix:${file('admin.sock')}`;
    expect(site.adminUrl).toBe(url);
    expect(await result(runCli(['status', '--url', url]))).toMatchObject({ code: 0, stderr: '' });
    expect((await result(runCli(['status', '--url', `${url}:/_antract/`]))).code).toBe(0);
    expect((await result(runCli(['status', '--url', `${url}:/nowhere`]))).code).toBe(1);
  });

  it('can be https with a certificate that Node trusts', async () => {
    const certificate = createCertificate();
    writeFileSync(file('ca.pem'), certificate.cert);
    const server = https.createServer(certificate, (_req, res) =>
      res.end(JSON.stringify({ app: 'shop', phase: 'running' })),
    );
    try {
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const { port } = server.address() as AddressInfo;
      const status = ['status', '--url', `https://localhost:${port}`];
      expect(await result(runCli(status))).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('self-signed certificate'),
      });
      const trusting = runCli(status, { NODE_EXTRA_CA_CERTS: file('ca.pem') });
      expect(await result(trusting)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('shop is running'),
      });
    } finally {
      server.close();
    }
  });

  it('is rejected when it or the token is empty, with the place where that was set', async () => {
    writeFileSync(file('comments'), '# none\n', { mode: 0o600 });
    for (const [args, env, message] of [
      [[], { ANTRACT_TOKEN: '' }, 'Expected `ANTRACT_TOKEN` to have a value'],
      [[], { ANTRACT_TOKEN: ' ' }, 'Expected `ANTRACT_TOKEN` to have a value'],
      [[], { ANTRACT_TOKEN_FILE: '' }, 'Expected `ANTRACT_TOKEN_FILE` to have a value'],
      [[], { ANTRACT_TOKEN_FILE: file('none') }, 'Could not read the admin token'],
      [[], { ANTRACT_TOKEN_FILE: file('comments') }, `Expected a token in ${file('comments')}`],
      [[], { ANTRACT_TOKEN_FILE: 'a', ANTRACT_TOKEN: 'b' }, 'ANTRACT_TOKEN_FILE or ANTRACT_TOKEN'],
      [[], { ANTRACT_URL: '' }, 'Expected `ANTRACT_URL` to have a value'],
      [[], { ANTRACT_TOKEN: 'a\nb' }, 'Expected `ANTRACT_TOKEN` to be a token without control'],
      [['--token', ''], {}, 'Expected `--token` to be a token, but it is empty'],
      [['--token-file', ''], {}, 'Expected `--token-file` to be a path'],
      [['--token-file', file('comments')], {}, `Expected a token in ${file('comments')}`],
    ] as [string[], Record<string, string>, string][]) {
      const failed = await result(runCli(['status', ...args], env));
      expect(failed).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
    }
  });

  it('is rejected when the path of a Unix socket is too long for the system', async () => {
    const url = `unix:/${'x'.repeat(110)}`;
    const failed = await result(runCli(['status', '--url', url]));
    expect(failed).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/Expected `--url` .* at most 10[37] bytes/),
    });
  });

  it('needs the token of the server: from a file, the environment, or with a warning from the arguments', async () => {
    writeFileSync(file('token'), 'häslich\nother\n', { mode: 0o600 });
    const site = await operate('--admin-token-file', file('token'));
    const none = await result(site.antract('status'));
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('--token-file') });
    const byFile = await result(site.antract('status', '--token-file', file('token')));
    expect(byFile).toMatchObject({ code: 0, stderr: '' });
    const url = { ANTRACT_URL: site.adminUrl };
    const byVariable = await result(runCli(['status'], { ...url, ANTRACT_TOKEN: 'other' }));
    expect(byVariable).toMatchObject({ code: 0, stderr: '' });
    const shared = await result(runCli(['status'], { ...url, ANTRACT_ADMIN_TOKEN: 'other,b' }));
    expect(shared).toMatchObject({ code: 0, stderr: '' });
    const fileByVariable = await result(
      runCli(['status'], { ...url, ANTRACT_TOKEN_FILE: file('token') }),
    );
    expect(fileByVariable).toMatchObject({ code: 0, stderr: '' });
    const flagFirst = await result(
      runCli(['status', '--token-file', file('token')], { ...url, ANTRACT_TOKEN_FILE: '/none' }),
    );
    expect(flagFirst).toMatchObject({ code: 0, stderr: '' });
    const byArgument = await result(site.antract('status', '--token', 'other'));
    expect(byArgument).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('WRN_ANTRACT_TOKEN_ARGUMENT'),
    });
    const wrong = await result(runCli(['status'], { ...url, ANTRACT_TOKEN: 'wrong' }));
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain('The token was not accepted.');
    expect(wrong.stderr).not.toContain('--token-file');
    expect(wrong.stderr).not.toContain('wrong');
  });

  it.each<[string, string[], RegExp]>([
    ['a port without a listener', ['--url', 'http://127.0.0.1:9'], /connection refused/],
    ['a socket that is not there', ['--url', 'unix:/nowhere.sock'], /no such socket/],
    ['a name that is none', ['--url', 'http://nowhere.invalid'], /host/],
  ])('that leads to %s makes a command exit with 1 and the reason', async (_what, args, reason) => {
    const ended = await result(runCli(['status', ...args]));
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(ended.stderr).toMatch(/^antract: Could not reach antract at /);
    expect(ended.stderr).toMatch(reason);
  });

  it.each<[string, number, string]>([
    ['a page', 200, '<html>'],
    ['an error of another server', 502, 'Bad Gateway'],
    ['JSON of another server', 200, '{"hello":"world"}'],
    ['an answer without end', 200, 'x'.repeat(2 ** 21)],
  ])('that leads to %s makes a command exit with 1', async (_what, status, body) => {
    const ended = await result(runCli(['status', '--url', await impostor(status, body)]));
    expect(ended).toMatchObject({ code: 1, stdout: '' });
  });

  it('causes an error when the server does not answer in time', async () => {
    const { url } = await listen(() => undefined);
    const client = new AdminClient(readAdminUrl(url), undefined);
    await expect(client.call('status', {}, { timeout: 50 })).rejects.toThrow(
      `Could not reach antract at ${url}: no answer within 50 ms.`,
    );
  });

  it('causes an error at once when the server answers 101 Switching Protocols', async () => {
    const { url } = await rawBackend(SWITCHING_PROTOCOLS);
    const client = new AdminClient(readAdminUrl(url), undefined);
    await expect(client.call('status')).rejects.toThrow(
      `Could not reach antract at ${url}: the server answered 101 Switching Protocols.`,
    );
  });

  it('causes an error when an answer does not end in time', async () => {
    const { url } = await listen((_req, res) => void res.writeHead(200).write('{'));
    const client = new AdminClient(readAdminUrl(url), undefined);
    await expect(client.call('status', {}, { timeout: 50 })).rejects.toThrow('no answer within');
  });

  it.each([
    ['status', '--url', 'nonsense'],
    ['status', '--url', 'http://user:password@127.0.0.1/'],
    ['pause', '--wait', 'ever'],
    ['pause', '--wiat', '1s'],
    ['pause', 'one', 'two'],
    ['status', '--token', 'a', '--token-file', 'b'],
    ['pausee'],
  ])('that is invalid makes a command exit with 2: %s %s %s', async (...args) => {
    expect((await result(runCli(args))).code).toBe(2);
  });
});

describe('`antract status` while the backend is down', () => {
  const backend = {
    state: 'down',
    forMs: 12_000,
    summary: 'The backend is down: connection refused (ECONNREFUSED).',
    next: 'Requests are passed on; the next one shows whether the backend answers.',
  };

  it('prints the sentences of the server, for one app and in the table of several', async () => {
    const summary = 'App shop is running: 0 held, 0 in flight, backend down for 12 s.';
    const details = [backend.summary, backend.next];
    const status = {
      app: 'shop',
      phase: 'running',
      held: 0,
      inFlight: 0,
      backend,
      summary,
      details,
    };
    const one = await impostor(200, JSON.stringify(status));
    expect((await result(runCli(['status', '--url', one]))).stdout).toBe(
      `${summary}\n  ${backend.summary}\n  ${backend.next}\n`,
    );
    const apps = [status, { ...status, app: 'blog', backend: undefined }];
    const two = await impostor(200, JSON.stringify({ apps }));
    expect((await result(runCli(['status', '--url', two]))).stdout).toMatch(
      /\nshop {2}running {2}down .*\nblog {2}running {2}- .*\nshop: backend down for 12 s\n$/,
    );
  });
});

describe('terminal output', () => {
  const nasty = 'a\u001b]0;x\u0007\u009b31m\u202eb\u2028c\u007f';

  it('contains no control characters from a client or a server', async () => {
    const status = {
      app: nasty,
      phase: 'pausing',
      held: 1,
      inFlight: 1,
      reason: nasty,
      summary: nasty,
      details: [nasty],
      result: nasty,
      stragglers: [{ method: nasty, path: nasty, ageMs: 1 }],
    };
    const url = await impostor(200, JSON.stringify(status));
    for (const args of [['status'], ['pause'], ['status', '--json']]) {
      const { code, stdout } = await result(runCli([...args, '--url', url]));
      expect(code).toBe(0);
      expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}]/u);
    }
    const refusal = JSON.stringify({ code: `ERR_ANTRACT_${nasty}`, detail: nasty });
    const refused = await result(runCli(['pause', '--url', await impostor(409, refusal)]));
    expect(refused.code).toBe(1);
    expect(refused.stderr.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}]/u);
  });

  it('is otherwise unchanged, and JSON stays valid', () => {
    const joined = 'grün 日本 👍 👩\u200d🚒 می\u200cخواهم';
    expect(printable(joined)).toBe(joined);
    const value = { text: `${nasty} \u{e0001}` };
    expect(JSON.parse(printableJson(value))).toEqual(value);
    expect(printableJson(value)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}]/u);
  });

  it('has no live line in CI, on a dumb terminal, or in a pipe', async () => {
    const site = await operate();
    await site.begin();
    const env = { ANTRACT_URL: site.adminUrl };
    for (const more of [{ CI: 'true' }, { TERM: 'dumb' }]) {
      const drain = runOnTerminal(['pause', '--wait', '1m'], { ...env, ...more });
      await drain.saw('stdout', /antract: App default is pausing/);
      expect(drain.stdout).not.toContain('\u001b');
    }
  });
});
