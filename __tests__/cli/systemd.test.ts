/** `antract serve` with the sockets and the service manager of systemd. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { statusOf, untilStatus } from '../support/admin-status.ts';
import { cliCommand, endAll, runCli, runProgram, type CliProcess } from '../support/cli.ts';
import { until } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { closeAll, connect, listen, request } from '../support/http.ts';
import { describeWith } from '../support/programs.ts';

const RECEIVER = fileURLToPath(new URL('../support/notify_receiver.py', import.meta.url));
const UNITS = fileURLToPath(new URL('../../example/systemd/', import.meta.url));

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'antract-systemd-'));
});

afterEach(async () => {
  await endAll();
  await closeAll();
  rmSync(folder, { recursive: true, force: true });
});

interface Activation {
  /** The `FileDescriptorName=` of each socket, separated by colons. */
  readonly names?: string;
  readonly sockets: readonly string[];
  readonly notifySocket?: string;
}

/** systemd-socket-activate opens the sockets, and becomes antract at the first connection. */
async function activate(
  { names, sockets, notifySocket }: Activation,
  ...args: string[]
): Promise<CliProcess> {
  const cli = runProgram([
    'systemd-socket-activate',
    ...sockets.flatMap((address) => ['--listen', address]),
    ...(names === undefined ? [] : ['--fdname', names]),
    ...(notifySocket === undefined ? [] : ['--setenv', `NOTIFY_SOCKET=${notifySocket}`]),
    ...cliCommand(['serve', '--access-log', 'off', ...args]),
  ]);
  for (const address of sockets) await cli.saw('stderr', new RegExp(`Listening on .*${address}`));
  return cli;
}

describeWith('systemd-socket-activate', 'systemd')('with sockets of systemd', () => {
  it('antract serves on them through reloads and the death of all workers, and tells the manager its phase', async () => {
    const name = `antract-${randomUUID()}`;
    const manager = runProgram(['python3', RECEIVER, name]);
    await manager.saw('stdout', /receives/);
    const backend = await listen((req, res) => res.end(`answer to ${req.url}`));
    const [publicPort, adminPort] = [await freePort(), await freePort()];
    const site = {
      url: `http://127.0.0.1:${publicPort}`,
      adminUrl: `http://127.0.0.1:${adminPort}/_antract`,
    };
    const cli = await activate(
      {
        names: 'http:admin',
        sockets: [`127.0.0.1:${publicPort}`, `127.0.0.1:${adminPort}`],
        notifySocket: `@${name}`,
      },
      '--target',
      backend.url,
    );
    // Nothing listens yet but systemd, so the connection of this request waits for antract.
    expect(await request(`${site.url}/first`)).toMatchObject({ body: 'answer to /first' });
    await cli.saw(
      'stderr',
      new RegExp(`listens on ${site.url}, admin endpoints: ${site.adminUrl}`),
    );
    await manager.saw('stdout', /^READY=1$/m);
    await manager.saw('stdout', /^STATUS=default: running$/m);
    expect((await request(`${site.url}/_antract/status`)).body).toBe('answer to /_antract/status');

    await request(`${site.adminUrl}/enable`);
    const held = request(`${site.url}/held`);
    await untilStatus(site, 'a held request', (status) => status.held === 1);
    await manager.saw('stdout', /^STATUS=default: paused, 1 held$/m);
    manager.stdout = '';
    const [old] = cli.children;
    expect(await runCli(['reload'], { ANTRACT_URL: site.adminUrl }).exited).toMatchObject({
      code: 0,
    });
    const said = /^RELOADING=1 MONOTONIC_USEC=(\d+)\n(?:.*\n)*?READY=1$/m;
    const [, usec] = await manager.saw('stdout', said);
    expect(Number(usec)).toBeLessThanOrEqual(Number(process.hrtime.bigint() / 1000n));
    const young = cli.children.find((pid) => pid !== old) as number;
    const environment = readFileSync(`/proc/${young}/environ`, 'utf8');
    expect(environment).not.toMatch(/(^|\0)(LISTEN_|NOTIFY_)/);

    await request(`${site.adminUrl}/disable`);
    expect(await held).toMatchObject({ status: 200, body: 'answer to /held' });
    await until(() => !existsSync(`/proc/${old}`));
    process.kill(young, 'SIGKILL');
    // The kernel keeps the connection until the next worker accepts it.
    expect(await request(`${site.url}/after`)).toMatchObject({ body: 'answer to /after' });
    expect(await statusOf(site)).toMatchObject({ phase: 'running' });
    cli.signal('SIGTERM');
    expect(await cli.exited).toEqual({ code: 0, signal: null });
    await manager.saw('stdout', /^STOPPING=1 STATUS=shutting down$/m);
  });

  it('a Unix socket for the admin endpoints is used as it is, and kept at the end', async () => {
    const file = path.join(folder, 'admin.sock');
    const target = 'http://127.0.0.1:9';
    const port = await freePort();
    const cli = await activate(
      { names: 'admin', sockets: [file] },
      '--target',
      target,
      '--port',
      `${port}`,
    );
    const status = runCli(['status'], { ANTRACT_URL: `unix:${file}` });
    await cli.saw('stderr', /listens on .*, admin endpoints: unix:.*admin\.sock/);
    expect((await status.exited).code).toBe(0);
    expect(status.stdout).toContain('default is running');
    const before = statSync(file).ino;
    cli.signal('SIGTERM');
    expect((await cli.exited).code).toBe(0);
    expect(statSync(file).ino).toBe(before);
  });

  it('two sockets for one use are refused, with the setting that tells them apart', async () => {
    const [one, two] = [await freePort(), await freePort()];
    const sockets = [`127.0.0.1:${one}`, `127.0.0.1:${two}`];
    const cli = await activate({ sockets }, '--target', 'http://127.0.0.1:9');
    await connect(one);
    expect((await cli.exited).code).toBe(2);
    expect(cli.stderr).toContain(
      'antract: Expected `LISTEN_FDS` to pass one public socket, got 2. For a socket for the admin endpoints, set FileDescriptorName=admin',
    );
  });

  it('a public Unix socket is refused, with the name of the variable', async () => {
    const file = path.join(folder, 'public.sock');
    const cli = await activate({ sockets: [file] }, '--target', 'http://127.0.0.1:9');
    runCli(['status'], { ANTRACT_URL: `unix:${file}` });
    expect((await cli.exited).code).toBe(2);
    expect(cli.stderr).toContain(
      'antract: Expected the public socket of `LISTEN_FDS` to be a TCP socket, got a Unix socket.',
    );
  });
});

describeWith('systemd-analyze', 'systemd')('example/systemd', () => {
  it('has units that systemd-analyze accepts', () => {
    // systemd looks for the program, which is not installed here.
    for (const name of ['antract.service', 'antract.socket']) {
      const unit = readFileSync(path.join(UNITS, name), 'utf8');
      writeFileSync(path.join(folder, name), unit.replace(/=antract /g, '=/bin/true '));
    }
    const files = ['antract.service', 'antract.socket'].map((name) => path.join(folder, name));
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', ...files], {
      encoding: 'utf8',
    });
    expect([status, stdout, stderr]).toEqual([0, '', '']);
  });
});
