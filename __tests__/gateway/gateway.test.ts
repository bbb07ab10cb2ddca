/** The gateway as a reverse proxy: what it passes on, and to whom. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TLSSocket } from 'node:tls';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, connect, listen, readUntil, request } from '../support/http.ts';
import { cert, key } from '../support/localhost.ts';
import { nextEvent } from '../support/next-event.ts';

afterEach(async () => {
  await closeGateways();
  await closeAll();
});

interface Echo {
  name: string;
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** Says what it was asked. */
async function echoBackend(name = 'backend') {
  return listen(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += String(chunk);
    const { method, url, headers } = req;
    res.setHeader('X-Backend', name);
    res.end(JSON.stringify({ name, method, url, headers, body }));
  });
}

function echoOf(body: string): Echo {
  return JSON.parse(body) as Echo;
}

/** The answer to what is written, over a connection that is closed after it. */
async function raw(port: number, text: string): Promise<string> {
  const socket = await connect(port);
  socket.write(text);
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
  await once(socket, 'close');
  return answer;
}

function bodyOf(answer: string): string {
  return answer.slice(answer.indexOf('\r\n\r\n') + 4);
}

describe('the proxy of a gateway', () => {
  it('passes on method, path, query, body, status and headers unchanged', async () => {
    const backend = await listen((req, res) => {
      res.writeHead(418, 'Short and stout', { 'X-One': '1', 'Set-Cookie': ['a=1', 'b=2'] });
      req.pipe(res);
    });
    const { url } = await openGateway({ target: backend.url });
    const body = 'x'.repeat(200_000);
    const client = http.request(`${url}/a%2Fb//c?d=e&d=%20`, { method: 'PUT', agent: false });
    client.end(body);
    const [res] = (await once(client, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of res) chunks.push(chunk as Buffer);
    expect(res.statusCode).toBe(418);
    expect(res.statusMessage).toBe('Short and stout');
    expect(res.headers).toMatchObject({ 'x-one': '1', 'set-cookie': ['a=1', 'b=2'] });
    expect(Buffer.concat(chunks).toString()).toBe(body);
  });

  it.each([
    '//',
    '//?a=b',
    '//evil.example/path',
    '/\\',
    '/..;/%2e%2e/',
    '/a b'.replace(' ', '%20'),
  ])('passes on the path %s unchanged', async (target) => {
    const backend = await echoBackend();
    const { port } = await openGateway({ target: backend.url });
    const answer = await raw(
      port,
      `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    expect(echoOf(bodyOf(answer)).url).toBe(target);
  });

  it('keeps connections to the backend for the next requests', async () => {
    const backend = await echoBackend();
    const connections: Socket[] = [];
    backend.server.on('connection', (socket: Socket) => connections.push(socket));
    const { url } = await openGateway({ target: backend.url });
    for (let i = 0; i < 3; i++) await request(url);
    expect(connections).toHaveLength(1);
  });

  it('checks a kept connection before use, and leaves `Error.stackTraceLimit` unchanged', async () => {
    const { url } = await echoBackend();
    const gateway = await openGateway({ target: url });
    const { stackTraceLimit } = Error;
    for (let i = 0; i < 3; i++) await request(gateway.url);
    expect(stackTraceLimit).toBeGreaterThan(0);
    expect(Error.stackTraceLimit).toBe(stackTraceLimit);
  });

  it('opens a connection for each request instead of queueing requests', async () => {
    const waiting: http.ServerResponse[] = [];
    let allArrived!: () => void;
    const arrived = new Promise<void>((resolve) => (allArrived = resolve));
    const backend = await listen((_req, res) => {
      if (waiting.push(res) === 300) allArrived();
    });
    const { url } = await openGateway({ target: backend.url });
    const answers = Array.from({ length: 300 }, () => request(url));
    await arrived;
    for (const res of waiting) res.end('ok');
    expect((await Promise.all(answers)).every(({ status }) => status === 200)).toBe(true);
  });

  it('closes the connection of a client that asks for it, and sends Keep-Alive to others', async () => {
    const backend = await listen((_req, res) => res.setHeader('Connection', 'close').end('ok'));
    const { port, url } = await openGateway({ target: backend.url });
    const closing = await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(closing).toMatch(/\r\nconnection: close\r\n/i);
    expect(await raw(port, 'GET / HTTP/1.0\r\n\r\n')).toMatch(/\r\nconnection: close\r\n/i);
    const agent = new http.Agent({ keepAlive: true });
    const { headers } = await request(url, { agent });
    agent.destroy();
    expect(headers).toMatchObject({ connection: 'keep-alive', 'keep-alive': 'timeout=75' });
  });

  it('connects to a backend on a Unix socket', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'antract-'));
    const socketPath = path.join(directory, 'backend.sock');
    const server = http.createServer((req, res) => res.end(`unix ${req.url}`)).listen(socketPath);
    await once(server, 'listening');
    const { url } = await openGateway({ target: `unix:${socketPath}` });
    expect(await request(`${url}/a`)).toMatchObject({ status: 200, body: 'unix /a' });
    server.close();
    server.closeAllConnections();
    rmSync(directory, { recursive: true });
  });

  it('expects the certificate of an https target, whatever Host the client sends', async () => {
    const server = https.createServer({ key, cert }, (req, res) => {
      res.end(
        `${(req.socket as TLSSocket & { servername: string }).servername} ${req.headers.host}`,
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const target = `https://localhost:${(server.address() as AddressInfo).port}`;
    const headers = { host: 'shop.example' };
    const trusting = await openGateway({ target, insecure: true });
    expect((await request(trusting.url, { headers })).body).toBe('localhost shop.example');
    const wary = await openGateway({ target });
    expect((await request(wary.url, { headers })).status).toBe(502);
    await closeGateways();
    server.close();
  });

  it('passes on the early response of a backend to an upload', async () => {
    const backend = await listen((_req, res) => res.writeHead(413).end('too large'));
    const { url } = await openGateway({ target: backend.url });
    const answer = await request(url, { method: 'POST', body: Buffer.alloc(3_000_000) });
    expect(answer).toMatchObject({ status: 413, body: 'too large' });
  });
});

describe('the host name', () => {
  it('chooses the app, in any spelling and with any port', async () => {
    const [shop, blog] = await Promise.all([echoBackend('shop'), echoBackend('blog')]);
    const { url } = await openGateway({
      apps: {
        shop: { hosts: ['shop.example', 'www.shop.example'], target: shop.url },
        'blog.example': { target: blog.url },
      },
    });
    for (const [host, name] of [
      ['shop.example', 'shop'],
      ['WWW.Shop.Example:8080', 'shop'],
      ['blog.example.', 'blog'],
    ]) {
      const { body } = await request(url, { headers: { host } });
      expect(echoOf(body)).toMatchObject({ name, headers: { host } });
    }
  });

  it('of no app is answered with 421 if there is no default app', async () => {
    const shop = await echoBackend('shop');
    const { url } = await openGateway({ apps: { 'shop.example': { target: shop.url } } });
    const { status, body } = await request(url, { headers: { host: 'other.example' } });
    expect(status).toBe(421);
    expect(JSON.parse(body)).toMatchObject({ code: 'ERR_ANTRACT_UNKNOWN_HOST' });
  });

  it('of no app leads to the single target, or to the app `default`', async () => {
    const [shop, rest] = await Promise.all([echoBackend('shop'), echoBackend('rest')]);
    const apps = { 'shop.example': { target: shop.url } };
    const one = await openGateway({ apps, target: rest.url });
    const two = await openGateway({ apps: { ...apps, default: { target: rest.url } } });
    for (const { url } of [one, two]) {
      expect(echoOf((await request(url)).body).name).toBe('rest');
    }
  });

  it('limits a pause to its own app', async () => {
    const [shop, blog] = await Promise.all([echoBackend('shop'), echoBackend('blog')]);
    const { url, antract } = await openGateway({
      apps: {
        shop: { hosts: ['shop.example'], target: shop.url },
        blog: { hosts: ['blog.example'], target: blog.url },
      },
    });
    await antract.enable('shop');
    const held = nextEvent(antract, 'held');
    const waiting = request(url, { headers: { host: 'shop.example' } });
    await held;
    expect((await request(url, { headers: { host: 'blog.example' } })).status).toBe(200);
    await antract.disable('shop');
    expect((await waiting).status).toBe(200);
    await expect(antract.enable('shpo')).rejects.toMatchObject({ code: 'ERR_ANTRACT_UNKNOWN_APP' });
  });

  it('of an absolute request target overrides Host, for the route and for the backend', async () => {
    const [shop, blog] = await Promise.all([echoBackend('shop'), echoBackend('blog')]);
    const { port } = await openGateway({
      apps: { 'shop.example': { target: shop.url }, 'blog.example': { target: blog.url } },
    });
    const answer = await raw(
      port,
      'GET http://blog.example/a?b HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n',
    );
    expect(echoOf(bodyOf(answer))).toMatchObject({
      name: 'blog',
      url: '/a?b',
      headers: { host: 'blog.example' },
    });
  });

  it('of an absolute request target makes it no health check, and does not bypass a pause', async () => {
    const backend = await echoBackend();
    const { port, antract } = await openGateway({ target: backend.url, healthCheckPath: '/up' });
    await antract.enable();
    const answer = raw(port, 'GET http://x/up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    while (antract.status().held === 0) await nextEvent(antract, 'held');
    await antract.disable();
    expect(echoOf(bodyOf(await answer))).toMatchObject({ url: '/up', headers: { host: 'x' } });
  });

  it('of an absolute request target to the admin path never reaches the backend', async () => {
    const backend = await echoBackend();
    const { port } = await openGateway({ target: backend.url, adminToken: 'secret' });
    const ask = (token: string) =>
      raw(
        port,
        `GET http://x/_antract/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
          'Connection: close\r\n\r\n',
      );
    expect(await ask('wrong')).toMatch(/^HTTP\/1.1 401 /);
    expect(await ask('secret')).toContain('App default is running: ');
  });

  it.each(['OPTIONS * HTTP/1.1', 'GET ftp://x/ HTTP/1.1', 'GET http://a@b/ HTTP/1.1'])(
    'of the invalid request target "%s" is not guessed: the response is 400',
    async (line) => {
      const backend = await echoBackend();
      const { port } = await openGateway({ target: backend.url });
      const answer = await raw(port, `${line}\r\nHost: x\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1.1 400 /);
    },
  );
});

describe('the public server', () => {
  it('answers 400 to bytes that are not HTTP', async () => {
    const backend = await echoBackend();
    const { port } = await openGateway({ target: backend.url });
    expect(await raw(port, 'What is this?\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
  });

  it('closes the connection instead of writing a 400 into a response that has begun', async () => {
    const backend = await listen((_req, res) => void res.write('the beginning'));
    const { port } = await openGateway({ target: backend.url });
    const socket = await connect(port);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await readUntil(socket, (text) => text.includes('the beginning'));
    let rest = '';
    socket.on('data', (chunk: Buffer) => (rest += chunk.toString()));
    socket.write('What is this?\r\n\r\n');
    await once(socket, 'close');
    expect(rest).toBe('');
  });

  it('keeps idle connections longer than load balancers do, and limits headers but not uploads', async () => {
    const { server } = await openGateway({ target: 'http://127.0.0.1:9' });
    expect(server.keepAliveTimeout).toBeGreaterThanOrEqual(65_000);
    expect(server.headersTimeout).toBeGreaterThan(server.keepAliveTimeout);
    expect(server.requestTimeout).toBe(0);
  });
});

describe('connections to the backend', () => {
  async function idleConnection() {
    const backend = await echoBackend();
    const opened = once(backend.server, 'connection');
    const gateway = await openGateway({ target: backend.url });
    await request(gateway.url);
    const [socket] = (await opened) as [Socket];
    return { gateway, backend, closed: once(socket, 'close') };
  }

  it('are closed if idle when the app has drained', async () => {
    const { gateway, closed } = await idleConnection();
    await gateway.antract.enable();
    await closed;
  });

  it('of requests that bypassed the pause are closed when the app resumes', async () => {
    const backend = await echoBackend();
    const gateway = await openGateway({ target: backend.url, privilegedUserAgent: 'tester' });
    await gateway.antract.enable();
    const opened = once(backend.server, 'connection');
    await request(gateway.url, { headers: { 'user-agent': 'tester' } });
    const [socket] = (await opened) as [Socket];
    const closed = once(socket, 'close');
    await gateway.antract.disable();
    await closed;
  });

  it('of one app stay open when another app drains', async () => {
    const backend = await echoBackend();
    const other = await echoBackend();
    const gateway = await openGateway({
      target: backend.url,
      apps: { other: { target: other.url } },
    });
    const sockets: Socket[] = [];
    backend.server.on('connection', (socket: Socket) => sockets.push(socket));
    await request(gateway.url);
    await gateway.antract.enable('other');
    await request(gateway.url);
    expect(sockets).toHaveLength(1);
  });

  it('are all closed with the gateway', async () => {
    const { gateway, closed } = await idleConnection();
    await gateway.close();
    await closed;
  });
});
