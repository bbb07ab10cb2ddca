/**
 * Clients of socket.io and of `ws` ride through a window in which their backend is killed and started
 * again: behind a proxy of one's own, and behind the gateway.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { WebSocket } from 'ws';
import { createAntract, type Antract, type AntractOptions } from '../../lib/index.ts';
import { killBackends, startBackend, type Backend } from '../support/backend.ts';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, listen, request } from '../support/http.ts';
import { nextEvent } from '../support/next-event.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { until } from '../support/eventually.ts';

interface Message {
  message: string;
  transport: string;
  pid: number;
}

interface Front {
  antract: Antract;
  url: string;
}

/** A client that comes back by itself. */
interface Rider {
  name: string;
  /** Resolves when the backend has acknowledged it. */
  say(text: string): Promise<unknown>;
  /** Resolves when its connection ends for the next time. */
  left(): Promise<unknown>;
}

const OPTIONS = {
  logger: silentLogger,
  longLived: 'close',
  isLongLived: '/socket.io/',
} as const satisfies AntractOptions;

const leavers: (() => unknown)[] = [];

afterEach(async () => {
  const left = leavers.splice(0).map((leave) => leave());
  await killBackends();
  await closeGateways();
  await closeAll();
  await Promise.all(left);
});

/** As in the documentation; `/slow` is answered by `finish()`, and not by the backend. */
async function openProxy(backend: Backend, options: AntractOptions = {}) {
  const antract = createAntract({ ...OPTIONS, ...options });
  const proxy = createProxyMiddleware({ target: backend.url });
  const pause = antract.pause();
  let slow: ServerResponse | undefined;
  const { server, url } = await listen((req, res) =>
    pause(req, res, () => {
      if (req.url === '/slow') slow = res;
      else void proxy(req, res);
    }),
  );
  const upgrade = antract.upgrade((req, socket, head) => {
    proxy.upgrade(req, socket, head);
  });
  server.on('upgrade', upgrade);
  return { antract, url, finish: () => void slow?.end() };
}

async function openOurs(backend: Backend): Promise<Front> {
  const { isLongLived } = OPTIONS;
  return openGateway({ target: backend.url, isLongLived });
}

type Emitter = { once(name: string, listener: (...details: unknown[]) => void): unknown };

/** `once()` of `node:events` takes no emitters such as those of socket.io, by its types. */
function event(emitter: unknown, name: string): Promise<unknown> {
  return new Promise((resolve) => void (emitter as Emitter).once(name, resolve));
}

/** Each of them has its connection, or its poll, open. */
async function settled(antract: Antract, count: number): Promise<void> {
  await until(() => antract.status().inFlight === count);
}

function dial(url: string, options: Partial<ManagerOptions & SocketOptions>): Socket {
  const socket = io(url, {
    forceNew: true,
    reconnectionDelay: 10,
    randomizationFactor: 0,
    ...options,
  });
  leavers.push(async () => {
    const { engine } = socket.disconnect().io;
    if (engine.readyState !== 'closed') await event(engine, 'close');
  });
  return socket;
}

async function rideSocketIo(url: string, name: string, transports?: string[]): Promise<Rider> {
  const socket = dial(url, transports ? { transports } : {});
  await event(socket, 'connect');
  const { engine } = socket.io;
  // By default it begins with polls, and upgrades, if it has not yet.
  if (!transports && engine.transport.name !== 'websocket') await event(engine, 'upgrade');
  return {
    name,
    say: (text) => socket.emitWithAck('say', `${name}: ${text}`),
    left: () => event(socket, 'disconnect'),
  };
}

async function rideWs(url: string, name: string): Promise<Rider> {
  const waiting = new Map<string, () => void>();
  let client: WebSocket;
  let left = false;
  const connect = (): void => {
    client = new WebSocket(`${url.replace('http:', 'ws:')}/chat`);
    client.on('open', () => waiting.forEach((_resolve, message) => client.send(message)));
    client.on('message', (data: Buffer) => waiting.get(data.toString())?.());
    client.on('error', () => undefined);
    // The pause between two attempts, as real clients make it.
    client.on('close', () => !left && setTimeout(connect, 10));
  };
  connect();
  leavers.push(() => {
    left = true;
    client.terminate();
  });
  return {
    name,
    async say(text) {
      const message = `${name}: ${text}`;
      const answered = new Promise<void>((resolve) => waiting.set(message, resolve));
      if (client.readyState === WebSocket.OPEN) client.send(message);
      await answered;
      waiting.delete(message);
    },
    left: () => once(client, 'close'),
  };
}

describe.each([
  ["a proxy of one's own", openProxy],
  ['the gateway', openOurs],
])('behind %s', (_name, open: (backend: Backend) => Promise<Front>) => {
  it('clients reconnect after a restart, and each message arrives once', async () => {
    const backend = await startBackend({ script: 'socket-io-backend.mjs' });
    const { antract, url } = await open(backend);
    const riders = await Promise.all([
      rideSocketIo(url, 'polling', ['polling']),
      rideSocketIo(url, 'websocket', ['websocket']),
      rideSocketIo(url, 'upgraded'),
      rideWs(url, 'ws'),
    ]);
    await Promise.all(riders.map((rider) => rider.say('before')));
    await settled(antract, riders.length);
    expect(antract.status()).toMatchObject({ longLived: riders.length });

    const left = riders.map((rider) => rider.left());
    await antract.enable();
    // A poll is answered after 25 s by itself.
    expect(await antract.waitForDrain('default', { timeout: '10s' })).toMatchObject({
      outcome: 'drained',
    });
    await Promise.all(left);
    const during = riders.map((rider) => rider.say('during'));
    await backend.kill();
    await backend.start();
    while (antract.status().held < riders.length) await nextEvent(antract, 'held');
    await antract.disable();
    await Promise.all(during);
    await Promise.all(riders.map((rider) => rider.say('after')));

    const journal = backend.journal<Message>();
    const expected = riders.flatMap(({ name }) =>
      ['before', 'during', 'after'].map((text) => `${name}: ${text}`),
    );
    expect(journal.map(({ message }) => message).sort()).toEqual(expected.sort());
    expect(new Set(journal.map(({ pid }) => pid)).size).toBe(2);
    expect(transportsOf(journal, 'before')).toEqual({
      polling: 'polling',
      websocket: 'websocket',
      upgraded: 'websocket',
      ws: 'ws',
    });
  });
});

function transportsOf(journal: Message[], text: string): Record<string, string> {
  const said = journal.filter(({ message }) => message.endsWith(`: ${text}`));
  return Object.fromEntries(
    said.map(({ message, transport }) => [message.split(':')[0], transport]),
  );
}

describe('a session of long polls', () => {
  it('delays a drain if its path is not in isLongLived', async () => {
    const backend = await startBackend({ script: 'socket-io-backend.mjs' });
    const { antract, url } = await openProxy(backend, { isLongLived: '/elsewhere' });
    const rider = await rideSocketIo(url, 'polling', ['polling']);
    await rider.say('before');
    await settled(antract, 1);
    await antract.enable();
    expect(await antract.waitForDrain('default', { timeout: 100 })).toMatchObject({
      outcome: 'timeout',
      stragglers: [{ method: 'GET', path: '/socket.io/' }],
    });
  });

  it('has its POSTs released in order, after the end of its poll', async () => {
    const backend = await startBackend();
    const { antract, url, finish } = await openProxy(backend, {
      isLongLived: '/hang',
      release: { concurrency: 1 },
    });
    const slow = request(`${url}/slow`);
    const received = backend.received('/hang?poll=1');
    const poll = request(`${url}/hang?poll=1`);
    await received;
    await antract.enable();
    const posts = [];
    for (const n of [1, 2, 3]) {
      const held = nextEvent(antract, 'held');
      posts.push(request(`${url}/session?n=${n}`, { method: 'POST', body: 'x'.repeat(n) }));
      await held;
    }
    finish();
    expect((await slow).status).toBe(200);
    expect(await poll).toMatchObject({
      status: 503,
      headers: { 'retry-after': expect.stringMatching(/^[12]$/) },
    });
    const held = nextEvent(antract, 'held');
    const left = new AbortController();
    const again = request(`${url}/hang?poll=2`, { signal: left.signal });
    await held;
    expect(await antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    await backend.kill();
    await backend.start();
    const arrived = backend.received('/hang?poll=2');
    await antract.disable();
    expect((await Promise.all(posts)).map(({ status }) => status)).toEqual([200, 200, 200]);
    await arrived;
    expect(backend.journal().map(({ method, url: path, bytes }) => [method, path, bytes])).toEqual([
      ['GET', '/hang?poll=1', 0],
      ['POST', '/session?n=1', 1],
      ['POST', '/session?n=2', 2],
      ['POST', '/session?n=3', 3],
      ['GET', '/hang?poll=2', 0],
    ]);
    left.abort();
    await expect(again).rejects.toThrow();
  });

  it.each([
    ['is killed', true],
    ['lives on', false],
  ])('repeats held messages, and each arrives once, if the backend %s', async (_name, kill) => {
    const backend = await startBackend({ script: 'socket-io-backend.mjs' });
    const { antract, url, finish } = await openProxy(backend);
    const socket = dial(url, { transports: ['polling'], retries: 5, ackTimeout: 10_000 });
    const say = (text: string): Promise<unknown> =>
      new Promise((resolve) => void socket.emit('say', text, resolve));
    await say('before');
    const slow = request(`${url}/slow`);
    await settled(antract, 2);
    await antract.enable();
    // The poll lasts as long as an ordinary request, and this waits for it.
    const held = nextEvent(antract, 'held');
    const during = say('during');
    await held;
    const left = event(socket, 'disconnect');
    finish();
    await slow;
    await left;
    expect(await antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    if (kill) {
      await backend.kill();
      await backend.start();
    }
    await antract.disable();
    await during;
    await say('after');
    expect(backend.journal<Message>().map(({ message }) => message)).toEqual([
      'before',
      'during',
      'after',
    ]);
  });
});
