/**
 * What becomes of event streams, long polls and WebSockets when a gateway shuts down. Each test leaves a
 * shutdown more time than a test has: what is not ended in order makes its test fail.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { WebSocket, WebSocketServer } from 'ws';
import type { GatewayConfig, LineStream } from '../../lib/gateway/server/gateway.ts';
import { endAll, serve } from '../support/cli.ts';
import { openStream } from '../support/event-stream.ts';
import { closeGateways, openGateway, type OpenGateway } from '../support/gateway.ts';
import { closeAll, connect, listen, readUntil, request } from '../support/http.ts';
import { nextEvent } from '../support/next-event.ts';

afterEach(async () => {
  await endAll();
  await closeGateways();
  await closeAll();
});

const LAST_CHUNK = '\r\n0\r\n\r\n';

/** `/events` is a stream, `/slow` and everything else is answered when the test says so. */
async function start(options: Partial<GatewayConfig> = {}) {
  const open = new Map<string, ServerResponse>();
  let arrived: () => void = () => undefined;
  const backend = await listen((req, res) => {
    const path = req.url ?? '';
    open.set(path, res);
    if (path.startsWith('/events')) {
      res.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: hello\n\n');
    }
    arrived();
  });
  const sockets = new WebSocketServer({ server: backend.server });
  const gateway = await openGateway({ target: backend.url, shutdownTimeout: '10m', ...options });
  const opened = async (path: string): Promise<ServerResponse> => {
    for (;;) {
      const res = open.get(path);
      if (res) return res;
      await new Promise<void>((resolve) => (arrived = resolve));
    }
  };
  return { backend, gateway, opened, sockets };
}

async function get(gateway: OpenGateway, path: string, version = '1.1'): Promise<Socket> {
  const socket = await connect(gateway.port);
  socket.write(
    `GET ${path} HTTP/${version}\r\nHost: a\r\nUser-Agent: probe\r\nAccept: text/event-stream\r\n\r\n`,
  );
  return socket;
}

async function getStream(gateway: OpenGateway, version?: string): Promise<Socket> {
  const socket = await get(gateway, '/events', version);
  await readUntil(socket, (text) => text.includes('data: hello'));
  return socket;
}

/** Everything until the other side ends; rejects where it is reset. */
async function rest(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  const reset = once(socket, 'error');
  await Promise.race([
    once(socket, 'end'),
    reset.then(([error]) => Promise.reject(error as Error)),
  ]);
  return text;
}

async function openWebSocket(gateway: OpenGateway): Promise<WebSocket> {
  const headers = { 'User-Agent': 'probe' };
  const socket = new WebSocket(gateway.url.replace('http', 'ws'), { headers });
  await once(socket, 'open');
  return socket;
}

const POLICIES = ['close', 'wait', 'ignore'] as const;

describe('an event stream, when the gateway shuts down,', () => {
  it.each(POLICIES)('is ended with its last chunk if longLived is `%s`', async (longLived) => {
    const { gateway, opened } = await start({ longLived });
    const stream = await getStream(gateway);
    const backendSees = once(await opened('/events'), 'close');
    const end = rest(stream);
    await gateway.close();
    expect(await end).toBe('0\r\n\r\n');
    await backendSees;
  });

  it('is ended if its request bypassed the pause', async () => {
    const { gateway } = await start({ privilegedUserAgent: 'probe' });
    const end = rest(await getStream(gateway));
    await gateway.close();
    expect(await end).toBe('0\r\n\r\n');
  });

  it('is ended by closing the connection of an HTTP/1.0 client', async () => {
    const { gateway } = await start();
    const end = rest(await getStream(gateway, '1.0'));
    await gateway.close();
    expect(await end).toBe('');
  });

  it('is ended when the ordinary requests have ended', async () => {
    const { gateway, opened } = await start();
    const stream = await getStream(gateway);
    const slow = request(`${gateway.url}/slow`);
    const res = await opened('/slow');
    const closed = gateway.close();
    (await opened('/events')).write('data: still here\n\n');
    await readUntil(stream, (text) => text.includes('still here'));
    const end = rest(stream);
    res.end('done');
    expect(await slow).toMatchObject({ status: 200, body: 'done' });
    expect(await end).toBe('0\r\n\r\n');
    await closed;
  });

  it('is ended in order even if an ordinary request takes too long and is cut off', async () => {
    const { gateway, opened } = await start({ shutdownTimeout: 1200 });
    const stream = await getStream(gateway);
    const slow = request(`${gateway.url}/slow`);
    slow.catch(() => undefined);
    await opened('/slow');
    const end = rest(stream);
    await gateway.close();
    expect(await end).toBe('0\r\n\r\n');
    await expect(slow).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('is ended if its response begins during the shutdown', async () => {
    const { gateway, opened } = await start();
    const stream = await get(gateway, '/later');
    const res = await opened('/later');
    const end = rest(stream);
    const closed = gateway.close();
    res.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: late\n\n');
    expect(await end).toMatch(/data: late\n\n\r\n0\r\n\r\n$/);
    await closed;
  });

  it('is ended if its response begins when an ordinary request has little time left', async () => {
    const { gateway, opened } = await start({ shutdownTimeout: 1000 });
    const stream = await get(gateway, '/later');
    const res = await opened('/later');
    request(`${gateway.url}/slow`).catch(() => undefined);
    await opened('/slow');
    const idle = await connect(gateway.port);
    const end = rest(stream);
    const closed = gateway.close();
    await once(idle.resume(), 'close');
    res.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: late\n\n');
    expect(await end).toMatch(/data: late\n\n\r\n0\r\n\r\n$/);
    await closed;
  });

  it('is ended if its request arrives during the shutdown', async () => {
    const { gateway, opened } = await start();
    // One connection that is still in use, so that a request may follow on it.
    const socket = await get(gateway, '/slow');
    const res = await opened('/slow');
    res.write('the beginning');
    await readUntil(socket, (text) => text.includes('the beginning'));
    const other = request(`${gateway.url}/other`);
    const otherRes = await opened('/other');
    const end = rest(socket);
    socket.write('GET /events HTTP/1.1\r\nHost: a\r\n\r\n');
    const [pipelined] = (await once(gateway.server, 'request')) as [{ url: string }];
    expect(pipelined.url).toBe('/events');
    const closed = gateway.close();
    otherRes.end('ok');
    expect((await other).body).toBe('ok');
    res.end();
    expect(await end).toContain(LAST_CHUNK);
    await closed;
  });

  it('does not delay the shutdown when its client reads nothing', async () => {
    const { gateway, opened } = await start();
    const stream = (await getStream(gateway)).pause();
    const res = await opened('/events');
    const blocked = once(gateway.server, 'request');
    const chunk = `data: ${'x'.repeat(1_000_000)}\n\n`;
    for (let i = 0; i < 32; i++) res.write(chunk);
    // Another round trip through the gateway, by when the stream has stopped.
    const other = request(`${gateway.url}/other`);
    await blocked;
    (await opened('/other')).end('ok');
    await other;
    await gateway.close();
    expect(stream.destroyed).toBe(false);
  });

  it('has a line in the access log with the outcome `answered`', async () => {
    const lines: string[] = [];
    const accessLog: LineStream = { write: (line) => lines.push(line) > 0 };
    const { gateway } = await start({ accessLog });
    const end = rest(await getStream(gateway));
    await gateway.close();
    await end;
    const line = JSON.parse(lines.join('')) as object;
    expect(line).toMatchObject({ path: '/events', status: 200 });
    expect(line).not.toHaveProperty('outcome');
  });
});

describe('an event stream of the admin endpoints, when the gateway shuts down,', () => {
  it.each([
    ['the public server', {}],
    ['a server of their own', { adminListen: '127.0.0.1:0' }],
  ])('is ended with its last chunk on %s', async (_at, at) => {
    const { gateway } = await start(at);
    const stream = await openStream(`${gateway.adminUrl}/events`);
    await stream.next();
    await gateway.close();
    await stream.ended;
    expect(stream.res.complete).toBe(true);
  });
});

describe('a long poll, when the gateway shuts down,', () => {
  it.each(POLICIES)('is answered 503 if longLived is `%s`', async (longLived) => {
    const { gateway, opened } = await start({ longLived, isLongLived: ['/poll'] });
    const poll = request(`${gateway.url}/poll`);
    await opened('/poll');
    await gateway.close();
    const { status, headers, body } = await poll;
    expect(status).toBe(503);
    expect(headers).toMatchObject({
      connection: 'close',
      'retry-after': expect.stringMatching(/^[12]$/),
    });
    expect(body).toContain('ERR_ANTRACT_LONG_POLL');
  });

  it('is recognised by the rule of its own app', async () => {
    const other = await listen(() => undefined);
    const { gateway } = await start({
      apps: { other: { target: other.url, hosts: ['other.test'], isLongLived: ['/poll'] } },
    });
    const poll = request(`${gateway.url}/poll`, { headers: { Host: 'other.test' } });
    await once(other.server, 'request');
    await gateway.close();
    expect((await poll).status).toBe(503);
  });

  it('that is held is answered once', async () => {
    const { gateway } = await start({ isLongLived: ['/poll'] });
    await gateway.antract.enable();
    const held = nextEvent(gateway.antract, 'held');
    const end = rest(await get(gateway, '/poll'));
    await held;
    await gateway.close();
    expect((await end).split('HTTP/1.1 ')).toHaveLength(2);
  });
});

describe('a WebSocket, when the gateway shuts down,', () => {
  it.each(POLICIES)('is closed with 1012 if longLived is `%s`', async (longLived) => {
    const { gateway } = await start({ longLived });
    const closed = once(await openWebSocket(gateway), 'close');
    await gateway.close();
    expect((await closed)[0]).toBe(1012);
  });

  it('is closed with 1012 if its handshake bypassed the pause', async () => {
    const { gateway } = await start({ privilegedUserAgent: 'probe' });
    const closed = once(await openWebSocket(gateway), 'close');
    await gateway.close();
    expect((await closed)[0]).toBe(1012);
  });

  it('is closed with 1012 even if an ordinary request takes too long', async () => {
    const { gateway, opened } = await start({ shutdownTimeout: 1200 });
    const closed = once(await openWebSocket(gateway), 'close');
    request(`${gateway.url}/slow`).catch(() => undefined);
    await opened('/slow');
    await gateway.close();
    expect((await closed)[0]).toBe(1012);
  });

  it('does not delay the shutdown when its client does not answer', async () => {
    const { gateway } = await start();
    const socket = await connect(gateway.port);
    socket.write(
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    await readUntil(socket, (text) => text.includes(' 101 '));
    await gateway.close();
  });

  it('is closed with 1012 if its handshake is answered during the shutdown', async () => {
    const { gateway, backend, sockets } = await start();
    backend.server.removeAllListeners('upgrade');
    const socket = new WebSocket(gateway.url.replace('http', 'ws'));
    const closed = once(socket, 'close');
    const [req, raw, head] = (await once(backend.server, 'upgrade')) as [never, never, never];
    const shutDown = gateway.close();
    sockets.handleUpgrade(req, raw, head, () => undefined);
    expect((await closed)[0]).toBe(1012);
    await shutDown;
  });
});

describe('SIGTERM with an open event stream', () => {
  it.each([[[]], [['--workers', '2']]])(
    'ends the stream with its last chunk and the process with 0: %j',
    async (workers) => {
      const { url } = await listen((_req, res) => {
        res.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: hello\n\n');
      });
      const gateway = await serve(['--target', url, '--shutdown-timeout', '10m', ...workers]);
      const socket = await connect(Number(new URL(gateway.url).port));
      socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await readUntil(socket, (text) => text.includes('hello'));
      const end = rest(socket);
      gateway.cli.signal('SIGTERM');
      expect(await end).toBe('0\r\n\r\n');
      expect(await gateway.cli.exited).toEqual({ code: 0, signal: null });
    },
  );
});
