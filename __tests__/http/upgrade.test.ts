import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { WebSocket, WebSocketServer } from 'ws';
import {
  createAntract,
  type Antract,
  type AntractOptions,
  type UpgradeListener,
} from '../../lib/index.ts';
import { createCertificate } from '../support/certificate.ts';
import { connect, readUntil } from '../support/http.ts';
import { nextEvent, untilHeld } from '../support/next-event.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { until } from '../support/eventually.ts';

const HANDSHAKE =
  'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

const WITH_BODY = HANDSHAKE.replace('\r\n\r\n', '\r\nContent-Length: 13\r\n\r\nbody and ');

/** Node 26 hands the body out with the request, older ones with the socket. */
const echoBody: UpgradeListener = (req, socket, head) => {
  let body = head.toString();
  const take = (chunk: Buffer): void => {
    body += chunk.toString();
    if (body.endsWith('rest')) socket.write(`HTTP/1.1 101 Switching Protocols\r\n\r\n${body}.`);
  };
  req.on('data', take);
  if (socket === req.socket) socket.on('data', take);
  take(Buffer.alloc(0));
};

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

interface Site {
  antract: Antract;
  port: number;
  url: string;
  wss: WebSocketServer;
  /** Sockets that the handler was given. */
  handed: Duplex[];
  /** All that the server has accepted. */
  accepted: Socket[];
  held(count: number): Promise<void>;
}

/** A server with a WebSocket echo behind its gate. */
async function start(options: AntractOptions = {}): Promise<Site> {
  const antract = createAntract({ logger: silentLogger, ...options });
  const wss = new WebSocketServer({ noServer: true });
  const handed: Duplex[] = [];
  wss.on('connection', (client, req) => {
    client.send(`held ${String(req.headers['x-antract-held-ms'])}`);
    client.on('message', (data: Buffer) => client.send(data));
  });
  const server = http.createServer();
  const accepted: Socket[] = [];
  server.on('connection', (socket) => accepted.push(socket));
  server.on(
    'upgrade',
    antract.upgrade((req, socket, head) => {
      handed.push(socket);
      wss.handleUpgrade(req, socket, head, (client) => wss.emit('connection', client, req));
    }),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  cleanUps.push(async () => {
    for (const client of wss.clients) client.terminate();
    server.closeAllConnections();
    server.close();
    await antract.close();
  });
  const held = (count: number): Promise<void> => untilHeld(antract, count);
  return { antract, port, url: `ws://127.0.0.1:${port}/chat`, wss, handed, accepted, held };
}

/** A server whose handler is the test's own. */
async function startWith(
  listener: UpgradeListener,
  options: AntractOptions = {},
  server: http.Server = http.createServer(),
): Promise<Pick<Site, 'antract' | 'port'> & { thrown: unknown[] }> {
  const antract = createAntract({ logger: silentLogger, ...options });
  const upgrade = antract.upgrade(listener);
  const thrown: unknown[] = [];
  server.on('upgrade', (req, socket, head) => {
    try {
      upgrade(req, socket, head);
    } catch (error) {
      thrown.push(error);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(async () => {
    server.closeAllConnections();
    server.close();
    await antract.close();
  });
  return { antract, port: (server.address() as AddressInfo).port, thrown };
}

async function shake(port: number, head = HANDSHAKE): Promise<Socket> {
  const socket = await connect(port);
  cleanUps.unshift(() => socket.destroy());
  socket.write(head);
  return socket;
}

const isDone = (antract: Antract): boolean => antract.status().inFlight === 0;

function dial(site: Pick<Site, 'url'>): WebSocket {
  const client = new WebSocket(site.url, { rejectUnauthorized: false });
  client.on('error', () => undefined);
  cleanUps.push(() => client.terminate());
  return client;
}

const message = async (client: WebSocket): Promise<string> => {
  const [data] = (await once(client, 'message')) as [Buffer];
  return data.toString();
};

describe('an upgrade while running', () => {
  it('passes, and counts as in flight and as long-lived until it closes', async () => {
    const site = await start();
    const client = dial(site);
    expect(await message(client)).toBe('held undefined');
    expect(site.antract.status()).toMatchObject({ inFlight: 1, longLived: 1 });
    client.close();
    await until(() => isDone(site.antract));
  });

  it.each(['wait', 'ignore'] as const)(
    'is no longer tracked once it is open, when a drain would %s',
    async (longLived) => {
      const site = await start({ longLived });
      await message(dial(site));
      expect(site.handed[0]?.write).toBe(net.Socket.prototype.write);
    },
  );

  it('whose handler throws is closed, and no longer in flight', async () => {
    const { antract, port, thrown } = await startWith(() => {
      throw new Error('no');
    });
    const socket = await shake(port);
    await once(socket.resume(), 'close');
    expect(thrown).toEqual([new Error('no')]);
    await until(() => isDone(antract));
  });

  it('with a body passes every byte of it to the handler', async () => {
    const { port } = await startWith(echoBody);
    const socket = await shake(port, WITH_BODY);
    socket.write('rest');
    expect(await readUntil(socket, (text) => text.includes('.'))).toContain('body and rest.');
  });
});

describe('an upgrade that is pipelined behind another request', () => {
  it('reaches the handler after the response to that request, without an idle timeout', async () => {
    const order: string[] = [];
    let answer = (): void => undefined;
    const server = http.createServer({ keepAliveTimeout: 5000 }, (_req, res) => {
      answer = () => {
        order.push('response');
        res.end('first.');
      };
    });
    let timeout: number | undefined;
    const { port } = await startWith(
      (req, socket) => {
        order.push('handshake');
        ({ timeout } = req.socket);
        socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n');
      },
      {},
      server,
    );
    const reported = once(server, 'upgrade');
    const client = await shake(port, `GET / HTTP/1.1\r\nHost: a\r\n\r\n${HANDSHAKE}`);
    await reported;
    answer();
    const text = await readUntil(client, (all) => all.includes(' 101 '));
    expect(text.indexOf('first.')).toBeLessThan(text.indexOf(' 101 '));
    expect(order).toEqual(['response', 'handshake']);
    expect(timeout ?? 0).toBe(0);
  });

  it('is rejected after the response to that request while its app is stopped', async () => {
    const server = http.createServer((_req, res) => void setImmediate(() => res.end('first.')));
    const { antract, port, thrown } = await startWith(() => undefined, {}, server);
    await antract.stop();
    const client = await shake(port, `GET / HTTP/1.1\r\nHost: a\r\n\r\n${HANDSHAKE}`);
    const text = await readUntil(client, (all) => all.includes('ERR_ANTRACT_STOPPED'));

    expect(text).toMatch('first.HTTP/1.1 503 ');
    expect(thrown).toEqual([]);
  });

  it('is dropped when that request had the connection closed', async () => {
    let handed = 0;
    const server = http.createServer((_req, res) => {
      setImmediate(() => {
        res.shouldKeepAlive = false;
        res.end('first.');
      });
    });
    const { antract, port } = await startWith(() => handed++, {}, server);
    const client = await shake(port, `GET / HTTP/1.1\r\nHost: a\r\n\r\n${HANDSHAKE}`);
    await once(client.resume(), 'close');
    expect(handed).toBe(0);
    expect(isDone(antract)).toBe(true);
  });
});

describe('a held upgrade', () => {
  it('reaches the handler after the pause, with the bytes that the client had sent early', async () => {
    const site = await start();
    await site.antract.enable();
    const socket = await connect(site.port);
    socket.write(HANDSHAKE);
    await site.held(1);
    // A masked text frame: "hi", with a key of zeros.
    socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
    expect(site.handed).toHaveLength(0);
    await site.antract.disable();
    const text = await readUntil(socket, (all) => all.includes('hi'));
    expect(text).toMatch(/^HTTP\/1\.1 101 /);
    expect(text).toMatch(/held \d+/);
  });

  it.each([
    ['ends its side', (socket: Socket) => socket.end()],
    ['resets', (socket: Socket) => socket.resetAndDestroy()],
    ['closes', (socket: Socket) => socket.destroy()],
  ])('is removed when its client %s, and never reaches the handler', async (_name, leave) => {
    const site = await start();
    await site.antract.enable();
    const socket = await connect(site.port);
    socket.write(HANDSHAKE);
    await site.held(1);
    const abandoned = nextEvent(site.antract, 'abandoned');
    // Jest hides what would end any other process: an error without a listener.
    expect(site.accepted[0]?.listenerCount('error')).toBeGreaterThan(0);
    leave(socket);
    expect(await abandoned).toMatchObject([{ path: '/chat' }]);
    await site.antract.disable();
    await new Promise(setImmediate);
    expect(site.handed).toHaveLength(0);
    expect(site.antract.status()).toMatchObject({ held: 0, inFlight: 0 });
  });

  it('with a body loses no byte of it', async () => {
    const { antract, port } = await startWith(echoBody);
    await antract.enable();
    const socket = await shake(port, WITH_BODY);
    await nextEvent(antract, 'held');
    // What is read by mistake has been read when another connection has been answered.
    await readUntil(await shake(port, 'NONSENSE\r\n\r\n'), (text) => text.includes('400'));
    await antract.disable();
    socket.write('rest');
    expect(await readUntil(socket, (text) => text.includes('.'))).toContain('body and rest.');
  });

  it('with a body can be rejected', async () => {
    const { antract, port } = await startWith(echoBody);
    await antract.stop();
    const socket = await shake(port, WITH_BODY);
    const closed = once(socket, 'close');
    expect(await readUntil(socket, (text) => text.includes('}'))).toContain('ERR_ANTRACT_STOPPED');
    await closed;
  });

  it('that sends too many bytes early is rejected', async () => {
    const site = await start();
    await site.antract.enable();
    const rejected = nextEvent(site.antract, 'rejected');
    const socket = await shake(site.port);
    await site.held(1);
    socket.write(Buffer.alloc(200_000));
    expect(await rejected).toMatchObject([{ reason: 'too-large' }]);
    expect(site.antract.status().held).toBe(0);
    await once(socket.resume(), 'close');
    expect(site.handed).toHaveLength(0);
  });

  it('to another protocol is held as well', async () => {
    const { antract, port } = await startWith((_req, socket, head) =>
      socket.write(`got ${head.toString()}.`),
    );
    await antract.enable();
    const socket = await shake(port, HANDSHAKE.replace('websocket', 'other'));
    await nextEvent(antract, 'held');
    socket.write('early');
    await readUntil(await shake(port, 'NONSENSE\r\n\r\n'), (text) => text.includes('400'));
    await antract.disable();
    expect(await readUntil(socket, (text) => text.includes('.'))).toBe('got early.');
  });

  it('over TLS is held as well', async () => {
    const server = https.createServer(createCertificate());
    const wss = new WebSocketServer({ noServer: true });
    const { antract, port } = await startWith(
      (req, socket, head) => wss.handleUpgrade(req, socket, head, (client) => client.send('hi')),
      { longLived: 'close' },
      server,
    );
    await antract.enable();
    const client = dial({ url: `wss://127.0.0.1:${port}/chat` });
    await nextEvent(antract, 'held');
    await antract.disable();
    expect(await message(client)).toBe('hi');
    const closed = once(client, 'close');
    await antract.enable();
    expect((await closed)[0]).toBe(1012);
    expect(await antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    // And one that leaves, and one that is refused.
    const other = dial({ url: `wss://127.0.0.1:${port}/chat` });
    await nextEvent(antract, 'held');
    const abandoned = nextEvent(antract, 'abandoned');
    other.terminate();
    await abandoned;
    const third = dial({ url: `wss://127.0.0.1:${port}/chat` });
    await nextEvent(antract, 'held');
    const refused = once(third, 'unexpected-response') as Promise<[unknown, http.IncomingMessage]>;
    await antract.stop();
    expect((await refused)[1].statusCode).toBe(503);
  });

  it('slows a release down when the backend answers with an error, and not otherwise', async () => {
    for (const [status, next] of [
      [503, 1],
      [400, 4],
    ] as const) {
      const handed: Duplex[] = [];
      let tell!: () => void;
      const areTwo = new Promise<void>((resolve) => (tell = resolve));
      const { antract, port } = await startWith(
        (_req, socket) => {
          if (handed.push(socket) === 2) tell();
        },
        { release: { strategy: 'slow-start', initial: 2 } },
      );
      cleanUps.unshift(() => handed.forEach((socket) => socket.destroy()));
      await antract.enable();
      for (let i = 0; i < 6; i++) (await connect(port)).write(HANDSHAKE);
      while (antract.status().held < 6) await nextEvent(antract, 'held');
      await antract.disable();
      await areTwo;
      for (const socket of handed) socket.write(`HTTP/1.1 ${status} Refused\r\n\r\n`);
      // One turn for the first release, and one for those that follow it.
      for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
      expect(antract.status().held).toBe(4 - next);
    }
  });

  it('waits in the same queue as requests', async () => {
    const site = await start({ release: { concurrency: 1 } });
    await site.antract.enable();
    const clients = [dial(site)];
    await site.held(1);
    clients.push(dial(site));
    await site.held(2);
    await site.antract.disable();
    // The first one's place is free as soon as its handshake is answered.
    await Promise.all(clients.map((client) => once(client, 'open')));
  });

  it.each([
    [
      'a stop',
      {},
      (site: Site) => site.antract.stop('default', { message: 'Gone fishing.' }),
      'STOPPED',
    ],
    ['its longest hold', { maxWait: 50 }, () => undefined, 'HOLD_TIMEOUT'],
    ['a shutdown', {}, (site: Site) => site.antract.close(), 'SHUTDOWN'],
  ])('is answered with 503 on %s', async (_name, options, act, code) => {
    const site = await start(options);
    await site.antract.enable();
    const socket = await connect(site.port);
    const ended = once(socket, 'end');
    socket.write(HANDSHAKE);
    await nextEvent(site.antract, 'held');
    await act(site);
    const text = await readUntil(socket, (all) => all.includes('}'));
    expect(text).toMatch(/^HTTP\/1\.1 503 /);
    expect(text).toContain('Retry-After: ');
    expect(text).toContain(`ERR_ANTRACT_${code}`);
    await ended;
    expect(site.handed).toHaveLength(0);
  });
});

describe('an upgrade during a pause', () => {
  it.each([
    ['the health check path', '/up', 'websocket'],
    ['a path that matches a health check', '/live/db?x', 'websocket'],
    ['the health check path, for h2c', '/up', 'h2c'],
    ['the admin path', '/_antract/status', 'websocket'],
    ['the admin path itself', '/_antract', 'websocket'],
  ])('is held also on %s', async (_name, path, protocol) => {
    for (const answerHealthChecks of [false, true]) {
      const { antract, port, held, handed } = await start({
        healthCheckPath: ['/up', /^\/live/],
        answerHealthChecks,
      });
      await antract.enable();
      const head = HANDSHAKE.replace('/chat', path).replace('websocket', protocol);
      await shake(port, head);
      await held(1);
      expect(handed).toEqual([]);
      await antract.disable();
      await until(() => handed.length === 1);
    }
  });

  it("passes for a health check path, a privileged user agent and the user's function", async () => {
    const options: AntractOptions[] = [
      { privilegedUserAgent: 'ops' },
      { bypass: (req) => req.headers['user-agent'] === 'ops' },
    ];
    for (const option of options) {
      const { antract, port, handed } = await start({ healthCheckPath: '/up', ...option });
      await antract.enable();
      await shake(
        port,
        HANDSHAKE.replace('/chat', '/up').replace('Host', 'User-Agent: ops\r\nHost'),
      );
      await until(() => handed.length === 1);
      expect(antract.status()).toMatchObject({ held: 0, inFlight: 0 });
    }
  });

  it('passes a pause of writes, as its handshake is a GET', async () => {
    const { antract, port, handed } = await start();
    await antract.enable('default', { only: 'writes' });
    await shake(port);
    await until(() => handed.length === 1);
  });
});

describe('a drain with open WebSockets', () => {
  it('waits for them by default', async () => {
    const site = await start();
    const client = dial(site);
    await message(client);
    await site.antract.enable();
    expect(site.antract.status()).toMatchObject({
      phase: 'pausing',
      stragglers: [{ path: '/chat' }],
    });
    const drained = site.antract.waitForDrain();
    client.close();
    expect(await drained).toMatchObject({ outcome: 'drained' });
  });

  it('ignores them with `longLived` set to ignore', async () => {
    const site = await start({ longLived: 'ignore' });
    const client = dial(site);
    await message(client);
    await site.antract.enable();
    expect(await site.antract.waitForDrain()).toMatchObject({ outcome: 'drained', stragglers: [] });
    expect(site.antract.status()).toMatchObject({ phase: 'paused', inFlight: 1, longLived: 1 });
    client.send('still there');
    expect(await message(client)).toBe('still there');
  });

  it('closes them with 1012 with `longLived` set to close, and clients reconnect', async () => {
    const site = await start({ longLived: 'close' });
    const client = dial(site);
    await message(client);
    const closed = once(client, 'close');
    await site.antract.enable();
    const [code, reason] = (await closed) as [number, Buffer];
    expect([code, reason.toString()]).toEqual([1012, 'service restart']);
    expect(await site.antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    const again = dial(site);
    await site.held(1);
    await site.antract.disable();
    expect(await message(again)).toMatch(/^held \d+$/);
  });

  it('does not close in the middle of a message', async () => {
    const site = await start({ longLived: 'close' });
    const client = dial(site);
    await message(client);
    const [server] = [...site.wss.clients];
    const raw = site.handed[0] as Duplex;
    raw.write(Buffer.from([0x82, 5, 1, 2]));
    const closed = once(client, 'close');
    const whole = once(client, 'message');
    await site.antract.enable();
    raw.write(Buffer.from([3, 4, 5]));
    expect([...((await whole)[0] as Buffer)]).toEqual([1, 2, 3, 4, 5]);
    server?.send('too late');
    expect((await closed)[0]).toBe(1012);
  });

  it('ends the connection of a client that does not answer the close frame', async () => {
    const site = await start({ longLived: 'close' });
    const socket = net.connect(site.port, '127.0.0.1');
    cleanUps.push(() => socket.destroy());
    socket.on('error', () => undefined);
    socket.write(HANDSHAKE);
    await readUntil(socket, (all) => all.includes('held'));
    socket.pause();
    await site.antract.enable();
    expect(await site.antract.waitForDrain()).toMatchObject({
      outcome: 'drained',
    });
  });

  it('waits for the answer to a handshake, and closes then', async () => {
    const sockets: Duplex[] = [];
    const { antract, port } = await startWith(
      (_req, socket) => {
        sockets.push(socket);
        socket.on('data', () => socket.end());
      },
      { longLived: 'close' },
    );
    const socket = await shake(port);
    await until(() => sockets.length > 0);
    await antract.enable();
    expect(antract.status()).toMatchObject({
      phase: 'pausing',
      longLived: 0,
      stragglers: [{ path: '/chat' }],
    });
    const drained = antract.waitForDrain();
    sockets[0]?.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
    const text = await readUntil(socket, (all) => all.includes('service restart'));
    expect(text).toMatch(/^HTTP\/1\.1 101 [^]*\r\n\r\n\x88/);
    socket.end(Buffer.from([0x88, 0x80, 0, 0, 0, 0]));
    expect(await drained).toMatchObject({ outcome: 'drained' });
  });

  it('sends nothing after the close frame, and calls back as if it had', async () => {
    const sockets: Duplex[] = [];
    const { antract, port } = await startWith(
      (_req, socket) => {
        sockets.push(socket);
        socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
      },
      { longLived: 'close' },
    );
    const socket = await shake(port);
    const text = readUntil(socket, (all) => all.includes('service restart'));
    await until(() => antract.status().longLived === 1);
    await antract.enable();
    const frame = Buffer.from([0x81, 1, 65]);
    let calledAtOnce = true;
    const written = new Promise((resolve) => {
      sockets[0]?.write(frame, () => resolve(calledAtOnce));
    });
    calledAtOnce = false;
    expect(await written).toBe(false);
    expect((await text).split('\r\n\r\n').at(-1)).toBe(
      `${String.fromCharCode(0x88, 0x11, 0x03, 0xf4)}service restart`,
    );
    const ended = once(socket, 'end');
    let more = '';
    socket.on('data', (chunk: Buffer) => (more += chunk.toString()));
    sockets[0]?.end();
    await ended;
    expect(more).toBe('');
  });

  it('closes one whose handshake bypassed the pause, as soon as it is open', async () => {
    const site = await start({
      longLived: 'close',
      maxWait: 50,
      onMaxWait: 'release',
      release: { concurrency: 1 },
    });
    await site.antract.enable();
    const client = dial(site);
    expect((await once(client, 'close'))[0]).toBe(1012);
    expect(await site.antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    expect(site.handed).toHaveLength(1);
  });

  it('sends the complete answer to a rejected handshake', async () => {
    const sockets: Duplex[] = [];
    const { antract, port } = await startWith((_req, socket) => void sockets.push(socket), {
      longLived: 'close',
    });
    const socket = await shake(port);
    await until(() => sockets.length > 0);
    sockets[0]?.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nwh');
    await antract.enable();
    expect(antract.status()).toMatchObject({ phase: 'pausing', longLived: 0 });
    const answer = readUntil(socket, (all) => all.endsWith('who?'));
    sockets[0]?.end('o?');
    expect(await answer).toMatch(/^HTTP\/1\.1 401 /);
    socket.end();
    expect(await antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
  });

  it('closes a connection of another protocol after the data that was written', async () => {
    const { antract, port } = await startWith(
      (_req, socket) => void socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\nhi'),
      { longLived: 'close' },
    );
    const socket = await shake(port, HANDSHAKE.replace('websocket', 'other'));
    await readUntil(socket, (all) => all.endsWith('hi'));
    expect(antract.status()).toMatchObject({ inFlight: 1, longLived: 1 });
    const ended = once(socket, 'end');
    socket.on('data', (chunk: Buffer) => expect(chunk.toString()).toBe(''));
    await antract.enable();
    await ended;
    expect(await antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
  });

  it('does not wait for the rest of a message that does not come', async () => {
    const site = await start({ longLived: 'close' });
    const client = dial(site);
    await message(client);
    site.handed[0]?.write(Buffer.from([0x82, 5, 1, 2]));
    const closed = once(client, 'close');
    await site.antract.enable();
    expect(await site.antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    expect((await closed)[0]).toBe(1006);
  });

  it('leaves no connection of a proxy behind', async () => {
    const backend = await start();
    const towardsBackend: Socket[] = [];
    const proxy = createProxyMiddleware({
      target: backend.url.replace('ws:', 'http:'),
      on: { open: (socket: Socket) => void towardsBackend.push(socket) },
    });
    const { antract, port } = await startWith(
      (req, socket, head) => proxy.upgrade(req, socket, head),
      { longLived: 'close' },
    );
    const client = dial({ url: `ws://127.0.0.1:${port}/chat` });
    await message(client);
    const closed = Promise.all([
      once(client, 'close'),
      ...towardsBackend.map((socket) => once(socket, 'close')),
    ]);
    await antract.enable();
    expect(await antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    expect(towardsBackend).toHaveLength(1);
    expect((await closed)[0]?.[0]).toBe(1012);
  });
});

describe('a WebSocket handshake at a server without an upgrade listener', () => {
  const kinds: [string, (server: http.Server) => void, string, number][] = [
    ['is warned of once', () => undefined, HANDSHAKE, 1],
    [
      'is no problem where there is a listener',
      (server) => server.on('upgrade', answer),
      HANDSHAKE,
      0,
    ],
    ['is not meant by another protocol', () => undefined, HANDSHAKE.replace('websocket', 'h2c'), 0],
  ];

  function answer(_req: http.IncomingMessage, socket: Duplex): void {
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone');
  }

  it.each(kinds)('%s', async (_what, prepare, sent, times) => {
    const warnings: string[] = [];
    const antract = createAntract({
      logger: { ...silentLogger, warn: (message) => void warnings.push(message) },
    });
    const pause = antract.pause();
    const server = http.createServer((req, res) => pause(req, res, () => res.end('done')));
    prepare(server);
    server.listen(0, '127.0.0.1');
    cleanUps.push(() => server.close().closeAllConnections());
    cleanUps.push(() => antract.close());
    await once(server, 'listening');
    for (let i = 0; i < 2; i++) {
      const socket = await connect((server.address() as AddressInfo).port);
      socket.write(sent);
      await readUntil(socket, (text) => text.endsWith('done'));
      socket.destroy();
    }
    const handshakes = warnings.filter((warning) => warning.startsWith('WRN_ANTRACT_HANDSHAKE: '));
    expect(handshakes).toHaveLength(times);
  });
});
