/**
 * A drain in the middle of engine.io's upgrade from polling to WebSocket. The client has been told that
 * the WebSocket works and waits for the end of its poll; the backend is written out here, so that each
 * step of the protocol (https://socket.io/docs/v4/engine-io-protocol/) comes when a test wants it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { io, type Socket } from 'socket.io-client';
import { WebSocketServer, type WebSocket } from 'ws';
import { createAntract, type AntractOptions } from '../../lib/index.ts';
import { closeAll, listen, request } from '../support/http.ts';
import { nextEvent } from '../support/next-event.ts';
import { silentLogger } from '../support/silent-logger.ts';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
  await closeAll();
});

type Emitter = { once(name: string, listener: (...details: unknown[]) => void): unknown };

/** `once()` of `node:events` takes no emitters such as those of socket.io, by its types. */
const event = (emitter: unknown, name: string): Promise<unknown> =>
  new Promise((resolve) => void (emitter as Emitter).once(name, resolve));

/** Values that are put in by one side and awaited by the other. */
class Channel<T> {
  readonly #values: T[] = [];
  readonly #waiting: ((value: T) => void)[] = [];

  put(value: T): void {
    const next = this.#waiting.shift();
    if (next) next(value);
    else this.#values.push(value);
  }

  take(): Promise<T> {
    const value = this.#values.shift();
    return value === undefined
      ? new Promise((resolve) => this.#waiting.push(resolve))
      : Promise.resolve(value);
  }
}

const OPEN = (sid: string): string =>
  `0${JSON.stringify({ sid, upgrades: ['websocket'], pingInterval: 60_000, pingTimeout: 60_000, maxPayload: 1_000_000 })}`;

async function start(options: AntractOptions) {
  const antract = createAntract({ logger: silentLogger, longLived: 'close', ...options });
  cleanUps.push(() => antract.close());
  const pause = antract.pause();
  const polls = new Channel<ServerResponse>();
  const slow = new Channel<ServerResponse>();
  const probes = new Channel<[WebSocket, string]>();
  let sessions = 0;
  const backend = (req: IncomingMessage, res: ServerResponse): void => {
    const { pathname, searchParams } = new URL(req.url ?? '', 'http://localhost');
    if (pathname === '/slow') slow.put(res);
    else if (req.method === 'POST') req.resume().on('end', () => res.end('ok'));
    else if (!searchParams.has('sid')) res.end(OPEN(`s${++sessions}`));
    else polls.put(res);
  };
  const { server, url } = await listen((req, res) => pause(req, res, () => backend(req, res)));
  const wss = new WebSocketServer({ noServer: true });
  const upgrade = antract.upgrade((req, socket, head) =>
    wss.handleUpgrade(req, socket, head, (ws) => {
      ws.once('message', (data: Buffer) => probes.put([ws, data.toString()]));
    }),
  );
  server.on('upgrade', upgrade);
  const socket: Socket = io(url, { forceNew: true, reconnectionDelay: 10 });
  cleanUps.push(() => socket.disconnect());
  const connected = event(socket, 'connect');
  (await polls.take()).end('40{"sid":"x"}');
  await connected;
  const [webSocket, probe] = await probes.take();
  expect(probe).toBe('2probe');
  const poll = await polls.take();
  return { antract, url, socket, webSocket, poll, polls, slow };
}

type Parts = Awaited<ReturnType<typeof start>>;

/** Pauses the app and holds the poll, while an ordinary request is in flight. Returns how to end that. */
async function pauseBehindOrdinary({ antract, url, poll, slow }: Parts) {
  const ordinary = request(`${url}/slow`);
  const response = await slow.take();
  await antract.enable();
  const held = nextEvent(antract, 'held');
  poll.end('6');
  await held;
  return async () => {
    response.end();
    await ordinary;
  };
}

async function upgradeBegins({ socket, webSocket }: Parts): Promise<void> {
  const upgrading = event(socket.io.engine, 'upgrading');
  webSocket.send('3probe');
  await upgrading;
}

async function expectReconnection({ antract, socket, polls }: Parts): Promise<void> {
  const back = event(socket, 'connect');
  await antract.disable();
  (await polls.take()).end('40{"sid":"y"}');
  await back;
}

const POLLS: [string, AntractOptions][] = [
  ['named as long polls', { isLongLived: '/socket.io/?transport=polling' }],
  ['not named', {}],
];

describe.each(POLLS)('a drain during an engine.io upgrade whose polls are %s', (_name, options) => {
  it('lets a client reconnect whose poll is held', async () => {
    const parts = await start(options);
    const { antract, socket } = parts;
    const endOrdinary = await pauseBehindOrdinary(parts);
    await upgradeBegins(parts);
    const left = event(socket, 'disconnect');
    await endOrdinary();
    expect(await antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    await left;
    await expectReconnection(parts);
  });

  it('lets a client reconnect whose poll is held when the backend ends the WebSocket', async () => {
    const parts = await start(options);
    const { socket, webSocket } = parts;
    const endOrdinary = await pauseBehindOrdinary(parts);
    await upgradeBegins(parts);
    const left = event(socket, 'disconnect');
    webSocket.close(1001);
    await left;
    await endOrdinary();
    await expectReconnection(parts);
  });

  it('lets a client reconnect whose poll ends with the drain', async () => {
    const parts = await start(options);
    const { antract, socket, poll } = parts;
    await upgradeBegins(parts);
    const left = event(socket, 'disconnect');
    await antract.enable();
    if (!poll.writableEnded && !poll.destroyed) poll.end('6');
    expect(await antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    await left;
    await expectReconnection(parts);
  });

  it('lets a client reconnect that learns of the end of its poll late', async () => {
    const parts = await start(options);
    const { antract, socket, poll } = parts;
    // The backend answers, and what it has answered takes longer than the frame on the other connection.
    await upgradeBegins(parts);
    const { engine } = socket.io;
    const left = event(socket, 'disconnect');
    const transport = engine.transport as unknown as {
      emitReserved(name: string, ...details: unknown[]): unknown;
    };
    // Real time, because the end of the poll is late to the client's own code, which has no other clock.
    const emit = transport.emitReserved.bind(transport);
    transport.emitReserved = (name, ...details) =>
      name === 'pollComplete'
        ? setTimeout(() => emit(name, ...details), 100)
        : emit(name, ...details);
    await antract.enable();
    if (!poll.writableEnded && !poll.destroyed) poll.end('6');
    expect(await antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    await left;
    await expectReconnection(parts);
  });
});
