/**
 * The packed tarball beside each framework, as npm installs them in an empty folder. The app runs there
 * as a process of its own, in front of a backend process.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { killBackends, startBackend } from '../support/backend.ts';
import { untilSeen } from '../support/eventually.ts';
import { request } from '../support/http.ts';
import { devDependency, install, manifest, pack, ROOT } from '../support/packed.ts';

/** Which app of `frameworks/app.mjs` it is, and the packages that its users install beside antract. */
const FRAMEWORKS: [name: string, app: string, packages: string[]][] = [
  ['Express 5', 'express', ['express']],
  ['Express 4', 'express', ['express4']],
  ['Fastify', 'fastify', ['fastify', '@fastify/middie']],
  ['Koa', 'koa', ['koa']],
  ['Hono', 'hono', ['hono', '@hono/node-server']],
  [
    'Nest',
    'nest',
    ['@nestjs/common', '@nestjs/core', '@nestjs/platform-express', 'reflect-metadata', 'rxjs'],
  ],
];

const INSTALL_TIME = 120_000;
const STATUS_TIME = 30_000;

let work: string;
let tarball: string;
const apps = new Set<ChildProcess>();

beforeAll(async () => {
  work = await realpath(await mkdtemp(join(tmpdir(), 'antract-frameworks-')));
  ({ tarball } = await pack(work));
}, 60_000);

afterEach(async () => {
  for (const app of apps) app.kill('SIGKILL');
  apps.clear();
  await killBackends();
});

afterAll(async () => {
  await rm(work, { recursive: true, force: true });
});

/** An empty folder in which the tarball and the packages were installed, and nothing else. */
async function installed(name: string, ...packages: string[]): Promise<string> {
  const folder = join(work, name);
  await mkdir(folder);
  await writeFile(join(folder, 'package.json'), '{ "private": true }');
  await install(folder, tarball, ...packages);
  return folder;
}

/** Starts a program that tells its port. */
async function start(file: string, args: string[] = [], backend = ''): Promise<string> {
  const env = { PATH: process.env['PATH'], BACKEND: backend };
  const app = fork(file, args, { cwd: join(file, '..'), env, execArgv: [], silent: true });
  apps.add(app);
  let printed = '';
  app.stderr?.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const failed = once(app, 'close').then(() => {
    throw new Error(`The app ended before it listened: ${printed}`);
  });
  const [{ port }] = (await Promise.race([once(app, 'message'), failed])) as [{ port: number }];
  failed.catch(() => undefined);
  return `http://127.0.0.1:${port}`;
}

interface AppStatus {
  readonly phase: string;
  readonly held: number;
  readonly reason: string | null;
  readonly backend: { readonly state: string; readonly reason: string | null };
}

async function readStatus(url: string): Promise<AppStatus> {
  const headers = { Accept: 'application/json' };
  const { body } = await request(`${url}/_antract/status?app=default`, { headers });
  return JSON.parse(body) as AppStatus;
}

/** Asks for the status until it is so. */
function untilStatus(
  what: string,
  url: string,
  isSo: (status: AppStatus) => boolean,
): Promise<AppStatus> {
  return untilSeen(what, () => readStatus(url), isSo, STATUS_TIME);
}

const text = async (url: string): Promise<string> => (await request(url)).body;

describe.each(FRAMEWORKS)('in %s, installed beside the packed tarball', (name, app, packages) => {
  it(
    'a request passes, another one is held while the backend restarts, and the admin endpoints name their paths',
    async () => {
      const folder = await installed(name, ...packages.map(devDependency));
      await cp(join(ROOT, '__tests__/support/frameworks/app.mjs'), join(folder, 'app.mjs'));
      const backend = await startBackend();
      const url = await start(join(folder, 'app.mjs'), [app], backend.url);

      expect(JSON.parse(await text(`${url}/passes`))).toMatchObject({ url: '/passes' });
      expect(await text(`${url}/_antract/`)).toContain('\n/_antract/enable');
      expect(await text(`${url}/_antract/enable?reason=upgrade&wait=10s`)).toContain(
        'Next: do the work, then /_antract/disable',
      );
      const answer = request(`${url}/held`);
      expect(await untilStatus('a held request', url, ({ held }) => held === 1)).toMatchObject({
        phase: 'paused',
        reason: 'upgrade',
      });
      expect(backend.seen()).toEqual(['/passes']);
      await backend.kill();
      await backend.start();
      expect(await text(`${url}/_antract/disable?wait=10s`)).toContain('Pause is disabled. 1 ');
      const { status, body } = await answer;
      expect([status, JSON.parse(body)]).toEqual([200, expect.objectContaining({ url: '/held' })]);
      expect(backend.journal().map((entry) => entry.url)).toEqual(['/passes', '/held']);
      await untilStatus('running', url, ({ phase }) => phase === 'running');
    },
    INSTALL_TIME,
  );
});

describe('the example for Express in the README', () => {
  it(
    'runs as it is, and its status says that the backend is down once it was killed',
    async () => {
      const [, section = ''] = (await readFile(join(ROOT, 'README.md'), 'utf8')).split(
        '\n## In your own app\n',
      );
      const [, packages = ''] = /^npm install antract (.*)$/m.exec(section) ?? [];
      const [, code = ''] = /```js\n(.*?)```/s.exec(section) ?? [];
      const versions: Record<string, string> = {
        ...manifest.dependencies,
        ...manifest.devDependencies,
      };
      const folder = await installed(
        'readme',
        ...packages.split(' ').map((name) => `${name}@${versions[name]}`),
      );
      const backend = await startBackend();
      const file = join(folder, 'readme.mjs');
      const ports = code.replaceAll('127.0.0.1:3000', `127.0.0.1:${backend.port}`);
      const listens = "app.listen(8082, '127.0.0.1');";
      expect([ports === code, ports.includes(listens)]).toEqual([false, true]);
      const tellsPort =
        "const it = app.listen(0, '127.0.0.1', () => process.send({ port: it.address().port }));";
      await writeFile(file, ports.replace(listens, tellsPort));
      const url = await start(file);

      expect(JSON.parse(await text(`${url}/shop`))).toMatchObject({ url: '/shop' });
      await backend.kill();
      expect((await request(`${url}/shop`)).status).toBe(504);
      const status = await untilStatus(
        'backend down',
        url,
        ({ backend: { state } }) => state === 'down',
      );
      expect(status.backend.reason).toBe('ECONNREFUSED');
      expect(await text(`${url}/_antract/status?app=default`)).toContain(
        'The backend is down: connection refused (ECONNREFUSED).',
      );
      await backend.start();
      await untilStatus('backend up', url, ({ backend: { state } }) => state === 'up');
    },
    INSTALL_TIME,
  );
});
