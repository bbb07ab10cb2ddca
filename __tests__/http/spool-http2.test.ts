import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import http2 from 'node:http2';
import type { Spool } from '../../lib/spool/spooler.ts';
import { body, CONSUMERS, listen, sha256, SIZES, text } from '../support/bodies.ts';
import { until } from '../support/eventually.ts';
import { cleanups, collected, HOLDS, spooler } from '../support/spooler.ts';

const BIG = body(3 * 1024 * 1024);

type Handler = (req: http2.Http2ServerRequest, res: http2.Http2ServerResponse) => unknown;

async function serve2(handler: Handler): Promise<http2.ClientHttp2Session> {
  const server = http2.createServer((req, res) => {
    Promise.resolve(handler(req, res)).catch((error: unknown) => res.end(String(error)));
  });
  const port = await listen(server);
  const session = http2.connect(`http://127.0.0.1:${port}`);
  cleanups.push(() => {
    session.destroy();
    server.close();
  });
  return session;
}

const POST = { ':method': 'POST', ':path': '/' };

async function upload2(session: http2.ClientHttp2Session, bytes: Buffer, length = true) {
  const stream = session.request({
    ...POST,
    ...(length ? { 'content-length': bytes.length } : {}),
  });
  stream.end(bytes);
  return text(stream);
}

describe.each(Object.keys(CONSUMERS))('a held http2 body read with %s', (consumer) => {
  it.each(Object.keys(HOLDS))('arrives complete when held %s', async (hold) => {
    const { spooler: store } = await spooler({ memory: 16 * 1024 });
    const session = await serve2(async (req, res) => {
      const spool = await HOLDS[hold]!(() => store.begin(req, { res }), req);
      spool.release();
      res.end(await CONSUMERS[consumer]!(req));
    });
    for (const size of SIZES) {
      for (const length of [true, false]) {
        const digest = await upload2(session, body(size), length);
        expect({ size, length, digest }).toEqual({ size, length, digest: sha256(body(size)) });
      }
    }
    await until(() => store.files === 0);
    expect(store.bytes).toBe(0);
  });
});

describe('a held http2 request', () => {
  it('keeps its trailers', async () => {
    const { spooler: store } = await spooler();
    const session = await serve2(async (req, res) => {
      (await collected(store.begin(req, { res }))).release();
      const digest = await CONSUMERS['pipe']!(req);
      res.end(`${digest} ${String(req.trailers['x-sum'])}`);
    });
    const stream = session.request(POST, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'abc' }));
    stream.end(BIG);
    expect(await text(stream)).toBe(`${sha256(BIG)} abc`);
  });

  it.each(['pipe', 'a slow reader', "req.on('data')", 'for await'])(
    'is read to its end after an early response (%s)',
    async (consumer) => {
      const { spooler: store } = await spooler();
      let read: Promise<unknown> | undefined;
      const session = await serve2(async (req, res) => {
        (await collected(store.begin(req, { res }))).release();
        read = CONSUMERS[consumer]!(req).catch((error: unknown) => error);
        res.end('early');
      });
      expect(await upload2(session, BIG)).toBe('early');
      expect(await read).toBe(sha256(BIG));
    },
  );

  it.each([0, 1000, 300_000, BIG.length])(
    'is discarded when its client resets it after %i bytes',
    async (sent) => {
      const { spooler: store } = await spooler();
      let spool: Spool | undefined;
      let closed = false;
      const session = await serve2((req, res) => {
        spool = store.begin(req, { res });
        req.on('close', () => (closed = true));
      });
      const stream = session.request(POST);
      stream.on('error', () => undefined);
      stream.write(BIG.subarray(0, sent));
      await until(() => spool !== undefined && spool.bytes === sent);
      stream.close(http2.constants.NGHTTP2_CANCEL);
      await until(() => closed && store.files === 0);
      expect([spool?.state, store.bytes]).toEqual(['done', 0]);
    },
  );

  it('loses its file when the client resets it in the middle of a replay', async () => {
    const { spooler: store } = await spooler();
    let aborted = false;
    const session = await serve2(async (req, res) => {
      req.on('aborted', () => (aborted = true));
      (await collected(store.begin(req, { res }))).release();
      req.once('data', () => req.pause());
    });
    const stream = session.request(POST);
    stream.on('error', () => undefined);
    stream.end(BIG);
    await until(() => store.bytes === BIG.length);
    await until(() => store.bytes < BIG.length);
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await until(() => aborted && store.files === 0);
    expect(store.bytes).toBe(0);
  });

  it('passes through two instances that hold it one after the other', async () => {
    const { spooler: first } = await spooler({ memory: 1024 });
    const { spooler: second } = await spooler({ memory: 1024 });
    const session = await serve2(async (req, res) => {
      const outer = first.begin(req, { res });
      await until(() => outer.bytes > 1_000_000);
      outer.release();
      const inner = second.begin(req, { res });
      await until(() => inner.state === 'complete');
      inner.release();
      res.end(await CONSUMERS['pipe']!(req));
    });
    const bytes = Buffer.concat([BIG, BIG]);
    expect(await upload2(session, bytes)).toBe(sha256(bytes));
    expect([first.bytes, second.bytes]).toEqual([0, 0]);
  });

  it('is closed when it is answered unread, and the rest of its upload is discarded', async () => {
    const { spooler: store } = await spooler();
    const session = await serve2(async (req, res) => {
      const spool = store.begin(req, { res });
      await until(() => spool.bytes > 300_000);
      spool.release();
      res.end('unread');
    });
    const stream = session.request(POST);
    stream.on('error', () => undefined);
    stream.write(BIG);
    stream.resume();
    await once(stream, 'close');
    await until(() => store.files === 0);
    expect(store.bytes).toBe(0);
  });

  it('is discarded when its response ends while it is held', async () => {
    const { spooler: store } = await spooler();
    let spool: Spool | undefined;
    const session = await serve2(async (req, res) => {
      spool = await collected(store.begin(req, { res }));
      res.end('meanwhile');
    });
    expect(await upload2(session, BIG)).toBe('meanwhile');
    await until(() => store.files === 0);
    expect(spool?.state).toBe('done');
  });

  it('keeps only a little of an upload in memory for a slow reader', async () => {
    const { spooler: store } = await spooler({ memory: 1024 });
    let most = 0;
    const session = await serve2(async (req, res) => {
      const spool = store.begin(req, { res });
      await until(() => spool.bytes > BIG.length);
      spool.release();
      // The file is counted until all of it has been read, so what is more is in memory.
      const spooled = store.bytes;
      req.on('data', () => (most = Math.max(most, store.bytes - spooled)));
      res.end(await CONSUMERS['pause and resume']!(req));
    });
    const stream = session.request(POST);
    const all = Buffer.concat(Array.from({ length: 8 }, () => BIG));
    stream.end(all);
    expect(await text(stream)).toBe(sha256(all));
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(512 * 1024);
  });
});
