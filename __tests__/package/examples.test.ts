/**
 * The examples, and the one in the README, beside the packed tarball, as npm installs them in an empty
 * folder. Each runs as a process of its own.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import http, { type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { io, type Socket } from 'socket.io-client';
import { killBackends, startBackend, type Backend } from '../support/backend.ts';
import {
  examples,
  installExamples,
  Program,
  startExample,
  stopPrograms,
} from '../support/examples.ts';
import { freePort } from '../support/free-port.ts';
import { request } from '../support/http.ts';
import { devDependency, pack, ROOT, run } from '../support/packed.ts';
import { describeWithRedis, startRedis, stopRedis } from '../support/redis.ts';

// The machine may be busy with other tests.
jest.setTimeout(60_000);

let work: string;
let folder: string;
let express4: string;

beforeAll(async () => {
  work = await realpath(await mkdtemp(join(tmpdir(), 'antract-examples-')));
  const { tarball } = await pack(work);
  folder = join(work, 'all');
  await installExamples(folder, tarball, [...examples.keys()], devDependency('@types/node'));
  express4 = join(work, 'express4');
  await installExamples(express4, tarball, ['express'], devDependency('express4'));
}, 360_000);

afterEach(async () => {
  const ends = await stopPrograms();
  await killBackends();
  await stopRedis();
  // Nest ends itself by the signal that it got.
  expect(ends.filter((end) => end !== 0 && end !== 'SIGTERM')).toEqual([]);
});

afterAll(async () => {
  await rm(work, { recursive: true, force: true });
});

const start = (name: string, env?: Record<string, string>) => startExample(folder, name, env);

const asDatabase = ({ port }: Backend) => ({ DATABASE: `127.0.0.1:${port}` });
const asTarget = ({ url }: Backend) => ({ TARGET: url });

it('Express 4 is installed where the example for it runs', async () => {
  const file = join(express4, 'node_modules/express/package.json');
  expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({
    version: expect.stringMatching(/^4/),
  });
});

describe.each([
  ['Express 5', 'express', asTarget, () => folder],
  ['Express 4', 'express', asTarget, () => express4],
  ['node:http', 'node-http', asDatabase, () => folder],
  ['Fastify', 'fastify', asDatabase, () => folder],
  ['Koa', 'koa', asDatabase, () => folder],
  ['Hono', 'hono', asDatabase, () => folder],
  ['Nest', 'nest', asDatabase, () => folder],
])('the example for %s', (_name, name, env, where) => {
  it('holds a request until its backend is back, and the admin endpoints name their paths', async () => {
    const backend = await startBackend();
    const app = await startExample(where(), name, env(backend));
    expect(await request(`${app.url}/`)).toMatchObject({ status: 200 });
    for (const path of ['/_antract', '/_antract/']) {
      expect(await app.text(path)).toContain('\n/_antract/enable');
    }

    await app.pause();
    const answer = request(`${app.url}/?held`);
    await app.untilStatus('it is held', ({ held }) => held === 1);
    await backend.kill();
    expect(await app.text('/_antract/disable')).toContain('Pause is disabled. 1 ');
    await app.untilStatus('the backend is down', ({ backend: { state } }) => state === 'down');
    await backend.start();
    const { status, body } = await answer;
    // The proxy passes the header on to the backend, which answers with all headers.
    expect(body).toMatch(/for [1-9]\d* ms|"x-antract-held-ms":"[1-9]/);
    expect(status).toBe(200);
    if (env === asTarget) expect(backend.journal().map(({ url }) => url)).toEqual(['/', '/?held']);
    await app.untilStatus('running', ({ phase }) => phase === 'running');
  });
});

it('the example for Express has a backend to try', async () => {
  const app = await start('express');
  expect(await app.text('/')).toContain('held this request for 0 ms');
});

it('the example for Express in the README names its packages, and says that a killed backend is down', async () => {
  const [, section = ''] = (await readFile(join(ROOT, 'README.md'), 'utf8')).split(
    '\n## In your own app\n',
  );
  const [, packages = ''] = /^npm install (.*)$/m.exec(section) ?? [];
  const [, code = ''] = /```js\n(.*?)```/s.exec(section) ?? [];
  const imported = [...code.matchAll(/from '(.*)'/g)].map(([, name]) => name);
  expect(new Set(packages.split(' '))).toEqual(new Set(imported));
  const backend = await startBackend();
  const ports = code.replaceAll('127.0.0.1:3000', `127.0.0.1:${backend.port}`);
  const listens = "app.listen(8082, '127.0.0.1');";
  expect([ports === code, ports.includes(listens)]).toEqual([false, true]);
  const tellsPort =
    "const it = app.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${it.address().port}`));";
  await writeFile(join(folder, 'readme.mjs'), ports.replace(listens, tellsPort));
  const app = await Program.start(join(folder, 'readme.mjs'));

  expect(JSON.parse(await app.text('/shop'))).toMatchObject({ url: '/shop' });
  await backend.kill();
  expect((await request(`${app.url}/shop`)).status).toBe(504);
  const { reason } = (await app.untilStatus('down', ({ backend: { state } }) => state === 'down'))
    .backend;
  expect(reason).toBe('ECONNREFUSED');
  expect(await app.text('/_antract/status?app=default')).toContain(
    'The backend is down: connection refused (ECONNREFUSED).',
  );
  await backend.start();
  await app.untilStatus('up', ({ backend: { state } }) => state === 'up');
});

describe('the example for Socket.IO', () => {
  const clients: Socket[] = [];
  afterEach(() => clients.splice(0).forEach((client) => client.disconnect()));

  const event = (client: Socket, name: 'connect' | 'disconnect'): Promise<void> =>
    new Promise((resolve) => void client.once(name, () => resolve()));

  const connect = async (app: Program, transports: string[]): Promise<Socket> => {
    const client = io(app.url, { transports, reconnectionDelay: 10, forceNew: true });
    clients.push(client);
    await event(client, 'connect');
    return client;
  };

  it('closes connections for a drain, and delivers after it what its clients say during the pause', async () => {
    const app = await start('socket.io');
    const polling = await connect(app, ['polling']);
    const webSocket = await connect(app, ['websocket']);
    const left = Promise.all([polling, webSocket].map((client) => event(client, 'disconnect')));
    await app.pause();
    await left;
    // The one that polls may also try to end its old session.
    await app.untilStatus('both clients reconnect', ({ held }) => held >= 2);
    const acknowledged = webSocket.emitWithAck('say', 'during');
    const connected = event(polling, 'connect');
    await app.text('/_antract/disable');
    await Promise.all([acknowledged, connected]);
    const said = new Promise((resolve) => {
      polling.on('said', (text) => text === 'after' && resolve(text));
    });
    await webSocket.emitWithAck('say', 'after');
    expect(await said).toBe('after');
  });
});

/** Opens an event stream. */
async function openEvents(
  app: Program,
  headers: http.OutgoingHttpHeaders = {},
): Promise<AsyncIterator<string>> {
  const req = http.get(`${app.url}/events`, { agent: false, headers });
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  const data = async function* () {
    for await (const line of createInterface({ input: res })) {
      if (line.startsWith('data: ')) yield line.slice('data: '.length);
    }
  };
  return data();
}

it('the example for server-sent events ends its streams for a drain, and a client that reconnects misses no event', async () => {
  const app = await start('server-sent-events');
  const send = (text: string) =>
    request(`${app.url}/events`, {
      method: 'POST',
      headers: { 'Content-Type': 'text/plain' },
      body: text,
    });
  const stream = await openEvents(app);
  await send('before');
  expect(await stream.next()).toMatchObject({ value: '"before"' });
  await app.pause();
  expect(await stream.next()).toMatchObject({ done: true });
  const answer = send('during');
  await app.untilStatus('the event is held', ({ held }) => held === 1);
  const again = openEvents(app, { 'Last-Event-ID': 1 });
  await app.untilStatus('the stream is held', ({ held }) => held === 2);
  await app.text('/_antract/disable');
  expect((await answer).body).toBe('event 2\n');
  expect(await (await again).next()).toMatchObject({ value: '"during"' });
  const late = await openEvents(app, { 'Last-Event-ID': 1 });
  expect(await late.next()).toMatchObject({ value: '"during"' });
});

it('the example for uploads gets a file unchanged that arrives during a pause', async () => {
  const app = await start('uploads');
  await app.pause();
  const file = randomBytes(1_000_000);
  const form = new FormData();
  form.set('file', new Blob([file]), 'photo.jpg');
  const answer = fetch(`${app.url}/files`, { method: 'POST', body: form });
  await app.untilStatus('all of it is kept', (status) => status.spooledBytes > file.length);
  await app.text('/_antract/disable');
  const hash = createHash('sha256').update(file).digest('hex');
  expect(await (await answer).text()).toBe(`${hash}  photo.jpg\n`);
});

it('the example for a migration drains the app first, and held requests see the new schema', async () => {
  const app = await start('migration');
  const post = { method: 'POST', headers: { 'Content-Type': 'application/json' } };
  await request(`${app.url}/orders`, { ...post, body: '{ "item": "tea" }' });
  expect(await app.text('/orders')).toBe('[{"id":1,"item":"tea"}]');

  const slow = http.request(`${app.url}/orders`, { ...post, agent: false });
  slow.write('{ "item":');
  await app.untilStatus('an order in flight', ({ inFlight }) => inFlight === 1);
  const migrated = request(`${app.url}/migrate`, { method: 'POST' });
  await app.untilStatus('draining', ({ phase }) => phase === 'pausing');
  const answer = request(`${app.url}/orders`);
  await app.untilStatus('it is held', ({ held }) => held === 1);
  slow.end(' "jam" }');
  expect((await migrated).body).toBe('migrated\n');
  expect(JSON.parse((await answer).body)).toEqual([
    { id: 1, item: 'tea', status: 'open' },
    { id: 2, item: 'jam', status: 'open' },
  ]);
});

it('the example for node:cluster pauses and resumes both workers', async () => {
  const app = await start('cluster');
  const workers = new Set<string>();
  while (workers.size < 2) workers.add(await app.text('/'));
  await app.pause();
  const answers = [1, 2, 3, 4].map(() => request(`${app.url}/`));
  await app.untilStatus(
    'all are held, and both workers report',
    ({ held, processes }) => held === answers.length && processes?.length === 2,
  );
  await app.text('/_antract/disable');
  for (const { body } of await Promise.all(answers)) expect([...workers]).toContain(body);
});

/** Pauses one process, and resumes the other one. */
async function expectShared(one: Program, other: Program): Promise<void> {
  await one.untilStatus('both processes', (status) => status.processes?.length === 2);
  await one.pause();
  await other.untilStatus('paused', ({ phase }) => phase === 'paused');
  const answer = request(`${other.url}/`);
  await one.untilStatus('it is held', ({ held }) => held === 1);
  await other.text('/_antract/disable');
  expect((await answer).body).toContain('process ');
  await one.untilStatus('running', ({ phase }) => phase === 'running');
}

describeWithRedis('the example for Redis', () => {
  it('shares a pause between two processes', async () => {
    const REDIS_URL = (await startRedis()).url;
    const [one, other] = await Promise.all([
      start('redis', { REDIS_URL }),
      start('redis', { REDIS_URL }),
    ]);
    await expectShared(one, other);
  });
});

describe('the example of a custom store', () => {
  it('shares a pause between two processes', async () => {
    const STORE_PORT = String(await freePort());
    const one = await start('custom-store', { STORE_PORT });
    const other = await start('custom-store', { STORE: `http://127.0.0.1:${STORE_PORT}` });
    await expectShared(one, other);
    // The first process has the store.
    expect(await other.stop()).toBe(0);
  });

  it('keeps the contract', async () => {
    const contract = join(folder, 'custom-store');
    expect(await run(contract, process.execPath, '--test')).toMatch(/ pass [1-9]\d+$/m);
  });
});
