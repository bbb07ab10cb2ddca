/** One suite for every kind of server; what only HTTP/1.1 or only http2 has comes after it. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Server, Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createAntract, type AntractOptions } from '../../lib/index.ts';
import { Client } from '../support/exchange.ts';
import { readUntil } from '../support/http.ts';
import { KINDS, open, type Middleware, type ServerKind } from '../support/servers.ts';
import { nextEvent, untilHeld } from '../support/next-event.ts';
import { silentLogger } from '../support/silent-logger.ts';

const storage = new AsyncLocalStorage<string>();
const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

const KB = 1024;
const SIZES = [0, KB, 300 * KB, 2 * KB * KB];
const bodyOf = (size: number): Buffer => randomBytes(size);
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** What the backend was given, as it tells its client. */
interface Report {
  url: string;
  bytes: number;
  sha256: string;
  heldMs: string | null;
  headers: number;
  context: string;
}

interface Setup extends AntractOptions {
  /** Mounted ahead of the gate. */
  ahead?: Middleware;
  /** Awaited before the answer. */
  answerAfter?: (req: IncomingMessage) => Promise<unknown>;
}

async function start(kind: ServerKind, { ahead, answerAfter, ...options }: Setup = {}) {
  const antract = createAntract({ logger: silentLogger, ...options });
  const served: string[] = [];
  const inContext: Middleware = (req, _res, next) => storage.run(req.url ?? '', next);
  const middlewares = [...(ahead ? [ahead] : []), inContext, antract.pause()];
  const site = await open(kind, middlewares, async (req) => {
    served.push(req.url ?? '');
    const context = storage.getStore() ?? '';
    await answerAfter?.(req);
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of req) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
    return JSON.stringify({
      url: req.url ?? '',
      bytes,
      sha256: hash.digest('hex'),
      heldMs: (req.headers['x-antract-held-ms'] as string | undefined) ?? null,
      headers: Object.keys(req.headers).filter((name) => name.startsWith('x-many-')).length,
      context: context === storage.getStore() ? context : 'lost',
    } satisfies Report);
  });
  const client = new Client(site);
  cleanUps.push(
    () => antract.close(),
    () => site.close(),
    () => client.close(),
  );
  const held = (count: number): Promise<void> => untilHeld(antract, count);
  const noneHeld = async (): Promise<void> => {
    while (antract.status().held > 0) await nextEvent(antract, 'abandoned');
  };
  /** A request from the beginning to the end: whatever was under way before it is over by then. */
  const probe = async () => (await client.send({ path: '/probe' }).answer).status;
  return { antract, registry: antract.registry, site, client, served, held, noneHeld, probe };
}

const reported = (body: string): Report => JSON.parse(body) as Report;

/** Something that a test opens when it is time. */
function gate() {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open, opened };
}

const named = (protocol?: ServerKind['protocol']): [string, ServerKind][] =>
  KINDS.filter((kind) => !protocol || kind.protocol === protocol).map((kind) => [kind.name, kind]);

describe.each(named())('%s', (_name, kind) => {
  it('passes a request while running, counts it, and adds nothing to it', async () => {
    const arrived = gate();
    const mayAnswer = gate();
    const { antract, client } = await start(kind, {
      answerAfter: () => (arrived.open(), mayAnswer.opened),
    });
    const exchange = client.send({ path: '/a?b=c', headers: { 'X-Antract-Held-Ms': '4711' } });
    await arrived.opened;
    expect(antract.status()).toMatchObject({ phase: 'running', held: 0, inFlight: 1 });
    mayAnswer.open();
    const answer = await exchange.answer;
    expect(answer.status).toBe(200);
    expect(answer.headers).not.toHaveProperty('server-timing');
    expect(reported(answer.body)).toMatchObject({ url: '/a?b=c', heldMs: null });
    await antract.enable();
    expect(await antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    expect(antract.status().inFlight).toBe(0);
  });

  it('holds requests and releases them in order, with complete bodies', async () => {
    const { antract, client, served, held } = await start(kind);
    await antract.enable();
    const bodies = SIZES.map(bodyOf);
    const exchanges = [];
    for (const [i, body] of bodies.entries()) {
      exchanges.push(client.send({ path: `/${i}`, method: 'POST', body }));
      await held(i + 1);
    }
    expect(served).toEqual([]);
    expect(await antract.disable()).toMatchObject({ held: bodies.length });
    const answers = await Promise.all(exchanges.map(({ answer }) => answer));
    expect(served).toEqual(bodies.map((_body, i) => `/${i}`));
    expect(answers.map(({ body }) => reported(body).sha256)).toEqual(bodies.map(sha256));
  });

  it('continues an upload that is still arriving when it is released', async () => {
    const { antract, client, served, held } = await start(kind);
    await antract.enable();
    const body = bodyOf(2 * KB * KB);
    const cut = 300 * KB;
    const exchange = client.send({
      path: '/up',
      method: 'POST',
      headers: { 'content-length': body.length },
      body: body.subarray(0, cut),
      more: true,
    });
    await Promise.all([held(1), exchange.sent]);
    const released = nextEvent(antract, 'released');
    await antract.disable();
    await released;
    expect(antract.status()).toMatchObject({ phase: 'running', held: 0, inFlight: 1 });
    exchange.end(body.subarray(cut));
    expect(reported((await exchange.answer).body).sha256).toBe(sha256(body));
    expect(served).toEqual(['/up']);
  });

  it('reports to the client and the backend how long a request was held', async () => {
    const { antract, client, held } = await start(kind);
    await antract.enable();
    const exchange = client.send({ path: '/', headers: { 'X-Antract-Held-Ms': '4711' } });
    await held(1);
    await antract.disable();
    const { headers, body } = await exchange.answer;
    const { heldMs } = reported(body);
    expect(heldMs).toMatch(/^\d{1,4}$/);
    expect(heldMs).not.toBe('4711');
    expect(headers['server-timing']).toBe(`antract;dur=${heldMs}`);
  });

  it('keeps the async context of a request, not that of the code that releases it', async () => {
    const { antract, client, held } = await start(kind);
    await antract.enable();
    const exchanges = [0, 300 * KB].map((size) =>
      client.send({ path: `/${size}`, method: 'POST', body: bodyOf(size) }),
    );
    await held(exchanges.length);
    await storage.run('the operator', () => antract.disable());
    const answers = await Promise.all(exchanges.map(({ answer }) => answer));
    expect(answers.map(({ body }) => reported(body).context)).toEqual(['/0', `/${300 * KB}`]);
  });

  it.each([
    ['no body', { method: 'GET' }],
    ['a body, all of it sent', { method: 'POST', body: bodyOf(300 * KB) }],
    [
      'a body, part of it sent',
      {
        method: 'POST',
        headers: { 'content-length': 2 * KB * KB },
        body: bodyOf(300 * KB),
        more: true,
      },
    ],
  ])('notices who leaves while held, and never serves them: %s', async (_body, asked) => {
    const { antract, client, served, held, noneHeld, probe } = await start(kind);
    await antract.enable();
    const stays = client.send({ path: '/stays' });
    await held(1);
    const leaves = client.send({ path: '/leaves', ...asked });
    await Promise.all([held(2), leaves.sent]);
    const abandoned = nextEvent(antract, 'abandoned');
    leaves.leave();
    expect(await abandoned).toMatchObject([{ path: '/leaves' }]);
    expect(antract.status().held).toBe(1);
    await antract.disable();
    expect((await stays.answer).status).toBe(200);
    await noneHeld();
    expect(await probe()).toBe(200);
    expect(served).toEqual(['/stays', '/probe']);
  });

  it('neither counts nor serves a request whose client disconnected before the middleware ran', async () => {
    const arrived = gate();
    const mayGo = gate();
    const left = gate();
    const ahead: Middleware = (req, res, next) => {
      if (req.url !== '/leaves') return next();
      res.on('close', left.open);
      arrived.open();
      return void mayGo.opened.then(() => next());
    };
    const { antract, client, served, probe } = await start(kind, { ahead });
    const leaves = client.send({ path: '/leaves' });
    await arrived.opened;
    leaves.leave();
    await left.opened;
    mayGo.open();
    expect(await probe()).toBe(200);
    await antract.enable();
    expect(await antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    expect(served).toEqual(['/probe']);
  });

  it('answers 503 once stopped, also to held requests', async () => {
    const { antract, client, served, held, probe } = await start(kind);
    await antract.enable();
    const exchanges = SIZES.map((size) =>
      client.send({ path: `/${size}`, method: 'POST', body: bodyOf(size) }),
    );
    // A connection that is to be closed would be so before the rest of an upload has arrived.
    await Promise.all([held(SIZES.length), ...exchanges.map(({ sent }) => sent)]);
    await antract.stop('default', { message: 'Back at 10:00.' });
    exchanges.push(client.send({ path: '/later', method: 'POST', body: bodyOf(KB) }));
    for (const { answer } of exchanges) {
      const { status, headers, body } = await answer;
      expect([status, headers['cache-control']]).toEqual([503, 'no-store']);
      expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(30);
      expect(JSON.parse(body)).toMatchObject({
        code: 'ERR_ANTRACT_STOPPED',
        detail: 'Back at 10:00.',
      });
    }
    expect(antract.status()).toMatchObject({ phase: 'stopped', held: 0, inFlight: 0 });
    await antract.disable();
    expect(await probe()).toBe(200);
    expect(served).toEqual(['/probe']);
  });

  it('rejects an upload that is still arriving, and keeps the connection', async () => {
    const { antract, site, client, served, held } = await start(kind);
    const connections = countConnections(site.server);
    const agent = kind.protocol === 'h2' ? undefined : client.createAgent();
    await antract.enable();
    const upload = client.send(
      {
        path: '/up',
        method: 'POST',
        headers: { 'content-length': 2 * KB * KB },
        body: bodyOf(300 * KB),
        more: true,
      },
      agent,
    );
    await Promise.all([held(1), upload.sent]);
    await antract.stop();
    expect((await upload.answer).status).toBe(503);
    upload.end(bodyOf(2 * KB * KB - 300 * KB));
    await antract.disable();
    expect((await client.send({ path: '/next' }, agent).answer).status).toBe(200);
    expect(served).toEqual(['/next']);
    expect(connections()).toBe(1);
  });

  it.each(['is answered', 'is left by its client'])(
    'sees the end of a request in flight once, when it %s',
    async (end) => {
      const arrived = gate();
      const mayAnswer = gate();
      const { antract, client, probe } = await start(kind, {
        answerAfter: (req) =>
          req.url === '/probe' ? Promise.resolve() : (arrived.open(), mayAnswer.opened),
      });
      let drains = 0;
      antract.on('drained', () => void drains++);
      const exchange = client.send({ path: '/slow?secret', method: 'POST', body: bodyOf(KB) });
      await arrived.opened;
      await antract.enable();
      expect(antract.status()).toMatchObject({
        phase: 'pausing',
        inFlight: 1,
        stragglers: [{ method: 'POST', path: '/slow' }],
      });
      const drained = antract.waitForDrain();
      if (end === 'is answered') mayAnswer.open();
      else exchange.leave();
      expect(await drained).toMatchObject({ outcome: 'drained', stragglers: [] });
      // Its handler may still answer, although the client has disconnected.
      mayAnswer.open();
      expect(antract.status()).toMatchObject({ phase: 'paused', inFlight: 0 });
      expect(drains).toBe(1);
      await antract.disable();
      expect(await probe()).toBe(200);
    },
  );

  it('answers HEAD without a body, held or stopped', async () => {
    const { antract, client, held } = await start(kind);
    await antract.enable();
    const exchange = client.send({ path: '/', method: 'HEAD' });
    await held(1);
    await antract.disable();
    expect(await exchange.answer).toMatchObject({ status: 200, body: '' });
    expect((await exchange.answer).headers).toHaveProperty('server-timing');
    await antract.stop();
    expect(await client.send({ path: '/', method: 'HEAD' }).answer).toMatchObject({
      status: 503,
      headers: { 'content-type': 'application/problem+json' },
      body: '',
    });
  });

  it('passes on 200 headers', async () => {
    const { antract, client, held } = await start(kind);
    await antract.enable();
    const headers = Object.fromEntries(
      Array.from({ length: 200 }, (_, i) => [`x-many-${i}`, `value ${i}`]),
    );
    const exchange = client.send({ path: '/', headers });
    await held(1);
    await antract.disable();
    expect(reported((await exchange.answer).body).headers).toBe(200);
  });
});

describe.each(named('http/1.1'))('%s: what only HTTP/1.1 has', (_name, kind) => {
  it('reuses a connection after its requests were held, rejected and released', async () => {
    const { antract, site, client, held } = await start(kind);
    const connections = countConnections(site.server);
    const agent = client.createAgent();
    const send = (path: string) =>
      client.send({ path, method: 'POST', body: bodyOf(300 * KB) }, agent).answer;
    expect((await send('/passes')).status).toBe(200);
    for (const status of [200, 503, 200]) {
      await antract.enable();
      const answer = send(`/${status}`);
      await held(1);
      await (status === 200 ? antract.disable() : antract.stop());
      expect((await answer).status).toBe(status);
    }
    expect(connections()).toBe(1);
  });

  it.each([
    ['`Connection: close`', 'GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    ['HTTP/1.0', 'GET /a HTTP/1.0\r\n\r\n'],
    ['HTTP/1.0 with a body', 'POST /a HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody'],
  ])('ends the connection after the answer to a held request: %s', async (_how, head) => {
    const { antract, client, served, held } = await start(kind);
    await antract.enable();
    const { socket } = await client.connect();
    const text = readUntilClosed(socket);
    socket.write(head);
    await held(1);
    await antract.disable();
    expect(await text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(await text).toMatch(/\r\nConnection: close\r\n/i);
    // HTTP/1.0 has no chunked encoding, and a response that ends with its connection needs none.
    if (head.includes('HTTP/1.0')) expect(await text).not.toMatch(/transfer-encoding/i);
    expect(served).toEqual(['/a']);
  });

  it('keeps the connection of an HTTP/1.0 client that asks for it', async () => {
    const { antract, client, held } = await start(kind);
    const { socket } = await client.connect();
    for (const path of ['/1', '/2']) {
      await antract.enable();
      socket.write(`GET ${path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`);
      await held(1);
      await antract.disable();
      expect(await readUntil(socket, (text) => text.includes(`"${path}"`))).toContain(' 200 OK');
    }
  });

  it('answers pipelined requests in order', async () => {
    const { antract, client, served, held } = await start(kind);
    await antract.enable();
    const { socket } = await client.connect();
    socket.write(pipelined('/1', '/2', '/3'));
    await held(3);
    await antract.disable();
    const text = await readUntil(socket, (all) => all.includes('"/3"'));
    expect(text.match(/"url":"\/\d"/g)).toEqual(['"url":"/1"', '"url":"/2"', '"url":"/3"']);
    expect(served).toEqual(['/1', '/2', '/3']);
  });

  it('removes all pipelined requests of a client that disconnects', async () => {
    const { antract, client, served, held, noneHeld, probe } = await start(kind);
    await antract.enable();
    const { socket } = await client.connect();
    socket.write(pipelined('/1', '/2', '/3'));
    await held(3);
    socket.destroy();
    await noneHeld();
    await antract.disable();
    expect(await probe()).toBe(200);
    expect(served).toEqual(['/probe']);
  });

  it.each([
    ['no body', ''],
    ['part of a body', 'x'.repeat(300 * KB)],
  ])('notices a reset: %s', async (_body, sent) => {
    const { antract, client, served, held, noneHeld, probe } = await start(kind);
    await antract.enable();
    const { socket, transport } = await client.connect();
    const length = sent && `Content-Length: ${2 * KB * KB}\r\n`;
    socket.write(`POST /reset HTTP/1.1\r\nHost: a\r\n${length}\r\n${sent}`);
    await held(1);
    // A unix socket has no resets: closing it is all that a client can do.
    if (kind.unix) transport.destroy();
    else transport.resetAndDestroy();
    await noneHeld();
    await antract.disable();
    expect(await probe()).toBe(200);
    expect(served).toEqual(['/probe']);
  });

  it('can not hold a half-closed connection, because Node ends it', async () => {
    const { antract, client, served, held, noneHeld, probe } = await start(kind);
    await antract.enable();
    const { socket } = await client.connect();
    const text = readUntilClosed(socket);
    socket.write('GET /half HTTP/1.1\r\nHost: a\r\n\r\n');
    await held(1);
    socket.end();
    await noneHeld();
    expect(await text).toBe('');
    await antract.disable();
    expect(await probe()).toBe(200);
    expect(served).toEqual(['/probe']);
  });
});

describe.each(named('h2'))('%s: what HTTP/1.1 has not', (_name, kind) => {
  it('releases the streams of one connection in order', async () => {
    const { antract, site, client, served, held } = await start(kind);
    const connections = countConnections(site.server);
    await antract.enable();
    const paths = ['/1', '/2', '/3', '/4'];
    const exchanges = paths.map((path) => client.send({ path }));
    await held(paths.length);
    await antract.disable();
    for (const { answer } of exchanges) expect((await answer).status).toBe(200);
    expect(served).toEqual(paths);
    expect(connections()).toBe(1);
  });

  it('does not let a large held upload block the other streams of its connection', async () => {
    const { antract, client, held } = await start(kind, {
      bypass: (req) => req.url === '/passes',
    });
    await antract.enable();
    const exchanges = [1, 2, 3].map((i) =>
      client.send({ path: `/${i}`, method: 'POST', body: bodyOf(2 * KB * KB) }),
    );
    await held(3);
    const passes = client.send({ path: '/passes', method: 'POST', body: bodyOf(300 * KB) });
    expect((await passes.answer).status).toBe(200);
    await antract.disable();
    for (const { answer } of exchanges) expect((await answer).status).toBe(200);
  });

  it('removes every held stream of a connection that ends', async () => {
    const { antract, client, served, held, noneHeld, probe } = await start(kind);
    await antract.enable();
    client.send({ path: '/1' });
    client.send({ path: '/2', method: 'POST', body: bodyOf(300 * KB), more: true });
    await held(2);
    await client.close();
    await noneHeld();
    await antract.disable();
    expect(await probe()).toBe(200);
    expect(served).toEqual(['/probe']);
  });

  it('notices that the connection was reset', async () => {
    const { antract, client, served, held, noneHeld } = await start(kind);
    await antract.enable();
    client.send({ path: '/1' });
    await held(1);
    client.resetSession();
    await noneHeld();
    await antract.disable();
    expect(served).toEqual([]);
  });

  it('holds a half-closed stream, as every request without a body is one', async () => {
    const { antract, client, held } = await start(kind);
    await antract.enable();
    const exchange = client.send({ path: '/' });
    await held(1);
    await antract.disable();
    expect((await exchange.answer).status).toBe(200);
  });

  it('sends no `Connection` header, neither for a held nor for a rejected request', async () => {
    const { antract, client, held } = await start(kind);
    await antract.enable();
    const exchange = client.send({ path: '/' });
    await held(1);
    await antract.disable();
    expect((await exchange.answer).headers).not.toHaveProperty('connection');
    await antract.stop();
    const refused = await client.send({ path: '/' }).answer;
    expect(refused.status).toBe(503);
    expect(refused.headers).not.toHaveProperty('connection');
  });

  it('leaves HTTP/1.0 clients to Node, which rejects them before any handler', async () => {
    const { antract, client, served } = await start(kind);
    await antract.enable();
    const { socket } = await client.connect();
    const text = readUntilClosed(socket);
    socket.write('GET /a HTTP/1.0\r\n\r\n');
    expect(await text).not.toContain('200 OK');
    expect(antract.status().held).toBe(0);
    expect(served).toEqual([]);
  });
});

const pipelined = (...paths: string[]): string =>
  paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join('');

function countConnections(server: Server): () => number {
  let count = 0;
  server.on('connection', () => void count++);
  return () => count;
}

async function readUntilClosed(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  await once(socket, 'close');
  return text;
}
