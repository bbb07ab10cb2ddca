/** Backends that are away, break off or fall silent; and clients that leave. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { GatewayConfig } from '../../lib/gateway/server/gateway.ts';
import { killBackends, startBackend } from '../support/backend.ts';
import { eventually, until } from '../support/eventually.ts';
import { closeGateways, openGateway, type OpenGateway } from '../support/gateway.ts';
import { closeAll, connect, listen, readUntil, request } from '../support/http.ts';
import { nextEvent } from '../support/next-event.ts';
import { bareBackend, closeRawBackends } from '../support/raw-backend.ts';

afterEach(async () => {
  await closeGateways();
  await killBackends();
  await closeAll();
  await closeRawBackends();
});

/** The URL of a backend that accepts connections and resets them. */
async function resettingBackend(onConnection = (): void => undefined): Promise<string> {
  const { url } = await bareBackend((socket) => {
    onConnection();
    socket.resetAndDestroy();
  });
  return url;
}

function codeOf(body: string): unknown {
  return (JSON.parse(body) as { code: unknown }).code;
}

/** A gateway whose backend leaves the response to each path to the test. */
async function openUnanswered(proxyTimeout: number, slowApp: { proxyTimeout?: number } = {}) {
  const open = new Map<string, ServerResponse>();
  const { url: target } = await listen((req, res) => void open.set(req.url ?? '', res));
  const apps = { 'slow.example': { target, ...slowApp } };
  const { url } = await openGateway({ target, apps, proxyTimeout });
  return { url, open };
}

/** How a response that has begun ends: complete or cut off. */
async function endOf(res: IncomingMessage): Promise<'complete' | 'cut off'> {
  await new Promise((resolve) =>
    res
      .on('error', () => undefined)
      .on('close', resolve)
      .resume(),
  );
  return res.complete ? 'complete' : 'cut off';
}

describe('a backend that is down, without holdOnOutage', () => {
  it('causes a 502 that reveals nothing about it', async () => {
    const backend = await startBackend();
    await backend.kill();
    const { url } = await openGateway({ target: backend.url, holdOnOutage: 0 });
    const { status, headers, body } = await request(url);
    expect(status).toBe(502);
    expect(headers).toMatchObject({
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
    });
    expect(codeOf(body)).toBe('ERR_ANTRACT_BAD_GATEWAY');
    expect(JSON.stringify(headers) + body).not.toMatch(
      new RegExp(`${backend.port}|ECONN|127\\.0\\.0\\.1| at `),
    );
  });

  it('is used again as soon as it is up, without a command', async () => {
    const backend = await startBackend();
    const { url } = await openGateway({ target: backend.url, holdOnOutage: 0 });
    expect((await request(url)).status).toBe(200);
    await backend.kill();
    expect((await request(url)).status).toBe(502);
    await backend.start();
    expect((await request(url)).status).toBe(200);
  });

  it('causes no failure of the requests that follow a rejected upload on the same connection', async () => {
    const { url } = await openGateway({
      target: await resettingBackend(),
      holdOnOutage: 0,
    });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 3; i++) {
      const { status } = await request(url, {
        method: 'POST',
        body: Buffer.alloc(2_000_000),
        agent,
      });
      expect(status).toBe(502);
    }
    agent.destroy();
  });
});

describe('a backend that refuses connections while its probe succeeds', () => {
  const REFUSALS: [string, (looks: () => void) => Promise<GatewayConfig>][] = [
    [
      'a wrong check',
      async (looks) => {
        const backend = await startBackend();
        await backend.kill();
        return { target: backend.url, probe: { check: () => looks() } };
      },
    ],
    [
      'a backend that resets accepted connections',
      async (looks) => ({
        target: await resettingBackend(looks),
      }),
    ],
  ];

  /** The events about the backend, and how often a request was released. */
  function record({ antract }: OpenGateway): { told: string[]; released: () => number } {
    const told: string[] = [];
    let released = 0;
    for (const event of ['unreachable', 'reachable', 'unhealthy', 'stopped'] as const) {
      antract.on(event, () => told.push(event));
    }
    antract.on('released', () => released++);
    return { told, released: () => released };
  }

  it('has its requests held no longer than holdOnOutage', async () => {
    const backend = await startBackend();
    await backend.kill();
    let looks = 0;
    const probe = { check: () => void looks++ };
    const gateway = await openGateway({ target: backend.url, probe, holdOnOutage: 1500 });
    const { told, released } = record(gateway);
    const since = performance.now();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        request(gateway.url, i % 2 ? {} : { method: 'POST', body: 'x'.repeat(100_000) }),
      ),
    );
    const ms = performance.now() - since;
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 502));
    expect(ms).toBeGreaterThan(1400);
    // After 0, 250, 375 and 562 ms.
    expect(released()).toBeLessThan(100);
    expect(looks).toBeLessThan(10);
    expect(told).toEqual(['unreachable', 'reachable', 'unreachable']);
    // It stays down, and no request waits for it again.
    let held = 0;
    gateway.antract.on('held', () => held++);
    for (let i = 0; i < 5; i++) expect((await request(gateway.url)).status).toBe(502);
    expect(held).toBe(0);
    expect(told).toEqual(['unreachable', 'reachable', 'unreachable']);
  });

  it('and later accepts them is reported as reachable when it has answered', async () => {
    const backend = await startBackend();
    await backend.kill();
    const gateway = await openGateway({ target: backend.url, probe: { check: () => true } });
    const { told, released } = record(gateway);
    const answer = request(gateway.url, { method: 'POST', body: 'x' });
    while (released() < 3) await nextEvent(gateway.antract, 'released');
    await backend.start();
    expect((await answer).status).toBe(200);
    const since = performance.now();
    expect(told).toEqual(['unreachable', 'reachable', 'unreachable', 'reachable']);
    // The next one is trouble of its own.
    await backend.kill();
    const other = request(gateway.url);
    await nextEvent(gateway.antract, 'released');
    const { forMs = 0 } = gateway.antract.status().probe ?? {};
    expect(forMs).toBeLessThanOrEqual(Math.ceil(performance.now() - since));
    await backend.start();
    expect((await other).status).toBe(200);
  });

  it.each(REFUSALS)(
    'after a pause has its requests held as long as is configured: %s',
    async (_what, start) => {
      let looks = 0;
      const config = await start(() => looks++);
      const gateway = await openGateway({
        ...config,
        probe: { ...config.probe, timeout: 2000, onTimeout: 'stop' },
      });
      const { told, released } = record(gateway);
      await gateway.antract.enable();
      const answers = Array.from({ length: 10 }, () => request(gateway.url));
      while (gateway.antract.status().held < 10) await nextEvent(gateway.antract, 'held');
      const since = performance.now();
      await gateway.antract.disable();
      const sawRefusal = (): boolean => {
        const { held, probe } = gateway.antract.status();
        return held === 10 && /refused connection$|^ECONNRESET$/.test(probe?.lastSeen ?? '');
      };
      await eventually('all requests to be held again', sawRefusal);
      expect(gateway.antract.status()).toMatchObject({
        phase: 'releasing',
        probe: { unplanned: false },
      });
      for (const answer of answers) expect((await answer).status).toBe(503);
      const ms = performance.now() - since;
      expect(ms).toBeGreaterThan(1950);
      expect(released()).toBeLessThan(100);
      expect(looks).toBeLessThan(100);
      expect(told).toEqual(['unhealthy', 'stopped']);
    },
  );
});

describe('a backend that closes the connection early', () => {
  it.each([
    ['before it answers', (socket: Socket) => socket.once('data', () => socket.destroy())],
    ['with a reset', (socket: Socket) => socket.once('data', () => socket.resetAndDestroy())],
    [
      'in the middle of the headers',
      (socket: Socket) => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nA: b')),
    ],
    [
      'after something that is not HTTP',
      (socket: Socket) => socket.once('data', () => socket.end('What?\r\n\r\n')),
    ],
  ])('%s causes a 502', async (_when, onConnection) => {
    const backend = await bareBackend(onConnection);
    const { url } = await openGateway({ target: backend.url });
    const { status, body } = await request(url, { method: 'POST', body: 'x' });
    expect(status).toBe(502);
    expect(codeOf(body)).toBe('ERR_ANTRACT_BAD_GATEWAY');
  });

  it.each(['/begin', '/begin?length'])(
    'by SIGKILL in the middle of %s never looks like a complete response',
    async (path) => {
      const backend = await startBackend();
      const { url } = await openGateway({ target: backend.url });
      const client = http.get(`${url}${path}`, { agent: false });
      const [res] = (await once(client, 'response')) as [IncomingMessage];
      const end = endOf(res);
      await backend.kill();
      expect(await end).toBe('cut off');
    },
  );

  it('resets an HTTP/1.0 client, which could take the end for complete', async () => {
    const backend = await startBackend();
    const { port } = await openGateway({ target: backend.url });
    const socket = await connect(port);
    socket.write('GET /begin HTTP/1.0\r\n\r\n');
    await readUntil(socket, (text) => text.includes('the beginning'));
    const failed = once(socket, 'error');
    socket.resume();
    await backend.kill();
    expect(await failed).toMatchObject([{ code: 'ECONNRESET' }]);
  });

  it.each(['1.0', '1.1'])(
    'by a reset of a response without a length never looks like a complete response to an HTTP/%s client',
    async (version) => {
      let backendSocket: Socket | undefined;
      const { url: target } = await bareBackend((socket) => {
        backendSocket = socket;
        socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\nthe beginning'));
      });
      const { port } = await openGateway({ target });
      const socket = await connect(port);
      let received = '';
      socket.on('error', () => undefined).on('data', (chunk) => (received += String(chunk)));
      socket.write(`GET / HTTP/${version}\r\nHost: a\r\n\r\n`);
      await until(() => received.includes('the beginning'));
      const closed = new Promise((resolve) => socket.once('close', resolve));
      backendSocket?.resetAndDestroy();
      // Only chunks show an HTTP/1.1 client that the end is missing without a reset.
      expect(await closed).toBe(version === '1.0');
      expect(received).not.toContain('0\r\n\r\n');
    },
  );
});

describe('a backend that stops sending', () => {
  it('before its response causes a 504', async () => {
    const backend = await startBackend();
    const { url } = await openGateway({ target: backend.url, proxyTimeout: 50 });
    const { status, body } = await request(`${url}/hang`, { method: 'POST', body: 'x' });
    expect(status).toBe(504);
    expect(codeOf(body)).toBe('ERR_ANTRACT_GATEWAY_TIMEOUT');
  });

  it('before the connection is made causes a 504', async () => {
    const backend = await startBackend({ backlog: 1 });
    const { port } = backend;
    backend.freeze();
    // The kernel accepts this many connections for it, and no more.
    const { url } = await openGateway({ target: backend.url, proxyTimeout: 100 });
    await Promise.all([connect(port), connect(port)]);
    expect((await request(url)).status).toBe(504);
  });

  it('after the headers of its response has them passed on at once', async () => {
    const backend = await listen((_req, res) => {
      res.setHeader('Content-Type', 'text/event-stream');
      res.flushHeaders();
    });
    const { url } = await openGateway({ target: backend.url });
    const client = http.get(url, { agent: false }).on('error', () => undefined);
    const [res] = (await once(client, 'response')) as [IncomingMessage];
    expect(res.headers['content-type']).toBe('text/event-stream');
    client.destroy();
  });

  it('within its response may be silent for any time, as event streams are', async () => {
    const { url, open } = await openUnanswered(50);
    const stream = request(`${url}/stream`);
    await until(() => open.has('/stream'));
    open.get('/stream')?.write('first');
    // Longer than the proxyTimeout, because a later request exceeds it meanwhile.
    expect((await request(url)).status).toBe(504);
    open.get('/stream')?.end(' second');
    expect(await stream).toMatchObject({ status: 200, body: 'first second' });
  });

  it('is limited by the proxyTimeout of its app', async () => {
    const { url, open } = await openUnanswered(50, { proxyTimeout: 0 });
    const slow = request(`${url}/slow`, { headers: { host: 'slow.example' } });
    await until(() => open.has('/slow'));
    expect((await request(url)).status).toBe(504);
    open.get('/slow')?.end('late');
    expect(await slow).toMatchObject({ status: 200, body: 'late' });
  });
});

describe('a client that disconnects', () => {
  it('aborts its request at the backend', async () => {
    let left!: () => void;
    const ended = new Promise<void>((resolve) => (left = resolve));
    const backend = await listen((_req, res) => void res.on('close', left));
    const { url } = await openGateway({ target: backend.url });
    const arrived = once(backend.server, 'request');
    const client = http.get(url, { agent: false }).on('error', () => undefined);
    await arrived;
    client.destroy();
    await ended;
  });

  it('aborts its upload at the backend', async () => {
    let aborted!: () => void;
    const ended = new Promise<void>((resolve) => (aborted = resolve));
    const backend = await listen((req) => req.on('error', aborted).resume());
    const { url, antract } = await openGateway({ target: backend.url });
    const arrived = once(backend.server, 'request');
    const client = http.request(url, {
      method: 'POST',
      agent: false,
      headers: { 'Content-Length': 1000 },
    });
    client.on('error', () => undefined).write('some');
    await arrived;
    client.destroy();
    await ended;
    expect(antract.status().inFlight).toBe(0);
  });

  it('while held never reaches the backend', async () => {
    const backend = await startBackend();
    const { url, antract } = await openGateway({ target: backend.url });
    await antract.enable();
    const held = nextEvent(antract, 'held');
    const client = http.get(`${url}/left`, { agent: false }).on('error', () => undefined);
    await held;
    const abandoned = nextEvent(antract, 'abandoned');
    client.destroy();
    await abandoned;
    await antract.disable();
    await request(`${url}/stayed`);
    expect(backend.journal().map((entry) => entry.url)).toEqual(['/stayed']);
  });
});
