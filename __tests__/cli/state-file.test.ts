/** `antract serve --state-file`: real gateways that are killed during a pause and started again. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Status } from '../support/admin-status.ts';
import { killBackends, startBackend, type Backend } from '../support/backend.ts';
import { endAll, runCli, serve, type CliOptions } from '../support/cli.ts';
import { untilSeen } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { closeAll, request } from '../support/http.ts';
import { Operated } from '../support/operated.ts';

let folder: string;
let backend: Backend;
let port: number;
const file = (name = 'state.json'): string => path.join(folder, name);

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'antract-state-'));
  backend = await startBackend();
  port = await freePort();
});

afterEach(async () => {
  await endAll();
  await killBackends();
  await closeAll();
  rmSync(folder, { recursive: true, force: true });
});

/** Each start has the same port and the same file. */
async function start(flags: string[] = [], options?: CliOptions): Promise<Operated> {
  const own = ['--target', backend.url, '--port', String(port), '--state-file', file()];
  const { cli, url, adminUrl } = await serve([...own, ...flags], {}, options);
  return new Operated(backend, cli, url, adminUrl);
}

async function kill({ gateway, url }: Operated): Promise<void> {
  gateway.signal('SIGKILL');
  await gateway.exited;
  // Workers notice it a moment later, and listen until then.
  const isListening = (): Promise<boolean> =>
    request(url).then(
      () => true,
      () => false,
    );
  await untilSeen('a free port', isListening, (isSo) => !isSo, 10_000);
}

/** What a full disk does: each write of a file fails. Pipes and sockets are not affected. */
function limitFileSize({ gateway }: Operated, bytes: number | 'unlimited'): void {
  const { status, stderr } = spawnSync('prlimit', [`--pid=${gateway.pid}`, `--fsize=${bytes}:`]);
  expect([status, String(stderr)]).toEqual([0, '']);
}

function serveFails(args: string[], env?: Record<string, string>) {
  const cli = runCli(['serve', '--port', '0', '--target', backend.url, ...args], env);
  return cli.exited.then(({ code }) => ({ code, stderr: cli.stderr }));
}

/** Waits for the file `go`. */
const waitForGo = (): string[] => {
  return ['sh', '-c', `echo up; until [ -e ${file('go')} ]; do sleep 0.05; done; echo went`];
};

describe.each([
  ['one process', []],
  ['workers', ['--workers', '2']],
])('a gateway of %s with --state-file that is killed during a pause', (_what, flags) => {
  it('holds from its first request when it starts again, and keeps the end of the pause', async () => {
    const first = await start(flags);
    expect((await first.antract('pause', '--reason', 'migration').exited).code).toBe(0);
    // Each worker hears of the pause a moment later.
    const isPaused = ({ phase }: Status): boolean => phase === 'paused';
    const { pauseId, endsInMs } = await first.until('a paused app', isPaused);
    const end = Date.now() + (endsInMs as number);
    await kill(first);

    const second = await start(flags);
    const held = request(second.url);
    expect(second.gateway.stderr).toMatch(/app 'default' was paused at \S+ \(migration\)/);
    const [, until = ''] = /stays paused until (\S+) at the latest/.exec(second.gateway.stderr)!;
    expect(Math.abs(Date.parse(until) - end)).toBeLessThan(2000);
    await second.until('a held request', (status) => status.held === 1);
    await second.until(
      'the same pause',
      (status) => isPaused(status) && status.pauseId === pauseId,
    );
    expect((await second.antract('resume').exited).code).toBe(0);
    expect((await held).status).toBe(200);
  });

  it('ends the pause at its own deadline', async () => {
    const first = await start(flags);
    expect((await first.antract('pause', '--max-time', '4s').exited).code).toBe(0);
    await kill(first);
    const second = await start(flags);
    const held = request(second.url);
    expect((await held).status).toBe(200);
    expect(second.gateway.stderr).toMatch(/WRN_ANTRACT_EXPIRED/);
  });

  it('lets an `antract run` that was under way finish', async () => {
    const first = await start(flags);
    const report = ['--report', file('report.json')];
    const run = first.antract('run', '--lease', '6s', ...report, '--', ...waitForGo());
    await run.saw('stdout', /^up$/m);
    await kill(first);
    await run.saw('stderr', /the gateway has ended/);
    const second = await start(flags);
    const held = request(second.url);
    await run.saw('stderr', /antract answers again; the app is still paused\./);
    await second.until('a held request', (status) => status.held === 1);
    writeFileSync(file('go'), '');
    expect(await run.exited).toEqual({ code: 0, signal: null });
    expect((await held).status).toBe(200);
    expect(JSON.parse(readFileSync(file('report.json'), 'utf8'))).toMatchObject({
      outcome: 'done',
      commandExitCode: 0,
      problems: [],
    });
  });

  it('lets an `antract run` finish whose command ends while no gateway runs', async () => {
    const first = await start(flags);
    const run = first.antract('run', '--', ...waitForGo());
    await run.saw('stdout', /^up$/m);
    await kill(first);
    writeFileSync(file('go'), '');
    await run.saw('stdout', /^went$/m);
    const second = await start(flags);
    expect(await run.exited).toEqual({ code: 0, signal: null });
    // Each worker hears of the others' last releases a moment later.
    await second.until('a running app', ({ phase }) => phase === 'running');
  });
});

describe('a gateway with --state-file', () => {
  it('starts paused after SIGTERM, and starts running after a resume', async () => {
    const first = await start();
    await first.antract('pause').exited;
    first.gateway.signal('SIGTERM');
    expect((await first.gateway.exited).code).toBe(0);
    const second = await start();
    expect(await second.status()).toMatchObject({ phase: 'paused' });
    await second.antract('resume').exited;
    await kill(second);
    expect(await (await start()).status()).toMatchObject({ phase: 'running' });
  });

  it('ends a pause at its start whose lease has run out meanwhile', async () => {
    const first = await start();
    await first.admin('enable?lease=1s');
    const content = readFileSync(file(), 'utf8');
    await first.gateway.saw('stderr', /WRN_ANTRACT_EXPIRED/);
    await kill(first);
    writeFileSync(file(), content);
    const second = await start();
    expect(second.gateway.stderr).toMatch(
      /WRN_ANTRACT_EXPIRED: app 'default' was paused at .*The lease was not renewed at .*the app runs again/,
    );
    expect((await request(second.url)).status).toBe(200);
  });

  it('refuses a second gateway while the first one runs', async () => {
    const first = await start();
    const { code, stderr } = await serveFails(['--state-file', file()]);
    expect(code).toBe(1);
    expect(stderr).toContain(`${file()} is in use by process ${first.gateway.pid}.`);
  });

  it('does not start with a damaged file, and names the file and the remedy', async () => {
    writeFileSync(file(), '{"format":1,');
    const { code, stderr } = await serveFails(['--state-file', file()]);
    expect(code).toBe(1);
    expect(stderr).toContain(`antract: The state file ${file()} is damaged`);
    expect(stderr).toContain('move it away to start with all apps running');
    expect(readFileSync(file(), 'utf8')).toBe('{"format":1,');
  });

  it('carries out commands on a full disk with a warning, and writes the file when it can', async () => {
    const site = await start();
    limitFileSize(site, 0);
    const pause = site.antract('pause');
    expect((await pause.exited).code).toBe(0);
    expect(pause.stdout).toMatch(
      /state\.json could not be written \(EFBIG.*would not survive a restart/,
    );
    expect(site.gateway.stderr).toMatch(/WRN_ANTRACT_STATE_FILE/);
    const run = site.antract('run', '--force', '--', 'true');
    expect((await run.exited).code).toBe(0);
    expect(run.stderr).toContain('would not survive a restart');
    const resume = site.antract('resume', '--wait', '10s');
    expect((await resume.exited).code).toBe(0);
    expect(resume.stderr).toContain('would not survive a restart');
    await site.antract('pause').exited;
    expect(readdirSync(folder)).toEqual(['state.json']);

    limitFileSize(site, 'unlimited');
    await site.gateway.saw('stderr', /state\.json has been written again/);
    await kill(site);
    expect(await (await start()).status()).toMatchObject({ phase: 'paused' });
  });

  it('warns of a full disk with workers, too', async () => {
    const site = await start(['--workers', '2']);
    limitFileSize(site, 0);
    const pause = site.antract('pause', '--wait', '10s');
    expect((await pause.exited).code).toBe(0);
    expect(pause.stdout).toContain('would not survive a restart');
  });
});

const STRANGER = 65_534;

describe('a gateway with --state-file and few rights', () => {
  // Root may do everything, so the gateway runs as another user then.
  const user = process.getuid?.() === 0 ? { uid: STRANGER, gid: STRANGER, cwd: '/' } : {};

  it('starts and warns if it can not write in the directory', async () => {
    chmodSync(folder, 0o555);
    const site = await start([], user);
    await site.gateway.saw('stderr', /WRN_ANTRACT_STATE_FILE: .*EACCES/);
    const pause = site.antract('pause');
    expect((await pause.exited).code).toBe(0);
    expect(pause.stdout).toContain('would not survive a restart');
  });

  it('does not start if it can not read the file', async () => {
    await kill(await start());
    chmodSync(folder, 0o755);
    chmodSync(file(), 0);
    const cli = runCli(['serve', '--target', backend.url, '--state-file', file()], {}, user);
    expect((await cli.exited).code).toBe(1);
    expect(cli.stderr).toMatch(/can't be read \(EACCES.*the right to read it/);
  });
});

describe('the path of the state file', () => {
  const gateway = (args: string[], env: Record<string, string> = {}) =>
    serve(['--target', backend.url, ...args], env);

  it('comes from ANTRACT_STATE_FILE', async () => {
    await gateway([], { ANTRACT_STATE_FILE: file('env.json') });
    expect(statSync(file('env.json')).mode & 0o777).toBe(0o600);
  });

  it('comes from `stateFile` in the file of --config, relative to that file', async () => {
    writeFileSync(file('config.json'), JSON.stringify({ stateFile: 'configured.json' }));
    await gateway(['--config', file('config.json')]);
    expect(existsSync(file('configured.json'))).toBe(true);
  });

  it('is state.json in the first directory of $STATE_DIRECTORY by default', async () => {
    mkdirSync(file('first'));
    mkdirSync(file('second'));
    const env = { STATE_DIRECTORY: `${file('first')}:${file('second')}` };
    await gateway([], env);
    expect(readdirSync(file('first'))).toEqual(['state.json']);
    await gateway(['--state-file', file('flag.json')], env);
    expect(existsSync(file('flag.json'))).toBe(true);
    expect(readdirSync(file('second'))).toEqual([]);
  });

  it('must not be set together with --redis, and $STATE_DIRECTORY is not used then', async () => {
    const redis = ['--redis', 'redis://127.0.0.1:9'];
    const { code, stderr } = await serveFails(['--state-file', file(), ...redis]);
    expect(code).toBe(2);
    expect(stderr).toContain('Expected `--state-file` not to be set where `--redis` is set');
    await gateway(redis, { STATE_DIRECTORY: folder });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('must not be empty', async () => {
    const { code, stderr } = await serveFails(['--state-file', '']);
    expect(code).toBe(2);
    expect(stderr).toContain('Expected `--state-file` to be a path');
    expect((await serveFails([], { ANTRACT_STATE_FILE: '' })).code).toBe(2);
  });
});
