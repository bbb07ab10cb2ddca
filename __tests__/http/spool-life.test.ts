import { describe, expect, it } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type http from 'node:http';
import { Writable } from 'node:stream';
import type { Spool } from '../../lib/spool/spooler.ts';
import { body, CONSUMERS, sha256, upload } from '../support/bodies.ts';
import { until } from '../support/eventually.ts';
import { chunk, connect, post, postChunked } from '../support/raw.ts';
import { collected, HOLDS, serve, spooler } from '../support/spooler.ts';

const BIG = body(3 * 1024 * 1024);

/** A property that other code may leave on a request. */
function traces(req: http.IncomingMessage, res: http.ServerResponse): unknown {
  const listeners = (emitter: NodeJS.EventEmitter) =>
    emitter.eventNames().map((name) => [name, emitter.listenerCount(name)]);
  return {
    own: ['push', '_read'].filter((name) => Object.hasOwn(req, name)),
    req: listeners(req),
    res: listeners(res),
  };
}

describe('a held request', () => {
  it('is not spooled when it has no body, or one that Node buffers', async () => {
    const { spooler: store } = await spooler();
    const port = await serve(async (req, res) => {
      const before = traces(req, res);
      const spool = store.begin(req, { res });
      expect(traces(req, res)).toEqual(before);
      spool.release();
      res.end(`${spool.state} ${await CONSUMERS['pipe']!(req)}`);
    });
    for (const size of [0, 1, 1024]) {
      const { text } = await upload(port, { pieces: [body(size)] });
      expect(text).toBe(`idle ${sha256(body(size))}`);
    }
  });

  it('is spooled despite its small body when a handler reads it already', async () => {
    const { spooler: store } = await spooler();
    let early = 0;
    const port = await serve(async (req, res) => {
      req.on('data', (bytes: Buffer) => (early += bytes.length));
      (await collected(store.begin(req, { res }))).release();
      res.end(await CONSUMERS["req.on('data')"]!(req));
    });
    const { text } = await upload(port, { pieces: [body(1024)] });
    expect({ text, early }).toEqual({ text: sha256(body(1024)), early: 1024 });
  });

  it('is an ordinary request without patches after it was read', async () => {
    const { spooler: store } = await spooler();
    const port = await serve(async (req, res) => {
      const closes = () => req.listenerCount('close') + res.listenerCount('close');
      const before = closes();
      const spool = await collected(store.begin(req, { res }));
      expect(closes()).toBeGreaterThan(before);
      spool.release();
      const hash = createHash('sha256');
      req.on('data', (bytes: Buffer) => hash.update(bytes));
      await once(req, 'end');
      expect(spool.state).toBe('done');
      expect(traces(req, res)).toMatchObject({ own: [] });
      expect(closes()).toBe(before);
      res.end(hash.digest('hex'));
    });
    expect(await upload(port, { pieces: [BIG] })).toEqual({ status: 200, text: sha256(BIG) });
  });

  it('keeps a property of the same name that other code has set', async () => {
    const { spooler: store } = await spooler();
    let seen = 0;
    const port = await serve(async (req, res) => {
      const push = req.push.bind(req);
      const theirs = (bytes: Buffer | null) => {
        seen += bytes?.length ?? 0;
        return push(bytes);
      };
      Object.defineProperty(req, 'push', { value: theirs, configurable: true, enumerable: true });
      (await collected(store.begin(req, { res }))).release();
      const digest = await CONSUMERS['pipe']!(req);
      expect(Object.getOwnPropertyDescriptor(req, 'push')).toMatchObject({
        value: theirs,
        enumerable: true,
        writable: false,
      });
      res.end(digest);
    });
    expect(await upload(port, { pieces: [BIG] })).toEqual({ status: 200, text: sha256(BIG) });
    expect(seen).toBe(BIG.length);
  });

  it.each(['pipe', "req.on('data')", 'readable events'])(
    'serves readers that were attached before the hold (%s)',
    async (consumer) => {
      const { spooler: store } = await spooler();
      const port = await serve(async (req, res) => {
        const early = CONSUMERS[consumer]!(req);
        (await collected(store.begin(req, { res }))).release();
        res.end(await early);
      });
      for (const size of [1, 65 * 1024, BIG.length]) {
        for (const chunked of [false, true]) {
          const { text } = await upload(port, { pieces: [body(size)], chunked });
          expect({ size, text }).toEqual({ size, text: sha256(body(size)) });
        }
      }
    },
  );

  it('gives the next handler what an earlier listener would have taken', async () => {
    const { spooler: store } = await spooler();
    const port = await serve(async (req, res) => {
      let early = 0;
      req.on('data', (bytes: Buffer) => (early += bytes.length));
      (await collected(store.begin(req, { res }))).release();
      const digest = await CONSUMERS["req.on('data')"]!(req);
      res.end(`${early} ${digest}`);
    });
    for (const size of [1, 65 * 1024, BIG.length]) {
      const { text } = await upload(port, { pieces: [body(size)], chunked: true });
      expect(text).toBe(`${size} ${sha256(body(size))}`);
    }
  });

  it('keeps its trailers', async () => {
    const { spooler: store } = await spooler();
    const port = await serve(async (req, res) => {
      (await collected(store.begin(req, { res }))).release();
      const digest = await CONSUMERS['for await']!(req);
      res.end(`${digest} ${req.trailers['x-sum']} ${req.rawTrailers.join()}`);
    });
    for (const size of [0, 1, 65 * 1024, BIG.length]) {
      const trailers = { 'X-Sum': 'abc' };
      const { text } = await upload(port, { pieces: [body(size)], chunked: true, trailers });
      expect(text).toBe(`${sha256(body(size))} abc X-Sum,abc`);
    }
  });

  it.each([
    ['a slow reader', 0],
    ['a slow reader', 5],
    ['for await', 5],
  ])('is read to its end after an early response (%s, after %i turns)', async (consumer, turns) => {
    const { spooler: store } = await spooler();
    for (const hold of Object.keys(HOLDS)) {
      let read: Promise<string> | undefined;
      const port = await serve(async (req, res) => {
        if (req.url === '/next') {
          res.end('next');
          return;
        }
        (await HOLDS[hold]!(() => store.begin(req, { res }), req)).release();
        for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate);
        read = CONSUMERS[consumer]!(req);
        res.end('early');
      });
      const client = await connect(port);
      // Where the hold does not wait for the end, the end comes after the answer.
      const first = hold.includes('arriving') || hold.includes('no time') ? 2_000_000 : BIG.length;
      client.send(post(BIG.length), BIG.subarray(0, first));
      await client.hears('early');
      client.send(BIG.subarray(first), post(0, '/next'));
      await client.hears('next');
      expect({ hold, digest: await read }).toEqual({ hold, digest: sha256(BIG) });
    }
  });

  it.each(['with a length', 'chunked'])(
    'keeps its small body for a handler that responds early: %s',
    async (framing) => {
      const { spooler: store } = await spooler();
      const bytes = body(9000);
      let read: Promise<string> | undefined;
      let request: http.IncomingMessage | undefined;
      const port = await serve(async (req, res) => {
        request = req;
        const spool = store.begin(req, { res });
        await until(() => req.complete && spool.state !== 'collecting');
        spool.release();
        for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
        read = CONSUMERS['a slow reader']!(req);
        res.end('early');
      });
      const client = await connect(port);
      client.send(framing === 'chunked' ? postChunked() : post(bytes.length));
      await until(() => request !== undefined);
      const before = request?.socket.bytesRead ?? 0;
      // In pieces: one is what a first read takes.
      for (let at = 0; at < bytes.length; at += 3000) {
        const piece = bytes.subarray(at, at + 3000);
        client.send(framing === 'chunked' ? chunk(piece) : piece);
        await until(() => (request?.socket.bytesRead ?? 0) >= before + at + 3000);
      }
      if (framing === 'chunked') client.send(chunk(Buffer.alloc(0)));
      await client.hears('early');
      expect(await read).toBe(sha256(bytes));
    },
  );

  it('is discarded by Node when it is answered unread, and its connection stays open', async () => {
    const { spooler: store } = await spooler();
    let closed = 0;
    const port = await serve(async (req, res) => {
      req.on('close', () => (closed += 1));
      if (req.url === '/held') (await collected(store.begin(req, { res }))).release();
      res.end('unread');
    });
    const client = await connect(port);
    client.send(post(BIG.length, '/held'), BIG, post(0, '/next'));
    await client.hears('unread', 2);
    expect(client.received().match(/unread/g)).toHaveLength(2);
    await until(() => closed === 2);
    await until(() => store.files === 0);
  });

  it('keeps the order of pipelined requests, each with its own body', async () => {
    const { spooler: store } = await spooler();
    const port = await serve(async (req, res) => {
      (await collected(store.begin(req, { res }))).release();
      res.end(`<${await CONSUMERS['pipe']!(req)}>`);
    });
    const client = await connect(port);
    const sizes = [300_000, 1, 0, 70_000, 3_000_000];
    for (const size of sizes) client.send(post(size), body(size));
    await client.hears('>', sizes.length);
    const digests = [...client.received().matchAll(/<(\w+)>/g)].map((match) => match[1]);
    expect(digests).toEqual(sizes.map((size) => sha256(body(size))));
  });

  it('is passed on in its own async context', async () => {
    const { spooler: store } = await spooler({ memory: 1024 });
    const context = new AsyncLocalStorage<string>();
    const spools: Spool[] = [];
    const port = await serve((req, res) =>
      context.run(String(req.url), async () => {
        const spool = await collected(store.begin(req, { res }));
        spools.push(spool);
        await until(() => spools.length === 2);
        spool.release();
        const seen = new Set<string | undefined>();
        req.on('data', () => seen.add(context.getStore()));
        await once(req, 'end');
        res.end([...seen, context.getStore()].join());
      }),
    );
    const options = { pieces: [body(300_000)] };
    const answers = await Promise.all([
      upload(port, { ...options, path: '/a' }),
      upload(port, { ...options, path: '/b' }),
    ]);
    expect(answers.map(({ text }) => text)).toEqual(['/a,/a', '/b,/b']);
  });

  it('passes through two instances that hold it one after the other', async () => {
    const { spooler: first } = await spooler({ memory: 1024 });
    const { spooler: second } = await spooler({ memory: 1024 });
    const port = await serve(async (req, res) => {
      const outer = first.begin(req, { res });
      await until(() => outer.state === 'complete' || outer.bytes > 100_000);
      outer.release();
      const inner = second.begin(req, { res });
      await until(() => inner.state !== 'collecting');
      inner.release();
      res.end(await CONSUMERS['pipe']!(req));
    });
    for (const chunked of [false, true]) {
      const answer = await upload(port, { pieces: [BIG, BIG], chunked });
      expect(answer).toEqual({ status: 200, text: sha256(Buffer.concat([BIG, BIG])) });
    }
    expect([first.bytes, second.bytes]).toEqual([0, 0]);
  });

  it('keeps only a little of an upload in memory for a reader that has stopped', async () => {
    const { spooler: store } = await spooler({ memory: 1024 });
    const total = 8 * BIG.length;
    let req!: http.IncomingMessage;
    let spool!: Spool;
    const port = await serve(async (request, res) => {
      req = request;
      spool = store.begin(req, { res });
      await until(() => spool.bytes > BIG.length);
      spool.release();
      const hash = createHash('sha256');
      // Reads as long as the file lasts, one bit at a time, and so asks again and again.
      for await (const bytes of req) {
        hash.update(bytes as Buffer);
        await new Promise(setImmediate);
        // The file is counted until all of it has been read, so what is more is in memory.
        expect(store.bytes - spooled).toBeLessThan(1024 * 1024);
      }
      res.end(hash.digest('hex'));
    });
    let spooled = 0;
    const answer = upload(port, { pieces: Array.from({ length: 8 }, () => BIG) });
    await until(() => spool?.state === 'replaying');
    spooled = store.bytes;
    expect(spooled).toBeLessThan(total);
    const expected = createHash('sha256');
    for (let piece = 0; piece < 8; piece += 1) expected.update(BIG);
    expect(await answer).toEqual({ status: 200, text: expected.digest('hex') });
  });
});

describe('a client of a spooled request that disconnects', () => {
  it.each([
    ['having sent nothing of it', 0],
    ['having sent a little', 1000],
    ['having sent part of it', 300_000],
    ['having sent all of it', BIG.length],
  ])('%s is noticed while it is held, and its spool is deleted', async (_how, sent) => {
    const { spooler: store } = await spooler();
    let spool: Spool | undefined;
    let left = false;
    let before: unknown;
    let after: unknown;
    const port = await serve((req, res) => {
      before = traces(req, res);
      spool = store.begin(req, { res });
      res.on('close', () => {
        left = true;
        setImmediate(() => (after = traces(req, res)));
      });
    });
    const client = await connect(port);
    client.send(post(BIG.length), BIG.subarray(0, sent));
    await until(() => spool !== undefined && spool.bytes === sent);
    client.socket.resetAndDestroy();
    await until(() => left && after !== undefined && store.files === 0);
    expect(spool?.state).toBe('done');
    expect(store.bytes).toBe(0);
    expect(after).toMatchObject({ own: [], req: (before as { req: unknown }).req });
  });

  it('in the middle of a replay causes an error for the reader, and its file is deleted', async () => {
    const { spooler: store } = await spooler();
    let outcome: Promise<unknown> | undefined;
    let aborted = false;
    let spool: Spool | undefined;
    let go!: () => void;
    const went = new Promise<void>((resolve) => (go = resolve));
    const port = await serve(async (req, res) => {
      req.on('aborted', () => (aborted = true));
      spool = await collected(store.begin(req, { res }));
      spool.release();
      outcome = (async () => {
        for await (const bytes of req) {
          void bytes;
          await went;
        }
      })().catch((error: unknown) => error);
    });
    const client = await connect(port);
    client.send(post(BIG.length), BIG);
    await until(() => outcome !== undefined);
    expect(store.files).toBe(1);
    client.socket.resetAndDestroy();
    await until(() => aborted && store.files === 0);
    go();
    expect(await outcome).toMatchObject({ code: 'ECONNRESET', message: 'aborted' });
    expect([spool?.state, store.bytes]).toEqual(['done', 0]);
  });

  it('after a part of its body causes an error for the reader, never a short body', async () => {
    const { spooler: store } = await spooler();
    let outcome: unknown;
    const port = await serve(async (req, res) => {
      const spool = store.begin(req, { res });
      await until(() => spool.bytes === 300_000);
      spool.release();
      outcome = await CONSUMERS['for await']!(req).catch((error: unknown) => error);
    });
    const client = await connect(port);
    client.send(post(BIG.length), BIG.subarray(0, 300_000));
    await until(() => store.bytes === 0 && client.socket.bytesWritten > 300_000);
    client.socket.end();
    await until(() => outcome !== undefined);
    expect(outcome).toMatchObject({ code: 'ECONNRESET' });
    await until(() => store.files === 0);
  });
});

describe('a spooled request that ends early', () => {
  it('is discarded when its response ends while it is held', async () => {
    const { spooler: store } = await spooler();
    const spools: Spool[] = [];
    const port = await serve(async (req, res) => {
      if (req.url === '/next') {
        res.end('next');
        return;
      }
      const spool = store.begin(req, { res });
      spools.push(spool);
      await until(() => spool.state === 'complete' || spool.bytes > 200_000);
      req.on('close', () => spools.push(spool));
      res.end('meanwhile');
    });
    for (const sent of [BIG.length, 300_000]) {
      spools.length = 0;
      const client = await connect(port);
      client.send(post(BIG.length), BIG.subarray(0, sent));
      await client.hears('meanwhile');
      client.send(BIG.subarray(sent), post(0, '/next'));
      await client.hears('next');
      await until(() => spools.length === 2 && store.files === 0);
      expect([spools[0]?.state, store.bytes]).toEqual(['done', 0]);
    }
  });

  it('is discarded without `res` when its response ends', async () => {
    const { spooler: store } = await spooler();
    let closed = false;
    const port = await serve(async (req, res) => {
      req.on('close', () => (closed = true));
      await collected(store.begin(req));
      res.end('meanwhile');
    });
    await upload(port, { pieces: [BIG] });
    await until(() => closed && store.files === 0);
    expect(store.bytes).toBe(0);
  });

  it('is discarded without `res`, also with an earlier listener', async () => {
    const { spooler: store } = await spooler();
    let closed = false;
    const port = await serve(async (req, res) => {
      req.on('close', () => (closed = true)).on('data', () => undefined);
      const spool = store.begin(req);
      await until(() => spool.bytes > 100_000);
      res.end('meanwhile');
    });
    const client = await connect(port);
    client.send(post(BIG.length), BIG.subarray(0, 500_000));
    await client.hears('meanwhile');
    client.send(BIG.subarray(500_000));
    await until(() => closed && store.files === 0);
    expect(store.bytes).toBe(0);
  });

  it('loses its file when a handler destroys it in the middle of a replay', async () => {
    const { spooler: store } = await spooler();
    let spool!: Spool;
    const port = await serve(async (req, res) => {
      spool = await collected(store.begin(req, { res }));
      spool.release();
      req.once('data', () => req.destroy());
    });
    const client = await connect(port);
    client.send(post(BIG.length), BIG);
    await once(client.socket, 'close');
    await until(() => store.files === 0);
    expect([spool.state, store.bytes]).toEqual(['done', 0]);
  });

  it('is discarded once for any number of calls', async () => {
    const { spooler: store } = await spooler();
    const port = await serve(async (req, res) => {
      const spool = await collected(store.begin(req, { res }));
      spool.discard();
      spool.discard();
      spool.release();
      expect([spool.state, store.bytes]).toEqual(['done', 0]);
      res.writeHead(503).end();
    });
    expect(await upload(port, { pieces: [BIG] })).toMatchObject({ status: 503 });
    await until(() => store.files === 0);
  });

  it('reports that the body is too large, with and without a length', async () => {
    const { spooler: store } = await spooler({ maxBody: '100kb' });
    const port = await serve(async (req, res) => {
      let told = '';
      const spool = store.begin(req, { res, onOverflow: (state) => (told = state) });
      await until(() => isKnown(spool));
      const answer = `${spool.state} ${told}`;
      spool.discard();
      res.writeHead(413, { connection: 'close' }).end(answer);
    });
    const isKnown = (spool: Spool) => spool.state !== 'collecting';
    const exact = body(100 * 1024);
    expect(await upload(port, { pieces: [exact] })).toMatchObject({ text: 'complete ' });
    expect(await upload(port, { pieces: [exact], chunked: true })).toMatchObject({
      text: 'complete ',
    });
    const client = await connect(port);
    client.send(post(100 * 1024 + 1));
    await client.hears('too-large \r\n');
    expect(client.received()).toContain('413');
    const other = await connect(port);
    other.send(postChunked(), chunk(body(100 * 1024)), chunk(Buffer.from('x')));
    await other.hears('too-large too-large');
    expect(other.received()).toContain('413');
    await until(() => store.files === 0);
    expect(store.bytes).toBe(0);
  });

  it('is read to its end by a reader that pauses until long after its response', async () => {
    const { spooler: store } = await spooler();
    let rest: Promise<string> | undefined;
    let first: Buffer | undefined;
    const port = await serve(async (req, res) => {
      (await collected(store.begin(req, { res }))).release();
      req.once('readable', () => {
        first = req.read() as Buffer;
        res.on('close', () => (rest = CONSUMERS['pipe']!(req)));
        res.end('answered');
      });
    });
    const client = await connect(port);
    client.send(post(BIG.length), BIG);
    await until(() => rest !== undefined);
    expect(await rest).toBe(sha256(BIG.subarray(first?.length)));
    await until(() => store.files === 0);
  });
});

describe('a spool whose request is read through a stream', () => {
  it('fills a writable that pauses and resumes', async () => {
    const { spooler: store } = await spooler({ memory: 0 });
    const port = await serve(async (req, res) => {
      (await collected(store.begin(req, { res }))).release();
      let length = 0;
      const sink = new Writable({
        highWaterMark: 1,
        write(bytes: Buffer, _encoding, done) {
          length += bytes.length;
          setImmediate(done);
        },
      });
      await once(req.pipe(sink), 'finish');
      res.end(String(length));
    });
    expect(await upload(port, { pieces: [BIG] })).toMatchObject({ text: String(BIG.length) });
  });
});
