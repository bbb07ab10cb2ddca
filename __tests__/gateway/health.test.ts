/** How the gateway sees that a backend answers, what it takes back, and what it says meanwhile. */
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import dns from 'node:dns';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { WebSocket, WebSocketServer } from 'ws';
import type { GatewayConfig } from '../../lib/gateway/server/gateway.ts';
import { httpCheck } from '../../lib/probe/backend-probe.ts';
import { MemoryStore } from '../../lib/stores/memory-store.ts';
import { killBackends, startBackend, type Backend } from '../support/backend.ts';
import { createCertificate } from '../support/certificate.ts';
import { freePort } from '../support/free-port.ts';
import { closeGateways, openGateway, type OpenGateway } from '../support/gateway.ts';
import { closeAll, listen, readUntil, connect, request } from '../support/http.ts';
import { closeRawBackends, rawBackend, SWITCHING_PROTOCOLS } from '../support/raw-backend.ts';
import { until } from '../support/eventually.ts';
import { watchListeners } from '../support/warnings.ts';
import { nextEvent, untilHeld } from '../support/next-event.ts';

const servers: Server[] = [];

afterEach(async () => {
  jest.restoreAllMocks();
  await closeGateways();
  await killBackends();
  await closeAll();
  await closeRawBackends();
  for (const server of servers.splice(0)) server.close();
});

/** Listens on an address that was free a moment ago. */
async function open(server: Server, where: net.ListenOptions): Promise<void> {
  servers.push(server);
  server.listen(where);
  await once(server, 'listening');
}

interface Echo {
  method: string;
  bytes: number;
  headers: http.IncomingHttpHeaders;
}

/** A backend that says what it got. */
function echo(): http.Server {
  return http.createServer(async (req, res) => {
    let bytes = 0;
    for await (const chunk of req) bytes += (chunk as Buffer).length;
    res.end(JSON.stringify({ method: req.method, bytes, headers: req.headers }));
  });
}

describe('a request for which no connection could be made', () => {
  it('is sent when the backend is up, with its complete body and its original headers', async () => {
    const port = await freePort();
    const gateway = await openGateway({ target: `http://127.0.0.1:${port}`, trustForwarded: true });
    const body = Buffer.alloc(3_000_000, 'x');
    const answers = ['POST', 'DELETE', 'GET'].map((method) =>
      request(gateway.url, {
        method,
        ...(method === 'POST' && { body }),
        headers: { 'X-Forwarded-For': '192.0.2.1' },
      }),
    );
    await untilHeld(gateway.antract, 3);
    await open(echo(), { port, host: '127.0.0.1' });
    for (const { status, body: got, headers } of await Promise.all(answers)) {
      expect(status).toBe(200);
      expect(headers['server-timing']).toMatch(/^antract;dur=\d+$/);
      const { method, bytes, headers: sent } = JSON.parse(got) as Echo;
      expect([method, bytes]).toEqual([method, method === 'POST' ? body.length : 0]);
      expect(sent).toMatchObject({ 'x-forwarded-for': '192.0.2.1, 127.0.0.1' });
      expect(sent['x-antract-held-ms']).toMatch(/^\d+$/);
    }
  });

  it('is never sent if its client disconnects while held', async () => {
    const backend = await startBackend();
    await backend.kill();
    const gateway = await openGateway({ target: backend.url });
    const client = http.get(`${gateway.url}/left`, { agent: false }).on('error', () => undefined);
    await untilHeld(gateway.antract, 1);
    client.destroy();
    await nextEvent(gateway.antract, 'abandoned');
    expect(gateway.antract.status()).toMatchObject({ held: 0, inFlight: 0 });
    await backend.start();
    await nextEvent(gateway.antract, 'reachable');
    expect((await request(`${gateway.url}/stayed`)).status).toBe(200);
    expect(backend.seen()).toEqual(['/stayed']);
  });

  it('fails with 502 after holdOnOutage, and so do others until the backend answers', async () => {
    const backend = await startBackend();
    await backend.kill();
    const lines: string[] = [];
    const gateway = await openGateway({
      target: backend.url,
      holdOnOutage: 300,
      accessLog: { write: (text: string) => void lines.push(text) },
      accessLogFormat: 'json',
    });
    const [first, second] = await Promise.all([request(gateway.url), request(gateway.url)]);
    expect([first.status, second.status]).toEqual([502, 502]);
    expect(JSON.parse(first.body)).toMatchObject({ code: 'ERR_ANTRACT_BAD_GATEWAY' });
    let heldAgain = 0;
    gateway.antract.on('held', () => heldAgain++);
    expect((await request(gateway.url)).status).toBe(502);
    expect(heldAgain).toBe(0);
    expect(gateway.antract.status()).toMatchObject({
      phase: 'running',
      probe: { lastSeen: 'ECONNREFUSED', unplanned: true },
    });
    await gateway.close();
    expect(lines.join('')).toMatch('"status":502,"error":"ECONNREFUSED"');
  });

  it('stays held if the app is paused in the meantime', async () => {
    const port = await freePort();
    const gateway = await openGateway({ target: `http://127.0.0.1:${port}` });
    const answer = request(gateway.url, { method: 'POST', body: 'x' });
    await untilHeld(gateway.antract, 1);
    await gateway.antract.enable();
    await open(echo(), { port, host: '127.0.0.1' });
    expect(gateway.antract.status()).toMatchObject({ phase: 'paused', held: 1, probe: null });
    await gateway.antract.disable();
    expect((await answer).status).toBe(200);
  });

  it('is requeued for a target on a Unix socket too', async () => {
    const socketPath = path.join(tmpdir(), `antract-test-${process.pid}.sock`);
    const gateway = await openGateway({ target: `unix:${socketPath}` });
    const answer = request(gateway.url, { method: 'POST', body: Buffer.alloc(100_000) });
    await untilHeld(gateway.antract, 1);
    await open(echo(), { path: socketPath });
    expect(JSON.parse((await answer).body)).toMatchObject({ method: 'POST', bytes: 100_000 });
  });

  it('is sent only when TLS is established, and is requeued if the backend does not speak TLS', async () => {
    const { cert, key } = createCertificate();
    let resets = 2;
    const port = await freePort();
    // The first ones end within the handshake.
    const front = net.createServer((socket) => {
      socket.on('error', () => undefined);
      if (resets-- > 0) socket.once('data', () => socket.resetAndDestroy());
      else tls.emit('connection', socket);
    });
    const tls = https.createServer({ cert, key }, (req, res) => void req.pipe(res));
    await open(front, { port, host: '127.0.0.1' });
    const gateway = await openGateway({ target: `https://127.0.0.1:${port}`, insecure: true });
    const body = 'x'.repeat(200_000);
    expect(await request(gateway.url, { method: 'POST', body })).toMatchObject({
      status: 200,
      body,
    });
  });

  it('because of a wrong certificate fails at once', async () => {
    const { cert, key } = createCertificate();
    const backend = https.createServer({ cert, key }, (_req, res) => res.end());
    await open(backend, { port: 0, host: '127.0.0.1' });
    const { port } = backend.address() as AddressInfo;
    const { url, antract } = await openGateway({ target: `https://127.0.0.1:${port}` });
    expect((await request(url)).status).toBe(502);
    expect(antract.status().probe).toBeNull();
  });

  it('leaves no listeners of the proxy after many attempts', async () => {
    const port = await freePort();
    const gateway = await openGateway({
      target: `http://127.0.0.1:${port}`,
      // Says yes, and is wrong.
      probe: { check: () => true },
    });
    const warnings = watchListeners();
    const tries: unknown[] = [];
    gateway.antract.on('released', (event) => tries.push(event));
    const arrived = once(gateway.server, 'request');
    const answer = request(gateway.url, { method: 'POST', body: 'x' });
    const [req, res] = (await arrived) as [http.IncomingMessage, http.ServerResponse];
    const held = () => nextEvent(gateway.antract, 'held');
    const counts = (): number[] => [
      ...req.eventNames().map((event) => req.listenerCount(event)),
      ...res.eventNames().map((event) => res.listenerCount(event)),
      ...req.socket.eventNames().map((event) => req.socket.listenerCount(event)),
    ];
    await held();
    await held();
    const before = counts();
    // A pause has no need to ask the probe.
    for (let i = 0; i < 12; i++) {
      await gateway.antract.enable();
      const again = held();
      await gateway.antract.disable();
      await again;
    }
    expect(tries.length).toBeGreaterThan(12);
    expect(counts()).toEqual(before);
    expect(req.listenerCount('error')).toBeLessThanOrEqual(1);
    expect(res.listenerCount('error')).toBeLessThanOrEqual(1);
    await open(echo(), { port, host: '127.0.0.1' });
    expect((await answer).status).toBe(200);
    expect(await warnings.stop()).toEqual([]);
  });
});

describe('a request that may have been processed', () => {
  it.each(['GET', 'POST'])('is not sent twice: %s', async (method) => {
    const seen: string[] = [];
    const backend = await listen((req) => {
      seen.push(req.url ?? '');
      req.socket.resetAndDestroy();
    });
    const gateway = await openGateway({ target: backend.url });
    expect((await request(gateway.url, { method })).status).toBe(502);
    expect(seen).toEqual(['/']);
    expect(gateway.warnings.join()).not.toMatch('WRN_ANTRACT_UNREACHABLE');
    expect(gateway.antract.status().held).toBe(0);
  });
});

describe('an idle connection to a backend', () => {
  it('that has ended is not used again, even before its end was noticed', async () => {
    const backend = await startBackend();
    const { url, port } = await openGateway({ target: backend.url });
    const socket = await connect(port);
    expect((await request(url)).status).toBe(200);
    // It dies, and all that this process, the gateway, finds then is that both have something to say.
    socket.write('GET /again HTTP/1.1\r\nHost: x\r\n\r\n');
    const ended = backend.kill();
    // Real time, because the event loop must not turn until the backend has ended.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    await ended;
    await backend.start();
    expect(await readUntil(socket, (text) => text.includes('\r\n\r\n'))).toMatch('HTTP/1.1 200 ');
    expect(backend.seen()).toEqual(['/', '/again']);
  });

  it('is closed when a connection was refused, and when the app has drained', async () => {
    const connections = new Set<net.Socket>();
    const backend = await listen((_req, res) => res.end());
    backend.server.on('connection', (socket) => {
      connections.add(socket);
      socket.on('close', () => connections.delete(socket));
    });
    const { url, antract } = await openGateway({ target: backend.url });
    await request(url);
    const [socket] = connections;
    const closed = once(socket as net.Socket, 'close');
    await antract.enable();
    await closed;
  });
});

describe('the name of a backend', () => {
  it('is resolved for each connection, because its address may have changed', async () => {
    const here = await listen((_req, res) => res.end('here'));
    const { port } = here;
    const there = http.createServer((_req, res) => res.end('there'));
    await open(there, { port, host: '127.0.0.2' });
    let address = '127.0.0.1';
    const real = dns.lookup;
    jest.spyOn(dns, 'lookup').mockImplementation((name: string, ...rest: unknown[]) => {
      if (name !== 'backend.test') return (real as (...args: unknown[]) => void)(name, ...rest);
      const [{ all }, callback] = rest as [dns.LookupOptions, (...args: unknown[]) => void];
      callback(null, all ? [{ address, family: 4 }] : address, 4);
    });
    const { url, antract } = await openGateway({ target: `http://backend.test:${port}` });
    expect((await request(url)).body).toBe('here');
    await antract.enable();
    address = '127.0.0.2';
    const released = nextEvent(antract, 'released');
    const answer = request(url);
    await nextEvent(antract, 'held');
    await antract.disable();
    await released;
    expect((await answer).body).toBe('there');
  });
});

describe('the probe', () => {
  it('requests the health check path with the headers of a client', async () => {
    let status = 503;
    const asked: http.IncomingHttpHeaders[] = [];
    const backend = await listen((req, res) => {
      if (req.url === '/up') {
        asked.push(req.headers);
        res.statusCode = status;
      }
      res.end();
    });
    const gateway = await openGateway({
      healthCheckPath: [/^\/health/, '/up'],
      apps: { default: { target: backend.url, hosts: ['shop.example'] } },
    });
    await gateway.antract.enable();
    const answer = request(`${gateway.url}/held`);
    await untilHeld(gateway.antract, 1);
    await gateway.antract.disable();
    // The gateway asks once at its start, too.
    while (asked.length < 3) await once(backend.server, 'request');
    expect(gateway.antract.status()).toMatchObject({
      phase: 'releasing',
      held: 1,
      probe: { lastSeen: 'HTTP 503', unplanned: false },
    });
    status = 302;
    expect((await answer).status).toBe(200);
    expect(asked[0]).toMatchObject({ host: 'shop.example', 'user-agent': 'antract' });
  });

  it.each(['/up', '/a//b/', '/%E2%82%AC;v=1', '/@host/up', '/:80/up', '/a:b@c'])(
    'requests the health check path %s unchanged, and only from the target',
    async (healthCheckPath) => {
      const asked: string[] = [];
      const backend = await listen((req, res) => {
        asked.push(`${req.headers.host} ${req.url}`);
        res.end();
      });
      const gateway = await openGateway({ healthCheckPath, target: backend.url });
      await gateway.antract.enable();
      await gateway.antract.disable();
      await gateway.antract.waitForRelease();
      // At the start, and at the release.
      expect(new Set(asked)).toEqual(new Set([`${new URL(backend.url).host} ${healthCheckPath}`]));
    },
  );

  it('can be the user’s own, for all apps or one', async () => {
    const asked: string[] = [];
    const check = (name: string) => ({ check: () => void asked.push(name) });
    const backend = await startBackend();
    const { antract } = await openGateway({
      probe: check('all'),
      apps: { a: { target: backend.url }, b: { target: backend.url, probe: check('b') } },
    });
    for (const app of ['a', 'b']) {
      await antract.enable(app);
      await antract.disable(app);
      await antract.waitForRelease(app);
    }
    expect(asked).toEqual(['all', 'b']);
  });

  it('fails at once when it is answered with 101 Switching Protocols', async () => {
    const { url } = await rawBackend(SWITCHING_PROTOCOLS);
    await expect(httpCheck(new URL(url))(new AbortController().signal)).rejects.toThrow('HTTP 101');
  });

  it('gives up after a time, and then releases or stops', async () => {
    const backend = await startBackend();
    await backend.kill();
    const gateway = await openGateway({
      target: backend.url,
      probe: { timeout: 100, onTimeout: 'stop' },
    });
    await gateway.antract.enable();
    const answer = request(gateway.url);
    await untilHeld(gateway.antract, 1);
    await gateway.antract.disable();
    expect((await answer).status).toBe(503);
    expect(gateway.antract.status().phase).toBe('stopped');
    expect(gateway.warnings.join()).toMatch('WRN_ANTRACT_UNHEALTHY');
  });
});

describe('the pace of a release', () => {
  it('does not wait for a download, an event stream or a WebSocket', async () => {
    const order: string[] = [];
    const backend = await listen((req, res) => {
      order.push(req.url ?? '');
      if (req.url === '/last') {
        res.end('last');
        return;
      }
      res.setHeader('Content-Type', req.url === '/events' ? 'text/event-stream' : 'text/plain');
      res.flushHeaders();
    });
    new WebSocketServer({ server: backend.server }).on('connection', () => order.push('/socket'));
    const gateway = await openGateway({
      target: backend.url,
      release: { concurrency: 1, initial: 1 },
      longLived: 'ignore',
    });
    await gateway.antract.enable();
    const clients = ['/download', '/events'].map((url) => http.get(`${gateway.url}${url}`));
    for (const client of clients) client.on('error', () => undefined);
    await untilHeld(gateway.antract, 2);
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/socket`);
    await untilHeld(gateway.antract, 3);
    const last = request(`${gateway.url}/last`);
    await untilHeld(gateway.antract, 4);
    await gateway.antract.disable();
    expect((await last).body).toBe('last');
    expect(new Set(order)).toEqual(new Set(['/download', '/events', '/socket', '/last']));
    expect(gateway.antract.status()).toMatchObject({ phase: 'running', inFlight: 3 });
    for (const client of clients) client.destroy();
    socket.terminate();
  });
});

describe('disable with wait', () => {
  const admin = (
    gateway: OpenGateway,
    command: string,
  ): Promise<{ status: number; body: string }> =>
    request(`${gateway.url}/_antract/${command}`, { headers: { accept: 'text/plain' } });

  it('answers 200 when the backend answers and no request is held', async () => {
    const backend = await startBackend();
    const gateway = await openGateway({ target: backend.url });
    await gateway.antract.enable();
    await backend.kill();
    const answer = request(gateway.url);
    await untilHeld(gateway.antract, 1);
    const released = admin(gateway, 'disable?wait=1m');
    await nextEvent(gateway.antract, 'resumed');
    expect((await admin(gateway, 'status')).body).toMatch(
      /^Pause is disabled\. 1 request waits for the backend, for another .* at most\.\nApp default is releasing: 1 held, .*requests wait for the backend for another .* at most.*\n/,
    );
    await backend.start();
    const { status, body } = await released;
    expect(status).toBe(200);
    expect(body).toMatch(
      /^Pause is disabled\. 1 request was held in-flight\.\nReleased after .*: no request is held, and the backend answers\.\nApp default is running: .*\n/,
    );
    expect((await answer).status).toBe(200);
  });

  it('answers 202 with the reason for the wait when its time is over', async () => {
    const backend = await startBackend();
    const gateway = await openGateway({ target: backend.url });
    await gateway.antract.enable();
    await backend.kill();
    const { status, body } = await request(`${gateway.url}/_antract/disable?wait=200ms`, {
      headers: { accept: 'application/json' },
    });
    expect(status).toBe(202);
    expect(JSON.parse(body)).toMatchObject({
      changed: true,
      released: false,
      waitedMs: expect.any(Number),
      held: 0,
      phase: 'releasing',
      probe: { lastSeen: 'ECONNREFUSED', unplanned: false },
    });
  });

  it.each([
    { after: 'a pause', options: { probe: { timeout: 1 } } },
    { after: 'an unplanned hold', options: { holdOnOutage: 1 } },
  ])(
    'does not report a backend as reachable that was given up after $after',
    async ({ options }) => {
      const backend = await startBackend();
      const gateway = await openGateway({ target: backend.url, ...options });
      await backend.kill();
      if (options.holdOnOutage) expect((await request(gateway.url)).status).toBe(502);
      else await gateway.antract.enable();
      const ended: string[] = [];
      const released = admin(gateway, 'disable?wait=1m').finally(() => ended.push('wait'));
      if (options.probe) await nextEvent(gateway.antract, 'unhealthy');
      expect((await admin(gateway, 'status')).body).toMatch(
        /\nApp default is running: .*, backend down for .*\nThe backend is down: connection refused \(ECONNREFUSED\)\.\n/,
      );
      expect((await admin(gateway, 'disable?wait=1ms')).status).toBe(202);
      expect(ended).toEqual([]);
      await backend.start();
      expect((await released).status).toBe(200);
    },
  );

  it('answers 409 when the app is paused again in the meantime', async () => {
    const backend = await startBackend();
    const gateway = await openGateway({ target: backend.url });
    await gateway.antract.enable();
    await backend.kill();
    const released = admin(gateway, 'disable?wait=1m');
    await nextEvent(gateway.antract, 'resumed');
    // The admin endpoint begins to wait for the release after the event.
    await new Promise(setImmediate);
    await gateway.antract.enable();
    expect(await released).toMatchObject({
      status: 409,
      body: expect.stringMatching('ERR_ANTRACT_NOT_RELEASED'),
    });
  });

  it('answers at once when there is nothing to wait for', async () => {
    const backend = await startBackend();
    const gateway = await openGateway({ target: backend.url });
    expect(await admin(gateway, 'disable?wait=1m')).toMatchObject({
      status: 200,
      body: expect.stringMatching(/^Pause is already disabled\.\nReleased after 0 ms/),
    });
  });
});

describe('a backend that dies soon after a pause or stop that held nothing', () => {
  async function resumeAndKill(
    command: 'enable' | 'stop',
    config: Partial<GatewayConfig> = {},
  ): Promise<{ backend: Backend; gateway: OpenGateway }> {
    const backend = await startBackend();
    const gateway = await openGateway({ target: backend.url, holdOnOutage: 300, ...config });
    await gateway.antract[command]();
    await gateway.antract.disable();
    await gateway.antract.waitForRelease();
    await backend.kill();
    return { backend, gateway };
  }

  it.each(['enable', 'stop'] as const)(
    'makes the next request wait for holdOnOutage and not for maxTime (%s)',
    async (command) => {
      const { gateway } = await resumeAndKill(command);
      const answer = request(gateway.url);
      await untilHeld(gateway.antract, 1);
      const { probe } = gateway.antract.status();
      expect(probe?.unplanned).toBe(true);
      expect(probe?.endsInMs).toBeLessThanOrEqual(300);
      expect((await answer).status).toBe(502);
    },
  );

  it('makes the next WebSocket handshake wait for holdOnOutage', async () => {
    const { gateway } = await resumeAndKill('enable');
    const client = new WebSocket(`ws://127.0.0.1:${gateway.port}/`);
    const [error] = (await once(client, 'error')) as [Error];
    expect(error.message).toMatch('502');
  });

  it('makes the next request fail at once without holdOnOutage', async () => {
    const { gateway } = await resumeAndKill('enable', { holdOnOutage: 0 });
    expect((await request(gateway.url)).status).toBe(502);
    expect(gateway.antract.status()).toMatchObject({ phase: 'running', held: 0 });
  });

  it('makes requests wait for holdOnOutage in each process that shares the pause', async () => {
    const store = new MemoryStore();
    const backend = await startBackend();
    const both = await Promise.all(
      [store, new MemoryStore(store)].map((one) =>
        openGateway({ target: backend.url, holdOnOutage: 300, store: one }),
      ),
    );
    await both[0]?.antract.enable();
    await both[0]?.antract.disable();
    for (const { antract } of both) {
      await until(() => antract.status().processes?.every((one) => one.acknowledged) === true);
      await antract.waitForRelease();
    }
    await backend.kill();
    const answers = await Promise.all(both.map(({ url }) => request(url)));
    expect(answers.map(({ status }) => status)).toEqual([502, 502]);
  });

  it('answers a request that the pause has held when it is up, even after holdOnOutage', async () => {
    const backend = await startBackend();
    const gateway = await openGateway({ target: backend.url, holdOnOutage: 1 });
    await gateway.antract.enable();
    const answer = request(gateway.url);
    await untilHeld(gateway.antract, 1);
    await backend.kill();
    await gateway.antract.disable();
    await backend.start();
    expect((await answer).status).toBe(200);
  });
});

describe('the status and events of an unplanned restart', () => {
  it('differ from those of a pause, also at the next restart', async () => {
    const backend = await startBackend();
    const gateway = await openGateway({ target: backend.url });
    const events: string[] = [];
    for (const event of ['paused', 'resumed', 'unreachable', 'reachable'] as const) {
      gateway.antract.on(event, () => events.push(event));
    }
    for (let round = 0; round < 2; round++) {
      await backend.kill();
      const answer = request(gateway.url);
      await untilHeld(gateway.antract, 1);
      const { body } = await request(`${gateway.url}/_antract/status`);
      expect(body).toMatch(
        /^Pause is disabled\. 1 request waits for the backend, for another .* at most\.\nApp default is releasing: 1 held, .*requests wait for the backend for another .* at most.*\nThe app is not paused: requests are held because the backend does not answer\.\n(.*\n)*.*If it does not answer in time, they are rejected\.\n/,
      );
      expect(gateway.antract.status().probe).toMatchObject({ unplanned: true });
      await backend.start();
      expect((await answer).status).toBe(200);
    }
    expect(events).toEqual(['unreachable', 'reachable', 'unreachable', 'reachable']);
    expect(gateway.warnings.join()).toMatch(/WRN_ANTRACT_UNREACHABLE: .*, for up to 10 s\./);
  });
});

describe('a connection that is being made', () => {
  it('is limited by proxyTimeout, and then causes a 504', async () => {
    const backend = await startBackend({ backlog: 1 });
    backend.freeze();
    const { url, antract } = await openGateway({ target: backend.url, proxyTimeout: 100 });
    await Promise.all([connect(backend.port), connect(backend.port)]);
    expect((await request(url)).status).toBe(504);
    expect(antract.status().probe).toBeNull();
  });

  it('causes no error when its client disconnects, or when the gateway is closed', async () => {
    const backend = await startBackend({ backlog: 1 });
    backend.freeze();
    const gateway = await openGateway({ target: backend.url });
    await Promise.all([connect(backend.port), connect(backend.port)]);
    const client = await connect(gateway.port);
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => gateway.antract.status().inFlight === 1);
    client.destroy();
    await until(() => gateway.antract.status().inFlight === 0);
    const other = await connect(gateway.port);
    other.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await gateway.close();
    await readUntil(other, () => true).catch(() => undefined);
  });
});
