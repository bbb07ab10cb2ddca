/** The Unix socket of the admin endpoints where several workers listen on it: who may use its file. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { existsSync, lstatSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { endAll, runCli, type CliProcess } from '../support/cli.ts';
import { until } from '../support/eventually.ts';

let directory: string;
const umask = process.umask();

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'antract-'));
});

afterEach(async () => {
  process.umask(umask);
  await endAll();
  rmSync(directory, { recursive: true, force: true });
});

const ARGS = ['serve', '--target', 'http://127.0.0.1:9', '--port', '0', '--workers', '2'];

function start(socket: string): CliProcess {
  // New files are open to all users, unless the code restricts them.
  process.umask(0);
  return runCli([...ARGS, '--admin-listen', socket]);
}

/** Looks without a break from before it is there. */
function firstMode(file: string): number {
  const deadline = performance.now() + 15_000;
  while (performance.now() < deadline) {
    const mode = lstatSync(file, { throwIfNoEntry: false })?.mode;
    if (mode !== undefined) return mode & 0o777;
  }
  throw new Error(`${file} was not made.`);
}

it('the admin socket of several workers is never accessible to other users, and is removed at the end', async () => {
  const socket = path.join(directory, 'admin.sock');
  const cli = start(socket);
  const first = firstMode(socket);
  await cli.saw('stderr', /listens on .*admin\.sock \(2 workers\)/);
  expect([first, lstatSync(socket).mode & 0o777]).toEqual([0o600, 0o600]);
  const asked = runCli(['status'], { ANTRACT_URL: `unix:${socket}` });
  expect((await asked.exited).code).toBe(0);
  expect(asked.stdout).toContain('default is running');
  cli.signal('SIGTERM');
  expect((await cli.exited).code).toBe(0);
  expect(existsSync(socket)).toBe(false);
});

const itOnLinux = process.platform === 'linux' ? it : it.skip;

itOnLinux(
  'the admin socket is created under a strict umask of the primary, which its workers do not inherit',
  async () => {
    const cli = start(path.join(directory, 'admin.sock'));
    await cli.saw('stderr', /\(2 workers\)/);
    const umasks = [cli.pid, ...cli.children].map(
      (pid) => /^Umask:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1],
    );
    expect(umasks).toEqual(['0177', '0000', '0000']);
  },
);

itOnLinux(
  'an admin socket that a killed gateway left behind is replaced, and one in use is not',
  async () => {
    const socket = path.join(directory, 'admin.sock');
    const killed = start(socket);
    await killed.saw('stderr', /\(2 workers\)/);
    const taken = runCli([...ARGS, '--admin-listen', socket]);
    expect(await taken.exited).toEqual({ code: 1, signal: null });
    expect(taken.stderr).toBe(
      `antract: Could not listen on ${socket}: another program already uses it.\n`,
    );
    const workers = killed.children;
    killed.signal('SIGKILL');
    // They go by themselves.
    await until(() => !workers.some((pid) => existsSync(`/proc/${pid}`)));
    const next = start(socket);
    await next.saw('stderr', /listens on|another program/);
    expect(next.stderr).toContain('listens on');
  },
);
