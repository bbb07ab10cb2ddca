/** Uploads whose body begins later than their headers. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { killBackends, startBackend } from '../support/backend.ts';
import { closeGateways, openGateway, type OpenGateway } from '../support/gateway.ts';
import { closeAll, connect, listen, request } from '../support/http.ts';
import { nextEvent } from '../support/next-event.ts';
import { until } from '../support/eventually.ts';

afterEach(async () => {
  await closeGateways();
  await killBackends();
  await closeAll();
});

interface Upload {
  readonly client: ClientRequest;
  readonly answer: Promise<{ status: number; body: string }>;
}

/** Sends the headers of an upload, and nothing else. */
function begin(url: string, { method = 'POST', headers = {} } = {}): Upload {
  const client = http.request(url, {
    method,
    agent: false,
    headers: { 'content-length': 10, ...headers },
  });
  client.flushHeaders();
  const answer = once(client, 'response').then(async ([res]: IncomingMessage[]) => ({
    status: res?.statusCode ?? 0,
    body: await text(res as IncomingMessage),
  }));
  answer.catch(() => undefined);
  return { client, answer };
}

async function inFlight({ antract }: OpenGateway, count: number): Promise<void> {
  await until(() => antract.status().inFlight === count);
}

/** A backend that says how many bytes it got. */
async function countingBackend() {
  const received: string[] = [];
  const connections = new Set<Socket>();
  const backend = await listen(async (req, res) => {
    received.push(`${req.method} ${req.url}`);
    res.end(String((await text(req)).length));
  });
  backend.server.on('connection', (socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
  });
  return { ...backend, received, connections };
}

describe('an upload whose body begins late', () => {
  it('succeeds although the backend has closed its idle connections in the meantime', async () => {
    const backend = await countingBackend();
    const gateway = await openGateway({ target: backend.url });
    await request(gateway.url);
    const { client, answer } = begin(gateway.url);
    await inFlight(gateway, 1);
    backend.server.closeIdleConnections();
    for (const connection of backend.connections) connection.destroy();
    await until(() => backend.connections.size === 0);
    client.end('0123456789');
    expect(await answer).toEqual({ status: 200, body: '10' });
  });

  it('is sent exactly once although the backend is restarted between headers and body', async () => {
    const backend = await startBackend();
    const gateway = await openGateway({ target: backend.url });
    await Promise.all(Array.from({ length: 20 }, () => request(`${gateway.url}/?ms=20`)));
    const uploads = Array.from({ length: 20 }, (_, i) => begin(`${gateway.url}/upload/${i}`));
    await inFlight(gateway, 20);
    await backend.kill();
    await backend.start();
    for (const { client } of uploads) client.end('0123456789');
    const statuses = (await Promise.all(uploads.map(({ answer }) => answer))).map(
      ({ status }) => status,
    );
    expect(statuses).toEqual(statuses.map(() => 200));
    const arrived = backend.seen().filter((url) => url.startsWith('/upload/'));
    expect(arrived.sort()).toEqual(uploads.map((_, i) => `/upload/${i}`).sort());
  });

  it('is held until the backend answers when its body begins while the backend is down', async () => {
    const backend = await startBackend();
    const gateway = await openGateway({ target: backend.url });
    await request(gateway.url);
    const { client, answer } = begin(`${gateway.url}/upload`);
    await inFlight(gateway, 1);
    await backend.kill();
    const held = nextEvent(gateway.antract, 'held');
    client.end('0123456789');
    await held;
    await backend.start();
    expect((await answer).status).toBe(200);
    expect(backend.journal().at(-1)).toMatchObject({ url: '/upload', bytes: 10 });
  });

  it('does not delay a drain: it is held, because nothing of it was sent', async () => {
    const backend = await countingBackend();
    const gateway = await openGateway({ target: backend.url });
    const { client, answer } = begin(gateway.url);
    await inFlight(gateway, 1);
    const drained = nextEvent(gateway.antract, 'drained');
    await gateway.antract.enable();
    await drained;
    expect(gateway.antract.status()).toMatchObject({ phase: 'paused', held: 1, inFlight: 0 });
    client.write('01234');
    await gateway.antract.disable();
    client.end('56789');
    expect(await answer).toEqual({ status: 200, body: '10' });
    expect(backend.received).toEqual(['POST /']);
  });

  it('passes a pause that does not affect it', async () => {
    const backend = await countingBackend();
    const gateway = await openGateway({ target: backend.url });
    const upload = begin(gateway.url);
    const read = begin(gateway.url, { method: 'GET' });
    await inFlight(gateway, 2);
    await gateway.antract.enable('default', { only: 'writes' });
    await until(() => gateway.antract.status().held === 1);
    read.client.end('0123456789');
    expect(await read.answer).toEqual({ status: 200, body: '10' });
    expect(gateway.antract.status()).toMatchObject({ probe: null, held: 1 });
    await gateway.antract.disable();
    upload.client.end('0123456789');
    expect((await upload.answer).status).toBe(200);
  });

  it('is answered 503 when its app is stopped in the meantime', async () => {
    const backend = await countingBackend();
    const gateway = await openGateway({ target: backend.url });
    const { answer } = begin(gateway.url);
    await inFlight(gateway, 1);
    await gateway.antract.stop();
    expect((await answer).status).toBe(503);
    expect(backend.received).toEqual([]);
  });

  it('is never sent when its client disconnects before', async () => {
    const backend = await countingBackend();
    const gateway = await openGateway({ target: backend.url });
    const { client } = begin(gateway.url);
    await inFlight(gateway, 1);
    client.on('error', () => undefined).destroy();
    await inFlight(gateway, 0);
    expect((await request(`${gateway.url}/next`)).status).toBe(200);
    expect(backend.received).toEqual(['GET /next']);
  });

  it('never reaches the backend when it is pipelined and its client disconnects before', async () => {
    const received: string[] = [];
    const backend = await listen((req, res) => {
      received.push(`${req.method} ${req.url}`);
      if (req.url === '/later') res.end();
    });
    const gateway = await openGateway({ target: backend.url });
    const socket = await connect(gateway.port);
    const head = 'HTTP/1.1\r\nHost: x\r\n';
    socket.write(`GET /first ${head}\r\nPOST /gone ${head}Content-Length: 5\r\n\r\n`);
    await inFlight(gateway, 2);
    socket.destroy();
    await inFlight(gateway, 0);
    // The deadline of this one is later.
    const { client, answer } = begin(`${gateway.url}/later`);
    client.on('error', () => undefined);
    expect((await answer).status).toBe(200);
    client.destroy();
    expect(received).toEqual(['GET /first', 'POST /later']);
  }, 20_000);

  it('is sent without its body after a time, because its client may wait for a response', async () => {
    const backend = await listen((_req, res) => {
      res.writeHead(413, { connection: 'close' }).end('too large');
    });
    const { url } = await openGateway({ target: backend.url });
    const { client, answer } = begin(url);
    client.on('error', () => undefined);
    expect(await answer).toEqual({ status: 413, body: 'too large' });
    client.destroy();
  }, 20_000);
});

describe('a chunked upload', () => {
  it.each(['', '0123456789'])(
    'arrives complete when its body is %j and ends late',
    async (body) => {
      const backend = await countingBackend();
      const gateway = await openGateway({ target: backend.url });
      const client = http.request(gateway.url, {
        method: 'POST',
        agent: false,
        headers: { 'transfer-encoding': 'chunked' },
      });
      client.flushHeaders();
      const response = once(client, 'response');
      await inFlight(gateway, 1);
      client.end(body);
      const [res] = (await response) as [IncomingMessage];
      expect(await text(res)).toBe(String(body.length));
    },
  );
});
