/** WebSockets through the gateway, and other wishes to upgrade. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { killBackends, startBackend } from '../support/backend.ts';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, connect, listen, readUntil, request } from '../support/http.ts';
import { nextEvent } from '../support/next-event.ts';

afterEach(async () => {
  await closeGateways();
  await killBackends();
  await closeAll();
});

/** Sends everything back; `connected` tells of each handshake. */
async function echoBackend(name = 'echo', port = 0) {
  const { server, url } = await listen((_req, res) => res.end(name), port);
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => {
    socket.on('message', (data) => socket.send(`${name}: ${String(data)}`));
  });
  return { server, url, sockets };
}

/** Accepts handshakes and never answers them. `left` resolves when a connection ends. */
async function silentBackend() {
  const { server, url } = await listen((_req, res) => res.end('ok'));
  const left = new Promise<void>((resolve) => {
    server.on('upgrade', (_req, socket) => {
      socket
        .on('error', () => undefined)
        .on('end', () => socket.end())
        .on('close', resolve)
        .resume();
    });
  });
  return { server, url, left };
}

const HANDSHAKE =
  'Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

function webSocket(url: string, headers: Record<string, string> = {}): WebSocket {
  const socket = new WebSocket(url.replace('http:', 'ws:'), { headers });
  socket.on('error', () => undefined);
  return socket;
}

describe('a WebSocket through the gateway', () => {
  it('is passed to the app of its host, in both directions', async () => {
    const [shop, blog] = await Promise.all([echoBackend('shop'), echoBackend('blog')]);
    const { url } = await openGateway({
      apps: { 'shop.example': { target: shop.url }, 'blog.example': { target: blog.url } },
    });
    const client = webSocket(url, { host: 'blog.example' });
    await once(client, 'open');
    client.send('hello');
    expect(String((await once(client, 'message'))[0])).toBe('blog: hello');
    client.close();
    await once(client, 'close');
  });

  it('has the same X-Forwarded headers as other requests, and can not forge them', async () => {
    const backend = await echoBackend();
    const connected = once(backend.sockets, 'connection');
    const { url } = await openGateway({ target: backend.url });
    const client = webSocket(url, { 'X-Forwarded-For': '192.0.2.1', 'X-Antract-Held-Ms': '1' });
    const [, req] = (await connected) as [unknown, IncomingMessage];
    expect(req.headers).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
    });
    expect(req.headers).not.toHaveProperty('x-antract-held-ms');
    client.terminate();
  });

  it('is held during a pause on the health check path, whatever it sends early', async () => {
    const backend = await echoBackend();
    const connected = once(backend.sockets, 'connection');
    const { port, antract } = await openGateway({ target: backend.url, healthCheckPath: '/up' });
    await antract.enable();
    const client = await connect(port);
    client.write(`GET /up HTTP/1.1\r\n${HANDSHAKE}\x81\x85\0\0\0\0write`, 'latin1');
    while (antract.status().held === 0) await nextEvent(antract, 'held');
    expect(backend.sockets.clients.size).toBe(0);
    await antract.disable();
    const [socket] = (await connected) as [WebSocket];
    expect(String((await once(socket, 'message'))[0])).toBe('write');
  });

  it('never reaches the backend on the admin path', async () => {
    const backend = await echoBackend();
    const { port, antract } = await openGateway({ target: backend.url });
    for (const pause of [false, true]) {
      if (pause) await antract.enable();
      const client = await connect(port);
      client.write(`GET /_antract/status HTTP/1.1\r\n${HANDSHAKE}`);
      expect(await readUntil(client, (text) => text.includes('\r\n\r\n'))).toMatch(
        /^HTTP\/1.1 421 /,
      );
    }
    expect(backend.sockets.clients.size).toBe(0);
  });

  it('whose backend is killed is closed at the client', async () => {
    const backend = await echoBackend();
    const { url } = await openGateway({ target: backend.url });
    const client = webSocket(url);
    await once(client, 'open');
    const closed = once(client, 'close');
    for (const socket of backend.sockets.clients)
      (socket as unknown as { _socket: Socket })._socket.resetAndDestroy();
    expect((await closed)[0]).toBe(1006);
  });

  it('whose client resets the connection is closed at the backend', async () => {
    const backend = await echoBackend();
    const connected = once(backend.sockets, 'connection');
    const { url } = await openGateway({ target: backend.url });
    const client = webSocket(url);
    const [socket] = (await connected) as [WebSocket];
    await once(client, 'open');
    const closed = once(socket, 'close');
    (client as unknown as { _socket: Socket })._socket.resetAndDestroy();
    await closed;
  });

  it('is answered with 502 or 504 when the backend does not answer', async () => {
    const backend = await startBackend();
    await backend.kill();
    const silent = await silentBackend();
    for (const [target, status] of [
      [backend.url, 502],
      [silent.url, 504],
    ] as const) {
      const { port } = await openGateway({ target, proxyTimeout: 100, holdOnOutage: 0 });
      const socket = await connect(port);
      const closed = once(socket, 'close');
      socket.write(`GET / HTTP/1.1\r\n${HANDSHAKE}`);
      expect(await readUntil(socket, (text) => text.includes('"code"'))).toMatch(
        `HTTP/1.1 ${status} `,
      );
      await closed;
    }
  });

  it('without a connection to the backend waits for the backend, and keeps its early data', async () => {
    const backend = await startBackend();
    await backend.kill();
    const gateway = await openGateway({ target: backend.url });
    const socket = await connect(gateway.port);
    // A frame that is sent ahead of the answer, in two parts: "early", masked by zeros.
    const frame = Buffer.from([0x81, 0x85, 0, 0, 0, 0, ...Buffer.from('early')]);
    socket.write(`GET / HTTP/1.1\r\n${HANDSHAKE}`);
    socket.write(frame.subarray(0, 3));
    await nextEvent(gateway.antract, 'held');
    socket.write(frame.subarray(3));
    expect(gateway.antract.status()).toMatchObject({
      phase: 'releasing',
      held: 1,
      probe: { unplanned: true },
    });
    const echo = await echoBackend('echo', backend.port);
    const text = await readUntil(socket, (all) => all.includes('early'));
    expect(text).toMatch(/^HTTP\/1\.1 101 [^]*echo: early$/);
    expect(echo.sockets.clients.size).toBe(1);
    expect(gateway.antract.status()).toMatchObject({ held: 0, inFlight: 1, longLived: 1 });
    socket.destroy();
  });

  it('that is requeued many times has no additional listeners', async () => {
    const backend = await startBackend();
    await backend.kill();
    const gateway = await openGateway({ target: backend.url, probe: { check: () => true } });
    const socket = await connect(gateway.port);
    const counts: number[] = [];
    gateway.server.once('upgrade', (_req, client: Socket) => {
      gateway.antract.on('held', () => {
        const names = client.eventNames();
        counts.push(names.reduce((sum, name) => sum + client.listenerCount(name), 0));
      });
    });
    socket.write(`GET / HTTP/1.1\r\n${HANDSHAKE}`);
    while (counts.length < 3) await nextEvent(gateway.antract, 'held');
    expect(counts).toEqual(counts.map(() => counts[0]));
    socket.destroy();
    await nextEvent(gateway.antract, 'abandoned');
    expect(gateway.antract.status()).toMatchObject({ held: 0, inFlight: 0 });
  });

  it('that the backend rejects gets the response of the backend', async () => {
    const { server, url: target } = await listen(() => undefined);
    server.on('upgrade', (_req, socket) => {
      socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\nConnection: close\r\n\r\nwho?');
    });
    const { url } = await openGateway({ target });
    const client = webSocket(url);
    const [, res] = (await once(client, 'unexpected-response')) as [unknown, IncomingMessage];
    expect(res.statusCode).toBe(401);
  });

  it('for a host that no app has, or for the admin path, reaches no backend', async () => {
    const backend = await echoBackend();
    const reached: unknown[] = [];
    backend.server.on('upgrade', (req: IncomingMessage) => reached.push(req.url));
    const { port } = await openGateway({ apps: { 'shop.example': { target: backend.url } } });
    for (const path of ['/', '/_antract/status']) {
      const socket = await connect(port);
      socket.write(`GET ${path} HTTP/1.1\r\n${HANDSHAKE}`);
      expect(await readUntil(socket, (text) => text.includes('"code"'))).toMatch('HTTP/1.1 421 ');
      if (!socket.closed) await once(socket, 'close');
    }
    expect(reached).toEqual([]);
  });

  it('whose socket fails while it is rejected causes no error', async () => {
    const { port, server, url } = await openGateway({
      apps: { 'shop.example': { target: 'http://127.0.0.1:9' } },
    });
    server.on('upgrade', (_req, socket) => socket.emit('error', new Error('ECONNRESET')));
    const socket = await connect(port);
    socket.write(`GET / HTTP/1.1\r\n${HANDSHAKE}`);
    await once(socket.resume(), 'close');
    expect((await request(url)).status).toBe(421);
  });

  it('whose client resets during the handshake causes no error', async () => {
    const silent = await silentBackend();
    const { port, url } = await openGateway({ target: silent.url });
    const arrived = once(silent.server, 'upgrade');
    const socket = await connect(port);
    socket.write(`GET / HTTP/1.1\r\n${HANDSHAKE}`);
    await arrived;
    socket.resetAndDestroy();
    await silent.left;
    expect((await request(url)).status).toBe(200);
  });
});

describe('an upgrade to another protocol', () => {
  it('is ignored, and the request is answered as usual', async () => {
    const backend = await listen(async (req, res) => {
      let bytes = 0;
      for await (const chunk of req) bytes += (chunk as Buffer).length;
      res.end(`${req.method} ${req.url} ${bytes} ${String(req.headers.upgrade)}\n`);
    });
    const { port } = await openGateway({ target: backend.url });
    const socket = await connect(port);
    const wish =
      'Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n';
    socket.write(`POST /a HTTP/1.1\r\n${wish}Content-Length: 100000\r\n\r\n${'x'.repeat(50_000)}`);
    socket.write('x'.repeat(50_000));
    await readUntil(socket, (text) => text.includes('POST /a 100000 undefined\n'));
    socket.write(`GET /b HTTP/1.1\r\n${wish}\r\n`);
    await readUntil(socket, (text) => text.includes('GET /b 0 undefined\n'));
  });

  it('is ignored together with its option in Connection, and the client can still ask to close', async () => {
    const backend = await listen((req, res) => res.end(`${String(req.headers['x-hop'])}\n`));
    const { port } = await openGateway({ target: backend.url });
    const socket = await connect(port);
    socket.write(
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, X-Hop, close\r\nUpgrade: h2c\r\nX-Hop: 1\r\n\r\n',
    );
    const closed = once(socket, 'close');
    expect(await readUntil(socket, (text) => text.includes('undefined\n'))).toMatch(' 200 ');
    await closed;
  });

  it('is ignored in a pipelined request, and the responses arrive in order', async () => {
    const backend = await listen((req, res) => void setImmediate(() => res.end(`${req.url}\n`)));
    const { port } = await openGateway({ target: backend.url });
    const socket = await connect(port);
    const wish = 'Host: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n';
    socket.write(
      `GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n` +
        `GET /3 HTTP/1.1\r\n${wish}GET /4 HTTP/1.1\r\n${wish}GET /5 HTTP/1.1\r\nHost: x\r\n\r\n`,
    );
    const text = await readUntil(socket, (all) => all.includes('/5\n'));
    expect(text.match(/^\/\d$/gm)).toEqual(['/1', '/2', '/3', '/4', '/5']);
  });
});

describe('a WebSocket handshake that is pipelined behind another request', () => {
  const first = 'GET /first HTTP/1.1\r\nHost: x\r\n\r\n';

  it('is rejected after the response to that request, and the gateway keeps running', async () => {
    const { port, url } = await openGateway({ target: (await echoBackend()).url });
    const socket = await connect(port);
    socket.write(`${first}GET /_antract/status HTTP/1.1\r\n${HANDSHAKE}`);
    const text = await readUntil(socket, (all) => all.includes('"code"'));
    expect(text.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 421']);
    expect((await request(url)).status).toBe(200);
  });

  it('is answered after the response to that request, and keeps its early data', async () => {
    const { port } = await openGateway({ target: (await echoBackend()).url });
    const socket = await connect(port);
    // A masked text frame: hi.
    const frame = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]);
    socket.write(`${first}GET / HTTP/1.1\r\n${HANDSHAKE}`);
    socket.write(frame);
    const text = await readUntil(socket, (all) => all.includes('echo: hi'));
    expect(text.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 101']);
    socket.destroy();
  });

  it('does not hide that its client disconnects while that request is held', async () => {
    const { antract, port } = await openGateway({ target: (await echoBackend()).url });
    await antract.enable();
    const held = nextEvent(antract, 'held');
    const socket = await connect(port);
    socket.write(`${first}GET / HTTP/1.1\r\n${HANDSHAKE}`);
    await held;
    const abandoned = nextEvent(antract, 'abandoned');
    socket.end();
    await abandoned;
    expect(antract.status()).toMatchObject({ held: 0, inFlight: 0 });
  });
});
