import { describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { constants, type promises } from 'node:fs';
import { mkdir, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import type http from 'node:http';
import { hostname } from 'node:os';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { readSpoolOptions } from '../../lib/options/spool-settings.ts';
import { createSpooler, type Spool } from '../../lib/spool/spooler.ts';
import { MemoryChunks } from '../../lib/spool/memory-chunks.ts';
import { parserCallsPush } from '../../lib/spool/parser-check.ts';
import { type Disk, systemDisk } from '../../lib/spool/spool-file.ts';
import { body, CONSUMERS, sha256, upload } from '../support/bodies.ts';
import { until } from '../support/eventually.ts';
import { connect, post } from '../support/raw.ts';
import { collected, diskWith, serve, spooler } from '../support/spooler.ts';

const BIG = body(3 * 1024 * 1024);

const fault = (code: string) => Object.assign(new Error(`${code}: no luck`), { code });

/** A server that holds each request until `go`, and answers with the sha256 of its body. */
async function gate(begin: (req: http.IncomingMessage) => Spool) {
  const spools: Spool[] = [];
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const port = await serve(async (req, res) => {
    const spool = begin(req);
    spools.push(spool);
    await opened;
    spool.release();
    res.end(await CONSUMERS['pipe']!(req));
  });
  return { port, spools, go: open };
}

describe('a temporary file of the spool', () => {
  it('has no name while it is used, and only its user can access it', async () => {
    const modes: number[] = [];
    const flags: number[] = [];
    const disk: Disk = {
      ...systemDisk,
      async open(file, flag, mode) {
        const handle = await systemDisk.open(file, flag, mode);
        modes.push((await stat(file)).mode & 0o777);
        flags.push(flag);
        return handle;
      },
    };
    const { spooler: store, directory } = await spooler({}, { disk });
    const { port, spools, go } = await gate((req) => store.begin(req));
    const answer = upload(port, { pieces: [BIG] });
    await until(() => spools[0]?.state === 'complete');
    expect(store.files).toBe(1);
    expect(await readdir(directory)).toEqual([]);
    expect(modes).toEqual([0o600]);
    expect((flags[0] ?? 0) & constants.O_EXCL).toBe(constants.O_EXCL);
    go();
    expect((await answer).text).toBe(sha256(BIG));
    await until(() => store.files === 0);
  });

  it('is deleted at each end on a system where it keeps its name', async () => {
    const disk = { ...systemDisk, unlinksOpenFiles: false };
    const { spooler: store, directory } = await spooler({}, { disk });
    const { port, spools, go } = await gate((req) => store.begin(req));
    const answer = upload(port, { pieces: [BIG] });
    const client = await connect(port);
    client.send(post(BIG.length), BIG.subarray(0, 300_000));
    await until(() => spools.length === 2 && store.files === 2 && store.bytes > BIG.length);
    expect(await readdir(directory)).toHaveLength(2);
    client.socket.resetAndDestroy();
    await until(() => store.files === 1);
    expect(await readdir(directory)).toHaveLength(1);
    go();
    await answer;
    await until(() => store.files === 0);
    expect(await readdir(directory)).toEqual([]);
  });

  it('is not made for a body that fits in memory', async () => {
    const { spooler: store } = await spooler({ memory: '64kb' });
    const { port, spools, go } = await gate((req) => store.begin(req));
    const answer = upload(port, { pieces: [body(64 * 1024)], chunked: true });
    await until(() => spools[0]?.state === 'complete');
    expect([store.bytes, store.files]).toEqual([64 * 1024, 0]);
    go();
    expect((await answer).text).toBe(sha256(body(64 * 1024)));
    expect(store.bytes).toBe(0);
  });

  it('is opened after the previous one, so that at most one exceeds the limit of descriptors', async () => {
    let opening = 0;
    let most = 0;
    const disk: Disk = {
      ...systemDisk,
      async open(...args) {
        most = Math.max(most, ++opening);
        try {
          return await systemDisk.open(...args);
        } finally {
          opening--;
        }
      },
    };
    const { spooler: store } = await spooler({ memory: 0 }, { disk });
    const { port, spools, go } = await gate((req) => store.begin(req));
    const answers = Array.from({ length: 20 }, () => upload(port, { pieces: [BIG] }));
    await until(() => spools.filter(({ state }) => state === 'complete').length === 20);
    expect(store.files).toBe(20);
    go();
    await Promise.all(answers);
    expect(most).toBe(1);
  });

  it('keeps the order of bytes on a slow disk, and makes the client wait', async () => {
    let writeOn: (() => void) | undefined;
    const disk = diskWith({
      async writev(this: promises.FileHandle, ...args: Parameters<promises.FileHandle['writev']>) {
        await new Promise<void>((resolve) => (writeOn = resolve));
        return Object.getPrototypeOf(this).writev.apply(this, args);
      },
    });
    const { spooler: store } = await spooler({}, { disk });
    const { port, spools, go } = await gate((req) => store.begin(req));
    let sent = 0;
    const client = await connect(port);
    client.send(post(20 * BIG.length));
    for (let piece = 0; piece < 20; piece += 1) client.socket.write(BIG, () => (sent += 1));
    await until(() => writeOn !== undefined && store.bytes > 256 * 1024);
    for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate);
    expect(store.bytes).toBeLessThan(512 * 1024);
    expect(sent).toBeLessThan(20);
    while (spools[0]?.state !== 'complete') {
      await until(() => writeOn !== undefined || spools[0]?.state === 'complete');
      writeOn?.();
      writeOn = undefined;
    }
    go();
    // A write that was under way at the end.
    const last = setInterval(() => writeOn?.(), 1);
    const expected = createHash('sha256');
    for (let piece = 0; piece < 20; piece += 1) expected.update(BIG);
    await client.hears(expected.digest('hex'));
    clearInterval(last);
    expect(client.received()).toContain('200 OK');
  });

  it.each([
    ['that is full from the start', 0, 'ENOSPC', undefined],
    ['that becomes full', 3, 'ENOSPC', undefined],
    ['that takes only part of a write', 0, 'ENOSPC', 1000],
    ['that fails', 1, 'EIO', undefined],
  ])(
    'on a disk %s leaves a request held, unread and complete',
    async (_how, after, code, short) => {
      let writes = 0;
      const disk = diskWith({
        async writev(this: promises.FileHandle, buffers: Buffer[], position: number) {
          const write = (chunks: Buffer[]) =>
            Object.getPrototypeOf(this).writev.call(this, chunks, position);
          writes += 1;
          if (writes <= after) return write(buffers);
          if (short && writes === 1) return write([buffers[0]!.subarray(0, short)]);
          throw fault(code);
        },
      } as Partial<promises.FileHandle>);
      const { spooler: store, warnings } = await spooler({}, { disk });
      const told: string[] = [];
      const { port, spools, go } = await gate((req) =>
        store.begin(req, { onOverflow: (state) => told.push(state) }),
      );
      const answers = [
        upload(port, { pieces: [BIG] }),
        upload(port, { pieces: [BIG], chunked: true }),
      ];
      await until(() => spools.length === 2 && spools.every(({ state }) => state !== 'collecting'));
      expect(spools.map(({ state }) => state)).toContain('unread');
      expect(told).toContain('unread');
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toMatch(/^WRN_ANTRACT_SPOOL_DISK: .*no luck/);
      go();
      for (const answer of answers) expect((await answer).text).toBe(sha256(BIG));
      await until(() => store.files === 0);
      expect(store.bytes).toBe(0);
    },
  );

  it.each(['open', 'mkdir', 'statfs'] as const)(
    'leaves a request held and complete when %s fails',
    async (call) => {
      const disk = { ...systemDisk, [call]: () => Promise.reject(fault('EACCES')) } as Disk;
      const { spooler: store, warnings } = await spooler({}, { disk });
      const { port, spools, go } = await gate((req) => store.begin(req));
      const answer = upload(port, { pieces: [BIG] });
      await until(() => spools[0]?.state === 'unread');
      go();
      expect((await answer).text).toBe(sha256(BIG));
      expect(warnings).toHaveLength(1);
    },
  );

  it('is tried again when the request is held again', async () => {
    let isFull = true;
    const disk = diskWith({
      async writev(this: promises.FileHandle, ...args: unknown[]) {
        if (isFull) throw fault('ENOSPC');
        return Object.getPrototypeOf(this).writev.apply(this, args);
      },
    });
    const { spooler: store } = await spooler({}, { disk });
    const port = await serve(async (req, res) => {
      const spool = store.begin(req, { res });
      await until(() => spool.state === 'unread');
      spool.release();
      isFull = false;
      expect(store.begin(req, { res })).toBe(spool);
      await until(() => spool.state === 'complete');
      spool.release();
      res.end(await CONSUMERS['pipe']!(req));
    });
    expect((await upload(port, { pieces: [BIG] })).text).toBe(sha256(BIG));
  });

  it('creates its deleted directory again, also for several files at once', async () => {
    const { spooler: store, directory, warnings } = await spooler();
    const first = await gate((req) => store.begin(req));
    const answer = upload(first.port, { pieces: [BIG] });
    await until(() => first.spools[0]?.state === 'complete');
    await rm(directory, { recursive: true });
    const { port, spools, go } = await gate((req) => store.begin(req));
    const answers = [0, 1, 2].map(() => upload(port, { pieces: [BIG] }));
    await until(() => spools.length === 3 && spools.every(({ state }) => state !== 'collecting'));
    expect(spools.map(({ state }) => state)).toEqual(['complete', 'complete', 'complete']);
    expect(warnings).toEqual([]);
    first.go();
    go();
    for (const one of [answer, ...answers]) expect((await one).text).toBe(sha256(BIG));
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
  });

  it('never uses the last tenth of the disk', async () => {
    const blocks = 1000;
    const bsize = 4096;
    let bavail = 100 + 50;
    const disk: Disk = { ...systemDisk, statfs: async () => ({ bavail, blocks, bsize }) };
    const { spooler: store, warnings } = await spooler({ memory: 0 }, { disk });
    const { port, spools, go } = await gate((req) => store.begin(req));
    const answer = upload(port, { pieces: [BIG] });
    await until(() => spools[0]?.state === 'unread');
    expect(warnings[0]).toMatch(/WRN_ANTRACT_SPOOL_DISK.*10 %/);
    expect(store.bytes).toBeLessThan(50 * bsize + 512 * 1024);
    bavail = 1000;
    go();
    expect((await answer).text).toBe(sha256(BIG));
  });

  it('that can not be read is an error for the reader, never a short body', async () => {
    const disk = diskWith({ read: () => Promise.reject(fault('EIO')) });
    const { spooler: store, warnings } = await spooler({}, { disk });
    let outcome: unknown;
    const port = await serve(async (req, res) => {
      (await collected(store.begin(req, { res }))).release();
      outcome = await CONSUMERS['for await']!(req).catch((error: unknown) => error);
    });
    await expect(upload(port, { pieces: [BIG] })).rejects.toThrow();
    expect(outcome).toMatchObject({ message: expect.stringContaining('EIO') });
    expect(warnings).toHaveLength(1);
    await until(() => store.files === 0 && store.bytes === 0);
  });

  it('of a request that a handler dropped half-read is deleted with the request', async () => {
    setFlagsFromString('--expose_gc');
    const gc = runInNewContext('gc') as () => void;
    const { spooler: store } = await spooler();
    const port = await serve(async (req, res) => {
      (await collected(store.begin(req, { res }))).release();
      req.once('data', () => {
        req.pause();
        res.shouldKeepAlive = false;
        res.end('enough');
      });
    });
    await upload(port, { pieces: [BIG] });
    await until(() => {
      gc();
      return store.files === 0;
    });
    expect(store.bytes).toBe(0);
  });
});

describe('the spooler of an instance', () => {
  it('spools no more than `maxTotal`, and warns once', async () => {
    const { spooler: store, warnings } = await spooler({ maxTotal: '4mb' });
    const { port, spools, go } = await gate((req) => store.begin(req));
    const answers = Array.from({ length: 3 }, () => upload(port, { pieces: [BIG] }));
    await until(() => spools.length === 3 && spools.every(({ state }) => state !== 'collecting'));
    for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate);
    expect(spools.filter(({ state }) => state === 'unread').length).toBeGreaterThan(0);
    expect(store.bytes).toBeLessThan(4 * 1024 * 1024 + 3 * 128 * 1024);
    expect(warnings).toEqual([expect.stringMatching(/^WRN_ANTRACT_SPOOL_FULL/)]);
    go();
    for (const answer of answers) expect((await answer).text).toBe(sha256(BIG));
    expect(store.bytes).toBe(0);
  });

  it('stores a body of small chunks in little memory', async () => {
    const { spooler: store } = await spooler();
    const { port, spools, go } = await gate((req) => store.begin(req));
    const bytes = body(20_000);
    const pieces = Array.from(bytes, (_byte, at) => bytes.subarray(at, at + 1));
    const answer = upload(port, { pieces, chunked: true });
    await until(() => spools[0]?.state === 'complete');
    expect(store.bytes).toBe(20_000);
    go();
    expect((await answer).text).toBe(sha256(bytes));
  });

  it('holds requests unread, with a warning, on a Node that does not call push', async () => {
    const { spooler: store, warnings } = await spooler({}, { parserCallsPush: () => false });
    const { port, spools, go } = await gate((req) => store.begin(req));
    const answer = upload(port, { pieces: [BIG] });
    await until(() => spools.length === 1);
    expect(spools[0]?.state).toBe('unread');
    expect(warnings).toEqual([expect.stringMatching(/^WRN_ANTRACT_SPOOL_NODE/)]);
    go();
    expect((await answer).text).toBe(sha256(BIG));
  });

  it('detects that this Node calls push', () => {
    expect(parserCallsPush()).toBe(true);
  });

  it('discards held bodies when it is closed, and completes replays', async () => {
    const { spooler: store } = await spooler();
    const spools: Spool[] = [];
    const port = await serve(async (req, res) => {
      const spool = await collected(store.begin(req));
      spools.push(spool);
      if (req.url === '/held') return;
      spool.release();
      await until(() => closed);
      res.end(await CONSUMERS['pipe']!(req));
    });
    let closed = false;
    const answer = upload(port, { pieces: [BIG] });
    upload(port, { pieces: [BIG], path: '/held' }).catch(() => undefined);
    await until(() => spools.length === 2 && store.files === 2);
    await store.close();
    expect(store.files).toBe(1);
    expect(spools.map(({ state }) => state).sort()).toEqual(['done', 'replaying']);
    closed = true;
    expect((await answer).text).toBe(sha256(BIG));
  });

  it('deletes the files of crashed processes, and no others', async () => {
    const { directory } = await spooler();
    const dead = spawn(process.execPath, ['-e', '']);
    await once(dead, 'exit');
    const name = (pid: number | undefined, host = hostname()) =>
      `${host}!${pid}!${randomUUID()}.spool`;
    const names = {
      dead: name(dead.pid),
      alive: name(process.ppid),
      ours: name(process.pid),
      oursBefore: name(process.pid),
      elsewhere: name(dead.pid, 'another-host'),
      stranger: 'notes.txt',
    };
    for (const file of Object.values(names)) await writeFile(path.join(directory, file), 'x');
    await utimes(path.join(directory, names.oursBefore), 1, 1);
    await mkdir(path.join(directory, 'folder'));
    const next = createSpooler(readSpoolOptions({ directory }), { warn: () => undefined });
    expect(await next.swept).toBe(2);
    expect((await readdir(directory)).sort()).toEqual(
      [names.alive, names.ours, names.elsewhere, names.stranger, 'folder'].sort(),
    );
    await next.close();
  });

  it('needs little memory for an upload of 192 MB that is held and released to a slow reader', async () => {
    const { spooler: store } = await spooler();
    const pieces = Array.from({ length: 64 }, () => BIG);
    let peak = 0;
    const sample = () => (peak = Math.max(peak, process.memoryUsage().arrayBuffers));
    const port = await serve(async (req, res) => {
      const spool = store.begin(req, { res });
      await until(() => {
        sample();
        return spool.state !== 'collecting';
      });
      expect(spool.bytes).toBe(192 * 1024 * 1024);
      spool.release();
      const hash = createHash('sha256');
      for await (const bytes of req) {
        hash.update(bytes as Buffer);
        sample();
      }
      res.end(hash.digest('hex'));
    });
    const before = process.memoryUsage().arrayBuffers;
    const expected = createHash('sha256');
    for (const piece of pieces) expected.update(piece);
    expect((await upload(port, { pieces })).text).toBe(expected.digest('hex'));
    // V8 lets 64 MB of unused buffers accumulate before it collects them.
    expect(peak - before).toBeLessThan(100 * 1024 * 1024);
  });
});

describe('the chunks of a body in memory', () => {
  it('are merged if they are small, and keep their order through any cut', () => {
    const chunks = new MemoryChunks();
    const bytes = body(40_000);
    for (let at = 0; at < 5000; at += 1) chunks.push(bytes.subarray(at, at + 1));
    expect(chunks.all().length).toBeLessThan(10);
    chunks.dropFront(4999);
    chunks.push(bytes.subarray(5000, 5001));
    chunks.push(bytes.subarray(5001, 30_000));
    chunks.dropFront(1);
    chunks.push(bytes.subarray(30_000));
    expect(chunks.bytes).toBe(35_000);
    expect(Buffer.concat(chunks.all()).equals(bytes.subarray(5000))).toBe(true);
    expect(chunks.first).toEqual(chunks.all()[0]);
    chunks.dropFront(35_000);
    expect([chunks.bytes, chunks.first]).toEqual([0, undefined]);
  });
});

describe('the options of a spool', () => {
  it('are numbers of bytes, or strings with a unit', () => {
    expect(readSpoolOptions({ memory: '64 KiB', maxBody: '1.5gb', maxTotal: 5 })).toMatchObject({
      memory: 65_536,
      maxBody: 1.5 * 1024 ** 3,
      maxTotal: 5,
      directory: undefined,
    });
  });

  it.each([
    [{ memory: 'a lot' }, /`spool.memory` to be a number of bytes/],
    [{ maxBody: -1 }, /`spool.maxBody`/],
    [{ maxTotal: Number.NaN }, /`spool.maxTotal`/],
    [{ directory: '' }, /`spool.directory` to be a path/],
    [{ dir: '/tmp' }, /Unknown option `spool.dir`/],
  ])('are rejected when they are invalid (%j)', (options, message) => {
    expect(() => readSpoolOptions(options as never)).toThrow(message);
  });
});
