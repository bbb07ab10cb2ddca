/**
 * Answers that end the connection while the client is still sending. Each client here sends on after
 * it has read the whole answer: if the server had closed, the connection would be reset.
 */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import https from 'node:https';
import net, { type AddressInfo, type Socket } from 'node:net';
import tls from 'node:tls';
import { createAntract, type AntractOptions } from '../../lib/index.ts';
import { createCertificate } from '../support/certificate.ts';
import { eventually } from '../support/eventually.ts';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, listen } from '../support/http.ts';
import { nextEvent } from '../support/next-event.ts';
import { silentLogger } from '../support/silent-logger.ts';

const PART = Buffer.alloc(64 * 1024);
const LENGTH = 'Content-Length: 100000000\r\n';

const open = new Set<Socket>();
const servers: Server[] = [];

afterEach(async () => {
  for (const socket of open) socket.destroy();
  open.clear();
  await closeGateways();
  await closeAll();
  for (const server of servers.splice(0)) server.close();
});

/** Keeps its own side open when the server has ended. */
class Uploader {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  error: string | undefined;
  #text = '';

  constructor(socket: Socket) {
    this.socket = socket;
    open.add(socket);
    socket.on('error', (error: NodeJS.ErrnoException) => (this.error = error.code));
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('data', (data: Buffer) => (this.#text += data.toString('latin1')));
  }

  static async connect(port: number): Promise<Uploader> {
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    return new Uploader(socket);
  }

  send(...parts: (string | Buffer)[]): void {
    for (const part of parts) this.socket.write(part);
  }

  /** What the server sent until it ended its side. */
  async answer(): Promise<string> {
    if (!this.socket.readableEnded) await once(this.socket, 'end');
    return this.#text;
  }

  /** Sends after the answer, and ends; resolves with the code of the error, if there was one. */
  async finish(): Promise<string | undefined> {
    for (let parts = 0; parts < 50 && !this.socket.destroyed; parts++) {
      await new Promise((resolve) => this.socket.write(PART, resolve));
    }
    this.socket.end();
    await this.closed;
    return this.error;
  }
}

const post = (headers: string, path = '/'): string =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;

/** The answer to what was sent, and how the connection fared while its client sent on. */
async function exchange(port: number, ...sent: (string | Buffer)[]) {
  const client = await Uploader.connect(port);
  client.send(...sent);
  const answer = await client.answer();
  return { status: Number(answer.split(' ')[1]), answer, error: await client.finish() };
}

async function stoppedSite(options: AntractOptions = {}) {
  const antract = createAntract({ logger: silentLogger, ...options });
  const pause = antract.pause();
  const served: string[] = [];
  const handler: RequestListener = (req, res) =>
    pause(req, res, () => {
      served.push(req.url ?? '');
      res.end('ok');
    });
  await antract.registry.stop();
  return { antract, handler, served, site: await listen(handler) };
}

describe('a response that closes the connection during an upload', () => {
  const requests = {
    'with `Connection: close`': post(`${LENGTH}Connection: close\r\n`),
    'in chunks, with `Connection: close`': `${post('Transfer-Encoding: chunked\r\nConnection: close\r\n')}10000\r\n`,
    'of HTTP/1.0': post(LENGTH).replace('1.1', '1.0'),
    'of a client that waits for `100 Continue`': post(
      `${LENGTH}Connection: close\r\nExpect: 100-continue\r\n`,
    ),
  };
  for (const [name, request] of Object.entries(requests)) {
    it(`is not lost: 503 of a stopped gateway to a request ${name}`, async () => {
      const backend = await listen((_req, res) => res.end());
      const gateway = await openGateway({ target: backend.url });
      await gateway.antract.registry.stop();
      const { answer, error } = await exchange(gateway.port, request, PART);
      expect(answer).toContain('ERR_ANTRACT_STOPPED');
      expect(error).toBeUndefined();
    });

    it(`is not lost: 503 of a stopped middleware to a request ${name}`, async () => {
      const { site } = await stoppedSite();
      const { answer, error } = await exchange(site.port, request, PART);
      expect(answer).toContain('ERR_ANTRACT_STOPPED');
      expect(error).toBeUndefined();
    });
  }

  it('is not lost over TLS', async () => {
    const { handler } = await stoppedSite();
    const server = https.createServer(createCertificate(), handler).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const socket = tls.connect({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      allowHalfOpen: true,
    } as tls.ConnectionOptions);
    await once(socket, 'secureConnect');
    const client = new Uploader(socket);
    client.send(post(`${LENGTH}Connection: close\r\n`), PART);
    expect(await client.answer()).toContain('ERR_ANTRACT_STOPPED');
    expect(await client.finish()).toBeUndefined();
  });

  it('is not lost when a held upload grows too large', async () => {
    const backend = await listen((_req, res) => res.end());
    const gateway = await openGateway({ target: backend.url, spool: { maxBody: '100kb' } });
    await gateway.antract.enable();
    for (const framing of [LENGTH, 'Transfer-Encoding: chunked\r\n']) {
      const body = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(0x100000)]);
      const { status, error } = await exchange(gateway.port, post(framing), body);
      expect({ status, error }).toEqual({ status: 413, error: undefined });
    }
  });

  it('is not lost when the backend is down', async () => {
    const gateway = await openGateway({ target: 'http://127.0.0.1:1', holdOnOutage: 0 });
    const request = post(`${LENGTH}Connection: close\r\n`);
    const { status, error } = await exchange(gateway.port, request, PART);
    expect({ status, error }).toEqual({ status: 502, error: undefined });
  });

  it('is not lost when it comes from the backend', async () => {
    const backend = await listen((_req, res) => {
      res.writeHead(413, { Connection: 'close' });
      res.end('too big');
    });
    const gateway = await openGateway({ target: backend.url });
    const request = post(`${LENGTH}Connection: close\r\n`);
    const { answer, error } = await exchange(gateway.port, request, PART);
    expect(answer).toMatch(/^HTTP\/1\.1 413 [^]*too big/);
    expect(error).toBeUndefined();
  });

  it('is not lost when the backend leaves the upload unread', async () => {
    const backend = await listen((_req, res) => void res.end('enough'));
    const gateway = await openGateway({ target: backend.url });
    const client = await Uploader.connect(gateway.port);
    client.send(post(`${LENGTH}Connection: close\r\n`));
    const answer = client.answer();
    for (let parts = 0; parts < 200; parts++) client.send(PART);
    expect(await answer).toContain('enough');
    expect(await client.finish()).toBeUndefined();
  });

  it('is not lost when no app has the host name, or the target can not be passed on', async () => {
    const backend = await listen((_req, res) => res.end());
    const gateway = await openGateway({ apps: { one: { target: backend.url, hosts: ['one'] } } });
    const request = post(`${LENGTH}Connection: close\r\n`);
    expect(await exchange(gateway.port, request, PART)).toMatchObject({
      status: 421,
      error: undefined,
    });
    expect(await exchange(gateway.port, request.replace('/', '*'), PART)).toMatchObject({
      status: 400,
      error: undefined,
    });
  });

  it('is not lost at the admin endpoints', async () => {
    const backend = await listen((_req, res) => res.end());
    const adminToken = 'a-token-that-is-long-enough';
    const shared = await openGateway({ target: backend.url, adminToken });
    const own = await openGateway({ target: backend.url, adminToken, adminListen: '127.0.0.1:0' });
    const antract = createAntract({ logger: silentLogger });
    const site = await listen(antract.admin({ token: adminToken }));
    const request = (path: string): string => post(`${LENGTH}Connection: close\r\n`, path);
    const ports = [shared.port, Number(new URL(own.adminUrl ?? '').port)];
    for (const port of ports) {
      const { status, error } = await exchange(port, request('/_antract/enable'), PART);
      expect({ status, error }).toEqual({ status: 401, error: undefined });
    }
    const elsewhere = await exchange(ports[1] as number, request('/elsewhere'), PART);
    expect(elsewhere).toMatchObject({ status: 404, error: undefined });
    const { status, error } = await exchange(site.port, request('/enable'), PART);
    expect({ status, error }).toEqual({ status: 401, error: undefined });
  });

  it('is not lost when a handshake is rejected and its client has sent more', async () => {
    const backend = await listen((_req, res) => res.end());
    const gateway = await openGateway({ target: backend.url });
    await gateway.antract.registry.stop();
    const handshake =
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';
    const { status, error } = await exchange(gateway.port, handshake, PART);
    expect({ status, error }).toEqual({ status: 503, error: undefined });
  });

  it('is not lost when a drain ends a long poll whose body is still arriving', async () => {
    const antract = createAntract({
      logger: silentLogger,
      longLived: 'close',
      isLongLived: () => true,
    });
    const pause = antract.pause();
    const site = await listen((req, res) => pause(req, res, () => undefined));
    const client = await Uploader.connect(site.port);
    const arrived = once(site.server, 'request');
    client.send(post(LENGTH), PART);
    await arrived;
    await antract.enable();
    expect(await client.answer()).toContain('ERR_ANTRACT_LONG_POLL');
    expect(await client.finish()).toBeUndefined();
    await antract.close();
  });

  it('is not lost when Node can not parse the request', async () => {
    const backend = await listen((_req, res) => res.end());
    const gateway = await openGateway({ target: backend.url });
    const bad = [
      ['GET / HTTP/1.1\r\nHost: a\r\nX: ', Buffer.alloc(100_000, 'x')],
      ['no request\r\n\r\n', PART],
      // Node demands a host, and answers by itself.
      ['POST / HTTP/1.1\r\nContent-Length: 100000000\r\nConnection: close\r\n\r\n', PART],
    ];
    const outcomes: unknown[] = [];
    for (const sent of bad) {
      const { status, error } = await exchange(gateway.port, ...sent);
      outcomes.push([status, error]);
    }
    expect(outcomes).toEqual([
      [431, undefined],
      [400, undefined],
      [400, undefined],
    ]);
  });
});

describe('a connection that was ended during an upload', () => {
  it('processes no request that follows the upload', async () => {
    const { antract, site, served } = await stoppedSite({ spool: { maxBody: 5 } });
    await antract.enable();
    const accepted = once(site.server, 'connection') as Promise<[Socket]>;
    const client = await Uploader.connect(site.port);
    const [connection] = await accepted;
    client.send(post('Content-Length: 10\r\n', '/upload'), 'xxxxx');
    expect(await client.answer()).toContain('ERR_ANTRACT_BODY_TOO_LARGE');
    await antract.disable();
    client.send('xxxxx', 'GET /second HTTP/1.1\r\nHost: a\r\n\r\n');
    const closed = once(connection, 'close');
    client.socket.end();
    await closed;
    expect(served).toEqual([]);
    await antract.close();
  });

  it('is closed after two seconds, even if its client never stops sending', async () => {
    const { site } = await stoppedSite();
    const accepted = once(site.server, 'connection') as Promise<[Socket]>;
    const client = await Uploader.connect(site.port);
    client.send(post(`${LENGTH}Connection: close\r\n`));
    const [connection] = await accepted;
    await client.answer();
    const timer = setInterval(() => client.send(PART), 10);
    await client.closed;
    clearInterval(timer);
    expect(connection.destroyed).toBe(true);
    expect(['EPIPE', 'ECONNRESET']).toContain(client.error);
  });

  it('is closed at once when its client ends', async () => {
    const { site } = await stoppedSite();
    const accepted = once(site.server, 'connection') as Promise<[Socket]>;
    const client = await Uploader.connect(site.port);
    client.send(post(`${LENGTH}Connection: close\r\n`));
    const [connection] = await accepted;
    await client.answer();
    const closed = once(connection, 'close');
    client.socket.end();
    await closed;
    expect(client.error).toBeUndefined();
  });

  it('is still read when its handler had left the upload unread until it stopped', async () => {
    const antract = createAntract({ logger: silentLogger });
    const pause = antract.pause();
    const site = await listen(() => undefined);
    await antract.registry.stop();
    const client = await Uploader.connect(site.port);
    const arrived = once(site.server, 'request') as Promise<[IncomingMessage, ServerResponse]>;
    client.send(post(`${LENGTH}Connection: close\r\n`));
    const [req, res] = await arrived;
    // More than Node and both kernels keep.
    while (client.socket.writableLength < 20_000_000) client.send(PART);
    await eventually('the upload is unread', () => req.readableLength >= req.readableHighWaterMark);
    pause(req, res, () => undefined);
    expect(await client.answer()).toContain('ERR_ANTRACT_STOPPED');
    expect(await client.finish()).toBeUndefined();
  });

  it('delays a shutdown until its client has ended', async () => {
    const backend = await listen((_req, res) => res.end());
    const gateway = await openGateway({ target: backend.url, shutdownTimeout: '1h' });
    await gateway.antract.enable();
    const held = nextEvent(gateway.antract, 'held');
    const client = await Uploader.connect(gateway.port);
    client.send(post(LENGTH), PART);
    await held;
    const closed = gateway.close();
    expect(await client.answer()).toContain('ERR_ANTRACT_SHUTDOWN');
    expect(await client.finish()).toBeUndefined();
    await closed;
  });
});
