/** Which request gets which connection to a backend. */
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import dns from 'node:dns';
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import tls from 'node:tls';
import { WebSocket, WebSocketServer } from 'ws';
import { readTarget } from '../../lib/gateway/config/target.ts';
import { BackendConnections } from '../../lib/gateway/proxy/connections/backend-connections.ts';
import { createCertificate } from '../support/certificate.ts';
import { closeGateways, openGateway, type OpenGateway } from '../support/gateway.ts';
import { closeAll, listen, request, type Answer } from '../support/http.ts';
import { bareBackend, closeRawBackends } from '../support/raw-backend.ts';
import { nextEvent } from '../support/next-event.ts';
import { until } from '../support/eventually.ts';

afterEach(async () => {
  jest.restoreAllMocks();
  await closeGateways();
  await closeRawBackends();
  await closeAll();
});

/** A backend that answers only when told to, and lists what it received, connection by connection. */
async function manualBackend() {
  const received: string[] = [];
  const connections: Socket[] = [];
  const responses = new Map<string, ServerResponse>();
  const backend = await listen((req, res) => {
    received.push(req.url ?? '');
    responses.set(req.url ?? '', res);
    backend.server.emit('received');
  });
  backend.server.on('connection', (socket) => connections.push(socket));
  const has = async (path: string): Promise<void> => {
    while (!received.includes(path)) await once(backend.server, 'received');
  };
  const answer = async (path: string): Promise<void> => {
    await has(path);
    responses.get(path)?.end(path);
  };
  return { ...backend, received, connections, has, answer };
}

/** Delays the lookup of `backend.test`, and with it the connection, until `finish` is called. */
function delayLookups() {
  const waiting: ((error?: Error) => void)[] = [];
  const state = { delayed: true };
  const real = dns.lookup;
  jest.spyOn(dns, 'lookup').mockImplementation((name: string, ...rest: unknown[]) => {
    if (name !== 'backend.test') return (real as (...args: unknown[]) => void)(name, ...rest);
    const [{ all }, callback] = rest as [dns.LookupOptions, (...args: unknown[]) => void];
    const finish = (error?: Error): void => {
      if (error) callback(error);
      else callback(null, all ? [{ address: '127.0.0.1', family: 4 }] : '127.0.0.1', 4);
    };
    if (state.delayed) waiting.push(finish);
    else finish();
  });
  return {
    count: () => waiting.length,
    finish: (error?: Error) => waiting.shift()?.(error),
    stop: () => (state.delayed = false),
  };
}

/** A gateway whose first connection is in use by `/first`, and which can't finish any other. */
async function busyGateway(options: { holdOnOutage?: number } = {}) {
  const backend = await manualBackend();
  const lookups = delayLookups();
  const gateway = await openGateway({ target: `http://backend.test:${backend.port}`, ...options });
  const first = request(`${gateway.url}/first`);
  await until(() => lookups.count() === 1);
  lookups.finish();
  await backend.has('/first');
  return { backend, lookups, gateway, first };
}

async function inFlight({ antract }: OpenGateway, count: number): Promise<void> {
  await until(() => antract.status().inFlight === count);
}

const notFound = (): Error =>
  Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });

describe('a request that waits for a new connection', () => {
  it('gets a connection that is freed before any later request does', async () => {
    const { backend, lookups, gateway, first } = await busyGateway();
    const second = request(`${gateway.url}/second`);
    await until(() => lookups.count() === 1);
    const third = request(`${gateway.url}/third`);
    await inFlight(gateway, 3);
    await backend.answer('/first');
    await backend.answer('/second');
    await backend.answer('/third');
    const answers = await Promise.all([first, second, third]);
    expect(answers.map(({ body }) => body)).toEqual(['/first', '/second', '/third']);
    expect(backend.received).toEqual(['/first', '/second', '/third']);
    expect(backend.connections).toHaveLength(1);
  });

  it('leaves its own connection to the next request', async () => {
    const { backend, lookups, gateway, first } = await busyGateway();
    const second = request(`${gateway.url}/second`);
    await until(() => lookups.count() === 1);
    await backend.answer('/first');
    await backend.has('/second');
    // No request waits when the connection is ready.
    lookups.finish();
    await until(() => backend.connections.length === 2);
    const third = request(`${gateway.url}/third`);
    await backend.has('/third');
    expect(lookups.count()).toBe(0);
    await backend.answer('/second');
    await backend.answer('/third');
    const answers = await Promise.all([first, second, third]);
    expect(answers.map(({ body }) => body)).toEqual(['/first', '/second', '/third']);
    expect(backend.connections).toHaveLength(2);
  });

  it('does not fail when its own connection can not be made but another one was freed', async () => {
    const { backend, lookups, gateway, first } = await busyGateway({ holdOnOutage: 0 });
    const second = request(`${gateway.url}/second`);
    await until(() => lookups.count() === 1);
    await backend.answer('/first');
    await backend.has('/second');
    lookups.finish(notFound());
    await backend.answer('/second');
    const statuses = (await Promise.all([first, second])).map(({ status }) => status);
    expect(statuses).toEqual([200, 200]);
  });

  it('fails when its connection can not be made and no other one is on its way', async () => {
    const { backend, lookups, gateway, first } = await busyGateway({ holdOnOutage: 0 });
    const others = ['/second', '/third'].map((path) => request(`${gateway.url}${path}`));
    await until(() => lookups.count() === 2);
    lookups.finish(notFound());
    lookups.finish(notFound());
    const statuses = (await Promise.all(others)).map(({ status }) => status);
    expect(statuses).toEqual([502, 502]);
    await backend.answer('/first');
    expect((await first).status).toBe(200);
  });

  it('leaves the queue when its client disconnects', async () => {
    const { backend, lookups, gateway, first } = await busyGateway();
    const left = http.get(`${gateway.url}/left`, { agent: false }).on('error', () => undefined);
    await until(() => lookups.count() === 1);
    const third = request(`${gateway.url}/third`);
    await until(() => lookups.count() === 2);
    left.destroy();
    await inFlight(gateway, 2);
    await backend.answer('/first');
    await backend.answer('/third');
    const answers = await Promise.all([first, third]);
    expect(answers.map(({ body }) => body)).toEqual(['/first', '/third']);
    expect(backend.received).toEqual(['/first', '/third']);
    await inFlight(gateway, 0);
  });

  it('can be a WebSocket, which keeps its place in the queue', async () => {
    const { backend, lookups, gateway, first } = await busyGateway();
    const order: string[] = [];
    new WebSocketServer({ server: backend.server }).on('connection', () => order.push('socket'));
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/socket`);
    await until(() => lookups.count() === 1);
    const third = request(`${gateway.url}/third`);
    await until(() => lookups.count() === 2);
    await backend.answer('/first');
    await once(socket, 'open');
    expect(backend.received).toEqual(['/first']);
    lookups.finish();
    await backend.answer('/third');
    expect((await Promise.all([first, third])).map(({ status }) => status)).toEqual([200, 200]);
    expect(order).toEqual(['socket']);
    socket.terminate();
  });
});

describe('a WebSocket through the gateway', () => {
  it('makes exactly one connection to the backend', async () => {
    const backend = await manualBackend();
    new WebSocketServer({ server: backend.server });
    const { url } = await openGateway({ target: backend.url });
    const socket = new WebSocket(url.replace('http', 'ws'));
    await once(socket, 'open');
    const answer = request(`${url}/second`);
    await backend.answer('/second');
    await answer;
    // One for the WebSocket, and one for the request.
    expect(backend.connections).toHaveLength(2);
    socket.terminate();
  });
});

describe('a backend that closes its server and then finishes what it has', () => {
  it('ends with its last response, because the gateway keeps no connection to it', async () => {
    const backend = await manualBackend();
    const { server, port } = backend;
    server.keepAliveTimeout = 0; // for no limit
    const { antract, url } = await openGateway({ target: backend.url, holdOnOutage: '1m' });
    const first = request(`${url}/first`);
    await backend.has('/first');
    const closed = once(server, 'close');
    server.close();
    const unreachable = nextEvent(antract, 'unreachable');
    const second = request(`${url}/second`);
    await unreachable;
    await backend.answer('/first');
    await closed;
    server.listen(port, '127.0.0.1');
    await backend.answer('/second');
    expect((await Promise.all([first, second])).map(({ status }) => status)).toEqual([200, 200]);
  });
});

describe('an unused connection to a backend', () => {
  async function spare() {
    const busy = await busyGateway();
    const second = request(`${busy.gateway.url}/second`);
    await until(() => busy.lookups.count() === 1);
    await busy.backend.answer('/first');
    await busy.backend.answer('/second');
    await second;
    busy.lookups.finish();
    await until(() => busy.backend.connections.length === 2);
    return { ...busy, connection: busy.backend.connections[1] as Socket };
  }

  it('is closed when the app is drained', async () => {
    const { connection, gateway } = await spare();
    const closed = once(connection, 'close');
    await gateway.antract.enable();
    await closed;
  });

  it('is closed at once if the app has drained since it was begun', async () => {
    const { backend, lookups, gateway, first } = await busyGateway();
    const left = http.get(`${gateway.url}/left`, { agent: false }).on('error', () => undefined);
    await until(() => lookups.count() === 1);
    left.destroy();
    await inFlight(gateway, 1);
    await backend.answer('/first');
    await first;
    await gateway.antract.enable();
    await until(() => gateway.antract.status().phase === 'paused');
    const connected = once(backend.server, 'connection') as Promise<[Socket]>;
    lookups.finish();
    const [connection] = await connected;
    await once(connection, 'close');
  });

  it('is closed at once if its upgrade is never sent and the app has drained since it was begun', async () => {
    const { server, url } = await manualBackend();
    const connections = new BackendConnections({
      target: readTarget('target', url),
      rejectUnauthorized: true,
      timeoutMs: 0, // for no limit
      needsAcceptCheck: () => false,
    });
    const connected = once(server, 'connection') as Promise<[Socket]>;
    const fail = jest.fn();
    // As when the proxy library throws before it makes the request.
    connections.withConnection({ use: () => undefined, fail, isGone: () => false });
    connections.retire();
    const [connection] = await connected;
    await once(connection, 'close');
    expect(fail).not.toHaveBeenCalled();
  });

  it('is closed with the gateway', async () => {
    const { connection, gateway } = await spare();
    const closed = once(connection, 'close');
    await gateway.close();
    await closed;
  });

  it('is not used after the backend has closed it or sent unrequested bytes', async () => {
    const { backend, connection, lookups, gateway } = await spare();
    lookups.stop();
    backend.connections[0]?.destroy();
    connection.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison');
    const answer = request(`${gateway.url}/third`);
    await backend.answer('/third');
    expect((await answer).body).toBe('/third');
  });
});

describe.each(['http', 'https'])('an idle connection to a backend of %s', (protocol) => {
  const respond = (body: string): string =>
    `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

  /** Answers the requests of each connection with its number, and HEAD as if a body followed. */
  async function numberingBackend() {
    const connections: Socket[] = [];
    const serve = (socket: Socket): void => {
      const number = connections.push(socket.setNoDelay());
      const body = String(number);
      socket
        .on('error', () => undefined)
        .on('data', (bytes) => {
          const isHead = String(bytes).startsWith('HEAD');
          socket.write(isHead ? respond(body).slice(0, -body.length) : respond(body));
        });
    };
    const secure = tls.createServer(createCertificate(), serve);
    const { url } = await bareBackend((socket) =>
      protocol === 'http' ? serve(socket) : void secure.emit('connection', socket),
    );
    const target = url.replace('http:', `${protocol}:`);
    return { connections, gateway: await openGateway({ target, insecure: true }) };
  }

  it('is used for the next request', async () => {
    const { gateway } = await numberingBackend();
    await request(gateway.url, { method: 'HEAD' });
    expect((await request(gateway.url)).body).toBe('1');
    expect((await request(gateway.url)).body).toBe('1');
  });

  it('is used for no other request once the late body of a response to HEAD has arrived', async () => {
    const { connections, gateway } = await numberingBackend();
    await request(gateway.url, { method: 'HEAD' });
    connections[0]?.write('x');
    // By the time this has been answered, the gateway has read what is above.
    await request(`${gateway.url}/_antract/status`);
    expect((await request(gateway.url)).body).toBe('2');
    expect((await request(gateway.url)).body).toBe('2');
  });
});

/** In a process of its own: closes the next connection when told to, and serves all others. */
const CLOSING_BACKEND = `
  const http = require('node:http').createServer((_req, res) => res.end('served'));
  let closes = false;
  const server = require('node:net').createServer((socket) => {
    if (!closes) return http.emit('connection', socket);
    closes = false;
    socket.destroy();
  });
  server.listen(0, '127.0.0.1', () => process.send(server.address().port));
  process.on('message', () => {
    closes = true;
    process.send('closes the next one');
  });`;

describe('a new connection that the backend has closed before the gateway sends on it', () => {
  it('leaves its request unsent, so that another connection serves it', async () => {
    const backend = spawn(process.execPath, ['-e', CLOSING_BACKEND], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const agent = new http.Agent({ keepAlive: true });
    let made = 0;
    const onSocket = (): void => {
      // Real time: the backend must close the connection before the event loop of the gateway turns.
      if (made++ === 0) {
        setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200));
      }
    };
    try {
      const [port] = (await once(backend, 'message')) as [number];
      const { url } = await openGateway({ target: `http://127.0.0.1:${port}` });
      // The connection of the client is open, so that the next new one is that to the backend.
      expect((await request(`${url}/_antract/status`, { agent })).status).toBe(200);
      backend.send('close');
      await once(backend, 'message');
      subscribe('net.client.socket', onSocket);
      expect(await request(url, { agent })).toMatchObject({ status: 200, body: 'served' });
      expect(made).toBeGreaterThan(1);
    } finally {
      unsubscribe('net.client.socket', onSocket);
      agent.destroy();
      backend.kill();
    }
  });
});

describe('the held requests of a release', () => {
  it.each([1, 8])(
    'reach the backend in the order of their release, with fewer than the concurrency of %i overtaken',
    async (concurrency) => {
      let arrived = 0;
      let newest = -1;
      let overtaken = 0;
      const backend = await listen((req: IncomingMessage, res: ServerResponse) => {
        arrived++;
        newest = Math.max(newest, Number(req.url?.slice(1)));
        overtaken = Math.max(overtaken, newest + 1 - arrived);
        res.end();
      });
      const gateway = await openGateway({ target: backend.url, release: { concurrency } });
      await gateway.antract.enable();
      const answers: Promise<Answer>[] = [];
      for (let i = 0; i < 300; i++) {
        const held = nextEvent(gateway.antract, 'held');
        answers.push(request(`${gateway.url}/${i}`));
        await held;
      }
      await gateway.antract.disable();
      const statuses = (await Promise.all(answers)).map(({ status }) => status);
      expect(new Set(statuses)).toEqual(new Set([200]));
      expect(arrived).toBe(300);
      // The backend may read different connections in any order.
      expect(overtaken).toBeLessThan(concurrency);
    },
    60_000,
  );
});

describe('the connection of a health check', () => {
  // A backend that dies after its answer would lose the request. On a connection of its own, the request is
  // sent only when the backend has accepted that.
  it('carries no released request', async () => {
    const checks: Socket[] = [];
    const requests: Socket[] = [];
    const backend = await listen((req, res) => {
      (req.url === '/up' ? checks : requests).push(req.socket);
      res.end('ok');
    });
    // Only the gateway closes connections.
    backend.server.keepAliveTimeout = 0;
    const gateway = await openGateway({ target: backend.url, healthCheckPath: '/up' });
    await gateway.antract.enable();
    const held = nextEvent(gateway.antract, 'held');
    const response = request(gateway.url);
    await held;
    await gateway.antract.disable();
    expect((await response).status).toBe(200);
    expect(checks.length).toBeGreaterThan(0);
    expect(checks).not.toContain(requests[0]);
    await until(() => checks.every(({ destroyed }) => destroyed));
  });
});
