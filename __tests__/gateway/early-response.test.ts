/** Backends that answer an upload before they have read it, and reset the connection. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import type { GatewayConfig } from '../../lib/gateway/server/gateway.ts';
import { createCertificate } from '../support/certificate.ts';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, connect, readUntil } from '../support/http.ts';
import { nextEvent } from '../support/next-event.ts';

const REFUSED = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n';
const CLOSING = `${REFUSED}Connection: close\r\n\r\ntoo big`;
const PART = Buffer.alloc(64 * 1024);

const servers: Server[] = [];
const sockets: Socket[] = [];
const directories: string[] = [];

afterEach(async () => {
  await closeGateways();
  await closeAll();
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

/** The connections on which a request has begun. Nothing of its body is read after that. */
interface Backend extends Pick<GatewayConfig, 'target' | 'insecure'> {
  readonly connections: Socket[];
  next(): Promise<Socket>;
}

type Kind = 'http' | 'https' | 'unix';

async function deafBackend(kind: Kind = 'http'): Promise<Backend> {
  const connections: Socket[] = [];
  const onConnection = (socket: Socket): void => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.pause();
      connections.push(socket);
      server.emit('begun', socket);
    });
  };
  const server =
    kind === 'https'
      ? tls.createServer(createCertificate(), onConnection)
      : net.createServer(onConnection);
  servers.push(server);
  const directory = mkdtempSync(path.join(tmpdir(), 'antract-test-'));
  directories.push(directory);
  const file = path.join(directory, 's');
  if (kind === 'unix') server.listen(file);
  else server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const target =
    kind === 'unix'
      ? `unix:${file}`
      : `${kind}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    target,
    insecure: kind === 'https',
    connections,
    next: async () => ((await once(server, 'begun')) as [Socket])[0],
  };
}

/** Delivers the response together with a reset, as a `close()` with unread bytes does. */
function answerAndReset(backend: Socket, response: string): void {
  backend.write(response);
  reset(backend);
}

/** Only TCP without TLS can be told to; with anything else there are unread bytes. */
function reset(backend: Socket): void {
  if (backend.remotePort !== undefined && !('encrypted' in backend)) backend.resetAndDestroy();
  else backend.destroy();
}

const isWhole = (text: string): boolean => text.includes('\r\n\r\n') && /[}g]\s*$/.test(text);

type Framing = 'content-length' | 'chunked';

class Upload {
  readonly client: Socket;
  readonly #framing: Framing;
  static readonly PARTS = 40;
  #sent = 0;

  constructor(client: Socket, framing: Framing, headers = '') {
    this.client = client;
    this.#framing = framing;
    const length =
      framing === 'chunked'
        ? 'Transfer-Encoding: chunked'
        : `Content-Length: ${PART.length * Upload.PARTS}`;
    client.write(`POST / HTTP/1.1\r\nHost: a\r\n${length}\r\n${headers}\r\n`);
  }

  sendPart(): boolean {
    this.#sent++;
    if (this.#framing === 'content-length') return this.client.write(PART);
    this.client.write(`${PART.length.toString(16)}\r\n`);
    this.client.write(PART);
    return this.client.write('\r\n');
  }

  async sendRest(): Promise<void> {
    while (this.#sent < Upload.PARTS) {
      if (!this.sendPart()) await once(this.client, 'drain');
    }
    if (this.#framing === 'chunked') this.client.write('0\r\n\r\n');
  }
}

describe("a backend's response that arrives while the rest of an upload is written", () => {
  for (const kind of ['http', 'https', 'unix'] as const) {
    for (const framing of ['content-length', 'chunked'] as const) {
      it(`reaches the client, to a target of ${kind} and with ${framing}`, async () => {
        const backend = await deafBackend(kind);
        const { target, insecure } = backend;
        const gateway = await openGateway({ target, insecure });
        for (let count = 0; count < 20; count++) {
          const upload = new Upload(await connect(gateway.port), framing);
          const answer = readUntil(upload.client, isWhole);
          const begun = backend.next();
          upload.sendPart();
          const connection = await begun;
          // The gateway comes to the next part first, and its write fails, before it reads.
          upload.sendPart();
          answerAndReset(connection, CLOSING);
          await upload.sendRest();
          expect(await answer).toMatch(/^HTTP\/1\.1 413 [^]*too big$/);
        }
        expect(backend.connections).toHaveLength(20);
      });
    }
  }

  it('reaches the client of an upload that was held and is replayed from the spool', async () => {
    const backend = await deafBackend();
    const gateway = await openGateway({ target: backend.target });
    for (let count = 0; count < 20; count++) {
      await gateway.antract.enable();
      const held = nextEvent(gateway.antract, 'held');
      const upload = new Upload(await connect(gateway.port), 'content-length');
      const answer = readUntil(upload.client, isWhole);
      await held;
      await upload.sendRest();
      const begun = backend.next();
      await gateway.antract.disable();
      answerAndReset(await begun, CLOSING);
      expect(await answer).toMatch(/^HTTP\/1\.1 413 [^]*too big$/);
    }
  });

  it('reaches a client that reads it only when it has sent everything', async () => {
    const backend = await deafBackend();
    const gateway = await openGateway({ target: backend.target });
    const upload = new Upload(
      await connect(gateway.port),
      'content-length',
      'Connection: close\r\n',
    );
    const begun = backend.next();
    upload.sendPart();
    const connection = await begun;
    upload.sendPart();
    answerAndReset(connection, CLOSING);
    await upload.sendRest();
    expect(await readUntil(upload.client, isWhole)).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('leads to a new connection for the next request, even if the backend keeps this one', async () => {
    const backend = await deafBackend();
    const gateway = await openGateway({ target: backend.target });
    const client = await connect(gateway.port);
    for (let count = 0; count < 3; count++) {
      const upload = new Upload(client, 'content-length');
      const answer = readUntil(client, isWhole);
      const begun = backend.next();
      upload.sendPart();
      const connection = await begun;
      upload.sendPart();
      answerAndReset(connection, `${REFUSED}Connection: keep-alive\r\n\r\ntoo big`);
      await upload.sendRest();
      expect(await answer).toMatch(/^HTTP\/1\.1 413 /);
    }
    expect(backend.connections).toHaveLength(3);
  });
});

describe('a backend that stops reading an upload', () => {
  it('may keep the connection and send its response slowly', async () => {
    const backend = await deafBackend();
    const gateway = await openGateway({ target: backend.target });
    const request = http.request(gateway.url, { method: 'POST', agent: false });
    request.on('error', () => undefined);
    const begun = backend.next();
    for (let parts = 0; parts < Upload.PARTS; parts++) request.write(PART);
    request.end();
    const connection = await begun;
    connection.write(`${REFUSED}Connection: close\r\n\r\n`);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const letters = 'too big'.split('');
    const sendLetter = (): void => void connection.write(letters.shift() ?? '');
    let body = '';
    sendLetter();
    for await (const data of response) {
      body += String(data);
      sendLetter();
    }
    expect(body).toBe('too big');
    expect(backend.connections).toHaveLength(1);
  });

  it('causes a 502 if it resets the connection without a response', async () => {
    const backend = await deafBackend();
    const gateway = await openGateway({ target: backend.target });
    for (let count = 0; count < 20; count++) {
      const upload = new Upload(await connect(gateway.port), 'content-length');
      const answer = readUntil(upload.client, isWhole);
      const begun = backend.next();
      upload.sendPart();
      const connection = await begun;
      upload.sendPart();
      connection.resetAndDestroy();
      await upload.sendRest();
      expect(await answer).toMatch(/^HTTP\/1\.1 502 /);
    }
    expect(backend.connections).toHaveLength(20);
  });
});
