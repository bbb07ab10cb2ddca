/** Messages with more headers than Node's parser keeps: none may be judged or passed on without them. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import express from 'express';
import type { GatewayConfig } from '../../lib/gateway/server/gateway.ts';
import { createAntract, type AntractOptions } from '../../lib/index.ts';
import { Client } from '../support/exchange.ts';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, connect, listen, readUntil, request } from '../support/http.ts';
import { KINDS, open } from '../support/servers.ts';
import { untilHeld } from '../support/next-event.ts';
import { silentLogger } from '../support/silent-logger.ts';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
  await closeGateways();
  await closeAll();
});

/** As lines of a request. */
const lines = (count: number): string => 'a:b\r\n'.repeat(count);
/** As names, for Node's client. `Host` comes first, as Node answers 400 where it is dropped. */
const named = (count: number): Record<string, string> => ({
  host: 'a',
  ...Object.fromEntries(Array.from({ length: count }, (_, i) => [`h${i}`, ''])),
});

const INNER = 'POST /smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';
const FRAMINGS = {
  'Content-Length': { header: `Content-Length: ${INNER.length}`, body: INNER },
  'Transfer-Encoding': {
    header: 'Transfer-Encoding: chunked',
    body: `${INNER.length.toString(16)}\r\n${INNER}\r\n0\r\n\r\n`,
  },
} as const;

/** Notes each request that it reads, with its body. Not the probes of the gateway. */
async function notingBackend() {
  const seen: string[] = [];
  const { server, url } = await listen((req, res) => {
    let body = '';
    req.on('data', (chunk: Buffer) => (body += chunk.toString()));
    req.on('end', () => {
      if (req.headers['user-agent'] !== 'antract') seen.push(`${req.method} ${req.url} ${body}`);
      res.end('served');
    });
  });
  server.maxHeadersCount = 0;
  return { seen, url };
}

/** Writes to a connection of its own, and reads until a whole answer is there. */
async function ask(port: number, ...parts: string[]): Promise<string> {
  const socket = await connect(port);
  for (const part of parts) await new Promise((resolve) => socket.write(part, resolve));
  return readUntil(socket, (text) => text.includes('\r\n\r\n'));
}

describe('a request through the gateway whose body header comes after 1,001 others', () => {
  const open = async (config: GatewayConfig = {}) => {
    const backend = await notingBackend();
    const gateway = await openGateway({ target: backend.url, healthCheckPath: '/up', ...config });
    return { ...backend, ...gateway };
  };

  const methods = ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE', 'POST', 'MKCOL'];
  const framings = Object.keys(FRAMINGS) as (keyof typeof FRAMINGS)[];
  const each = methods.flatMap((method) => framings.map((framing) => ({ method, framing })));

  it.each(each)('reaches the backend as one request: $method, $framing', async (variant) => {
    const { method, framing } = variant;
    const { seen, port } = await open();
    const { header, body } = FRAMINGS[framing];
    const head = `${method} / HTTP/1.1\r\nHost: a\r\n${lines(1001)}${header}\r\n\r\n`;
    await ask(port, head, body);
    await ask(port, 'GET /next HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(seen).toEqual([`${method} / ${INNER}`, 'GET /next ']);
  });

  it.each(framings)('is held and released as one request (%s)', async (framing) => {
    const { seen, port, antract } = await open();
    const { header, body } = FRAMINGS[framing];
    await antract.enable();
    const head = `GET / HTTP/1.1\r\nHost: a\r\n${lines(1001)}${header}\r\n\r\n`;
    const answer = ask(port, head + body);
    await untilHeld(antract, 1);
    await antract.disable();
    expect(await answer).toContain('200 OK');
    expect(seen).toEqual([`GET / ${INNER}`]);
  });

  it.each(framings)('keeps its body when it asks for h2c (%s)', async (framing) => {
    const { seen, port } = await open();
    const { header, body } = FRAMINGS[framing];
    const wish = 'Connection: Upgrade\r\nUpgrade: h2c\r\n';
    await ask(port, `GET / HTTP/1.1\r\nHost: a\r\n${wish}${lines(1001)}${header}\r\n\r\n${body}`);
    expect(seen).toEqual([`GET / ${INNER}`]);
  });

  it.each(['1.0', '2.0', '0.9'])('keeps its body when it claims HTTP/%s', async (version) => {
    const { seen, port } = await open();
    const { header, body } = FRAMINGS['Content-Length'];
    await ask(port, `GET / HTTP/${version}\r\nHost: a\r\n${lines(1001)}${header}\r\n\r\n${body}`);
    expect(seen).toEqual([`GET / ${INNER}`]);
  });

  it('lets nothing but a health check through a pause on the health check path', async () => {
    const { seen, port, antract } = await open();
    await antract.enable();
    const { header, body } = FRAMINGS['Content-Length'];
    await ask(port, `GET /up HTTP/1.1\r\nHost: a\r\n${lines(1001)}${header}\r\n\r\n${body}`);
    await ask(port, 'GET /up HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(seen).toEqual([`GET /up ${INNER}`, 'GET /up ']);
  });

  it('is answered 431 when its headers are larger than Node allows', async () => {
    const { seen, port } = await open();
    const large = `GET / HTTP/1.1\r\nHost: a\r\n${lines(http.maxHeaderSize)}\r\n`;
    expect(await ask(port, large)).toMatch(/^HTTP\/1.1 431 /);
    expect(seen).toEqual([]);
  });
});

describe('a request through the gateway that has lost its body headers', () => {
  const lose = (req: IncomingMessage): boolean => {
    delete req.headers['content-length'];
    delete req.headers['transfer-encoding'];
    return false;
  };

  const framings = Object.keys(FRAMINGS) as (keyof typeof FRAMINGS)[];
  it.each(framings.flatMap((framing) => [false, true].map((pause) => ({ framing, pause }))))(
    'never sends its body to the backend ($framing, held: $pause)',
    async ({ framing, pause }) => {
      const backend = await notingBackend();
      const { port, antract } = await openGateway({ target: backend.url, bypass: lose });
      const { header, body } = FRAMINGS[framing];
      if (pause) await antract.enable();
      const answer = ask(port, `GET / HTTP/1.1\r\nHost: a\r\n${header}\r\n\r\n${body}`);
      if (pause) await untilHeld(antract, 1);
      await antract.disable();
      expect(await answer).toMatch(/^HTTP\/1.1 502 /);
      await ask(port, 'GET /next HTTP/1.1\r\nHost: a\r\n\r\n');
      expect(backend.seen).toEqual(['GET /next ']);
    },
  );

  it('is answered as usual when it has no body', async () => {
    const backend = await notingBackend();
    const { url } = await openGateway({ target: backend.url });
    for (const method of ['GET', 'POST', 'DELETE']) {
      expect((await request(url, { method })).status).toBe(200);
    }
  });
});

it('a request with an empty Transfer-Encoding and a Content-Length sends the backend no unframed body', async () => {
  const backend = await notingBackend();
  const { port } = await openGateway({ target: backend.url });
  const both = `Transfer-Encoding:\r\nContent-Length: ${INNER.length}`;
  expect(await ask(port, `POST / HTTP/1.1\r\nHost: a\r\n${both}\r\n\r\n${INNER}`)).toMatch(
    /^HTTP\/1.1 (400|502) /,
  );
  await ask(port, 'GET /next HTTP/1.1\r\nHost: a\r\n\r\n');
  expect(backend.seen).toEqual(['GET /next ']);
});

it('a request with both body headers reaches the backend with Transfer-Encoding alone', async () => {
  let headers: IncomingMessage['headers'] | undefined;
  const { url } = await listen((req, res) => {
    headers = req.headers;
    req.resume().on('end', () => res.end());
  });
  // Node refuses such a request, unless it runs with --insecure-http-parser.
  const addLength = (req: IncomingMessage): boolean => {
    req.headers['content-length'] = '5';
    return false;
  };
  const { port } = await openGateway({ target: url, bypass: addLength });
  const { header, body } = FRAMINGS['Transfer-Encoding'];
  await ask(port, `POST / HTTP/1.1\r\nHost: a\r\n${header}\r\n\r\n${body}`);
  expect(headers).toHaveProperty('transfer-encoding', 'chunked');
  expect(headers).not.toHaveProperty('content-length');
});

describe("a backend's response whose last headers come after 1,001 others", () => {
  /** Answers each connection's first bytes with these. */
  async function rawBackend(answer: string): Promise<string> {
    const server = net.createServer((socket) => {
      socket.on('error', () => undefined).once('data', () => socket.write(answer));
    });
    const sockets = new Set<Socket>();
    server.on('connection', (socket) => sockets.add(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanUps.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it('reaches the client with all of them', async () => {
    const target = await rawBackend(
      `HTTP/1.1 200 OK\r\n${lines(1001)}Set-Cookie: c=1\r\nContent-Length: 4\r\n\r\nbody`,
    );
    const { port } = await openGateway({ target });
    const answer = await ask(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(answer).toMatch(/^set-cookie: c=1\r$/im);
    expect(answer).toMatch(/^content-length: 4\r$/im);
    expect(answer).not.toMatch(/^transfer-encoding:/im);
  });

  it("reaches a WebSocket's client with all of them", async () => {
    const target = await rawBackend(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        `${lines(1001)}Sec-WebSocket-Accept: yes\r\n\r\n`,
    );
    const { port } = await openGateway({ target });
    const answer = await ask(port, handshake('/'));
    expect(answer).toMatch(/^HTTP\/1.1 101 /);
    expect(answer).toMatch(/^sec-websocket-accept: yes\r$/im);
  });
});

const handshake = (url: string, more = ''): string =>
  `GET ${url} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${more}\r\n`;

const HTTP1 = KINDS.filter((kind) => kind.protocol === 'http/1.1');
const HTTP2 = KINDS.filter((kind) => kind.protocol === 'h2');

describe('pause()', () => {
  async function start(kind: (typeof KINDS)[number], options: AntractOptions = {}) {
    const antract = createAntract({ logger: silentLogger, ...options });
    const site = await open(kind, [antract.pause()], async (req) => String(req.headers['last']));
    const client = new Client(site);
    cleanUps.push(async () => {
      await client.close();
      await antract.close();
      await site.close();
    });
    return { antract, client, server: site.server as http.Server };
  }
  /** Node's client adds `Connection`, which makes four more. */
  const asked = (count: number) => ({
    path: '/up',
    headers: { 'user-agent': 'operator', ...named(count), last: 'seen' },
  });

  it.each(HTTP1.map((kind) => [kind.name, kind] as const))(
    'rejects a request that may have lost headers, bypassed or not, with 431 on %s',
    async (_name, kind) => {
      const bypassed = { healthCheckPath: '/up', privilegedUserAgent: 'operator' };
      for (const options of [{}, bypassed]) {
        const { client } = await start(kind, options);
        // The newest versions of Node reject more than 1,000 headers themselves.
        expect(await client.send(asked(1001)).answer).toMatchObject({ status: 431 });
        const { status, headers, body } = await client.send(asked(996)).answer;
        expect(status).toBe(431);
        expect(headers['connection']).toBe('close');
        expect(JSON.parse(body)).toMatchObject({ code: 'ERR_ANTRACT_TOO_MANY_HEADERS' });
      }
    },
  );

  it.each(HTTP1.map((kind) => [kind.name, kind] as const))(
    'passes a request with 900 headers on %s, and after attach() one with 1,001',
    async (_name, kind) => {
      const { antract, client, server } = await start(kind);
      expect(await client.send(asked(900)).answer).toMatchObject({ status: 200, body: 'seen' });
      antract.attach(server);
      expect(await client.send(asked(1001)).answer).toMatchObject({ status: 200, body: 'seen' });
    },
  );

  it.each(HTTP2.map((kind) => [kind.name, kind] as const))(
    'leaves it to %s to reset a stream with too many headers',
    async (_name, kind) => {
      const { client } = await start(kind);
      expect(await client.send(asked(200)).answer).toMatchObject({ status: 200, body: 'seen' });
      await expect(client.send(asked(300)).answer).rejects.toThrow();
    },
  );

  it("goes by the server's own maxHeadersCount", async () => {
    const antract = createAntract({ logger: silentLogger });
    const pause = antract.pause();
    const { server, url } = await listen((req, res) => pause(req, res, () => res.end('passed')));
    for (const [limit, count, status] of [
      [20, 10, 200],
      [20, 18, 431],
      [20, 25, 431],
      [20, 500, 431],
      [1500, 1200, 200],
      [1500, 1498, 431],
      [0, 1900, 200],
    ] as const) {
      server.maxHeadersCount = limit;
      // Node's client adds Host and Connection.
      expect([limit, count, (await request(url, { headers: named(count) })).status]).toEqual([
        limit,
        count,
        status,
      ]);
    }
    await antract.close();
  });

  it('judges a connection from before attach() by the limit that it was made with', async () => {
    const antract = createAntract({ logger: silentLogger });
    const pause = antract.pause();
    const { server, port } = await listen((req, res) => pause(req, res, () => res.end('passed')));
    const socket = await connect(port);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await readUntil(socket, (text) => text.includes('passed'));
    antract.attach(server);
    socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${lines(1001)}\r\n`);
    expect(await readUntil(socket, (text) => text.includes('\r\n\r\n'))).toMatch(/^HTTP\/1.1 431 /);
    await antract.close();
  });

  it('does not believe an HTTP/1 client that claims HTTP/2.0', async () => {
    const antract = createAntract({ logger: silentLogger });
    const pause = antract.pause();
    const { port } = await listen((req, res) => pause(req, res, () => res.end('passed')));
    const head = `GET / HTTP/2.0\r\nHost: a\r\n${lines(1001)}\r\n`;
    expect(await ask(port, head)).toMatch(/^HTTP\/1.1 431 /);
    await antract.close();
  });
});

it('upgrade() rejects a handshake that may have lost headers with 431, bypassed or not', async () => {
  for (const options of [{}, { bypass: () => true }]) {
    const antract = createAntract({ logger: silentLogger, ...options });
    const { server, port } = await listen((_req, res) => res.end());
    let handed = 0;
    server.on(
      'upgrade',
      antract.upgrade((_req, socket) => {
        handed++;
        socket.end();
      }),
    );
    const answer = await ask(port, handshake('/', lines(995)));
    expect(answer).toMatch(/^HTTP\/1.1 431 /);
    expect(answer).toContain('ERR_ANTRACT_TOO_MANY_HEADERS');
    expect(handed).toBe(0);
    await antract.close();
  }
});

describe('the admin endpoints', () => {
  /** What a proxy on the same machine, or a browser, says at the end. */
  const TELLTALES = [
    'Via: 1.1 x',
    'X-Forwarded-For: 203.0.113.9',
    'Forwarded: for=203.0.113.9',
    'X-Real-IP: 203.0.113.9',
    'Origin: https://evil.example',
    'Sec-Fetch-Site: cross-site',
    'Sec-Purpose: prefetch',
  ];
  const stop = (telltale: string): string =>
    `GET /_antract/stop HTTP/1.1\r\nHost: localhost\r\n${lines(1001)}${telltale}\r\n\r\n`;

  it.each(TELLTALES)('of the gateway see %s behind 1,001 other headers', async (telltale) => {
    const backend = await notingBackend();
    const { port, antract } = await openGateway({ target: backend.url });
    expect(await ask(port, stop(telltale))).toMatch(/^HTTP\/1.1 403 /);
    expect(antract.status().phase).toBe('running');
  });

  it.each(['a port', 'a Unix socket'])(
    'of the gateway see every header on %s of their own',
    async (where) => {
      const directory = mkdtempSync(path.join(tmpdir(), 'antract-test-'));
      cleanUps.push(() => rmSync(directory, { recursive: true }));
      const backend = await notingBackend();
      const gateway = await openGateway({
        target: backend.url,
        adminListen: where === 'a port' ? '127.0.0.1:0' : path.join(directory, 's'),
      });
      const bound = gateway.adminServer?.address();
      const socket =
        typeof bound === 'string' ? net.connect(bound) : await connect((bound as AddressInfo).port);
      socket.write(stop('Sec-Fetch-Site: cross-site'));
      expect(await readUntil(socket, (text) => text.includes('\r\n\r\n'))).toMatch(
        /^HTTP\/1.1 403 /,
      );
      socket.destroy();
      expect(gateway.antract.status().phase).toBe('running');
    },
  );

  it.each(TELLTALES)('of an application reject %s behind 1,001 other headers', async (telltale) => {
    const antract = createAntract({ logger: silentLogger });
    const app = express().use('/_antract', antract.admin());
    const { port } = await listen(app);
    expect(await ask(port, stop(telltale))).toMatch(/^HTTP\/1.1 431 /);
    expect(antract.status().phase).toBe('running');
    await antract.close();
  });

  it('of an application reject a request with as many headers as the server reads', async () => {
    const antract = createAntract({ logger: silentLogger });
    const { port } = await listen(express().use('/_antract', antract.admin()));
    const stopWith = (count: number): Promise<string> =>
      ask(port, `GET /_antract/stop HTTP/1.1\r\nHost: localhost\r\n${lines(count - 1)}\r\n`);
    expect(await stopWith(1000)).toMatch(/^HTTP\/1.1 431 [^]*ERR_ANTRACT_TOO_MANY_HEADERS/);
    expect(antract.status().phase).toBe('running');
    expect(await stopWith(999)).toMatch(/^HTTP\/1.1 200 /);
    await antract.close();
  });
});
