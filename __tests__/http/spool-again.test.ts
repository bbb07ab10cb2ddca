import { describe, expect, it } from '@jest/globals';
import type { promises } from 'node:fs';
import type http from 'node:http';
import type { Spool } from '../../lib/spool/spooler.ts';
import { body, CONSUMERS, sha256, upload } from '../support/bodies.ts';
import { until } from '../support/eventually.ts';
import { connect, post } from '../support/raw.ts';
import { collected, diskWith, serve, spooler } from '../support/spooler.ts';

const BIG = body(3 * 1024 * 1024);

/** How far the request has come when it is held again. */
const UNTIL: Record<string, (req: http.IncomingMessage) => Promise<unknown>> = {
  'at once': async () => undefined,
  'after a turn': () => new Promise(setImmediate),
  'with a part of it in the buffer of Node': (req) => until(() => req.readableLength > 0),
};

describe('a request that is held again', () => {
  it.each(Object.keys(UNTIL))('%s continues as an ordinary request', async (moment) => {
    const { spooler: store } = await spooler();
    const port = await serve(async (req, res) => {
      const spool = await collected(store.begin(req, { res }));
      for (let time = 0; time < 10; time += 1) {
        spool.release();
        await UNTIL[moment]!(req);
        // Each time a little more of it would end in having all of it in memory.
        expect(req.readableLength).toBeLessThan(256 * 1024);
        expect(store.begin(req, { res })).toBe(spool);
        expect(spool.state).toBe('complete');
      }
      spool.release();
      res.end(await CONSUMERS['pipe']!(req));
    });
    for (const chunked of [false, true]) {
      const answer = await upload(port, { pieces: [BIG], chunked });
      expect(answer).toEqual({ status: 200, text: sha256(BIG) });
    }
    await until(() => store.files === 0);
    expect(store.bytes).toBe(0);
  });

  it('by its own reader delivers nothing more until it is released', async () => {
    const { spooler: store } = await spooler({ memory: '16kb' });
    const port = await serve(async (req, res) => {
      const spool = store.begin(req, { res });
      await until(() => spool.bytes > 300_000);
      spool.release();
      const digest = CONSUMERS["req.on('data')"]!(req);
      let read = 0;
      req.on('data', (bytes: Buffer) => (read += bytes.length));
      req.once('data', () => store.begin(req, { res }));
      await until(() => spool.state === 'complete');
      for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
      expect(read).toBeGreaterThan(0);
      expect(spool.bytes).toBe(BIG.length - read);
      spool.release();
      res.end(await digest);
    });
    expect((await upload(port, { pieces: [BIG] })).text).toBe(sha256(BIG));
    await until(() => store.files === 0);
    expect(store.bytes).toBe(0);
  });

  it('while the disk is being read delivers nothing early, and loses nothing', async () => {
    let read: (() => void) | undefined;
    let hasRead = false;
    const disk = diskWith({
      async read(this: promises.FileHandle, ...args: unknown[]) {
        if (!read) await new Promise<void>((resolve) => (read = resolve));
        const result = await Object.getPrototypeOf(this).read.apply(this, args);
        hasRead = true;
        return result;
      },
    });
    const { spooler: store } = await spooler({ memory: '10kb' }, { disk });
    const port = await serve(async (req, res) => {
      const spool = await collected(store.begin(req, { res }));
      spool.release();
      await until(() => read !== undefined);
      expect(store.begin(req, { res })).toBe(spool);
      const left = spool.bytes;
      read?.();
      await until(() => hasRead);
      for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
      expect(spool.bytes).toBe(left);
      spool.release();
      res.end(await CONSUMERS['pipe']!(req));
    });
    // In pieces, so that the first of them is in memory.
    const pieces = [BIG.subarray(0, 5000), BIG.subarray(5000)];
    expect((await upload(port, { pieces, chunked: true })).text).toBe(sha256(BIG));
  });

  it('is discarded when its client disconnects', async () => {
    const { spooler: store } = await spooler();
    let spool: Spool | undefined;
    let isAgain = false;
    const port = await serve(async (req, res) => {
      spool = store.begin(req, { res });
      await until(() => spool?.bytes === 300_000);
      spool.release();
      await until(() => req.readableLength > 0);
      store.begin(req, { res });
      isAgain = true;
    });
    const client = await connect(port);
    client.send(post(BIG.length), BIG.subarray(0, 300_000));
    await until(() => isAgain);
    expect(spool?.state).toBe('collecting');
    client.socket.resetAndDestroy();
    await until(() => spool?.state === 'done' && store.files === 0);
    expect(store.bytes).toBe(0);
  });

  it('after all of its body was read is not spooled', async () => {
    const { spooler: store } = await spooler();
    const port = await serve(async (req, res) => {
      (await collected(store.begin(req, { res }))).release();
      const digest = await CONSUMERS['pipe']!(req);
      const again = store.begin(req, { res });
      again.release();
      res.end(`${again.state} ${digest}`);
    });
    expect((await upload(port, { pieces: [BIG] })).text).toBe(`idle ${sha256(BIG)}`);
  });
});
