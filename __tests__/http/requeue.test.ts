/** Requests that are held again and again: what that leaves on them. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once, type EventEmitter } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import http2 from 'node:http2';
import { text } from 'node:stream/consumers';
import { createAntract, type Antract } from '../../lib/index.ts';
import { listen as listenOn } from '../support/bodies.ts';
import { closeAll, listen, request } from '../support/http.ts';
import { watchListeners } from '../support/warnings.ts';
import { nextEvent } from '../support/next-event.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
  await closeAll();
});

const TRIES = 30;

interface Site {
  antract: Antract;
  handle: (req: IncomingMessage, res: ServerResponse) => void;
  /** After each of its tries, how many listeners there are, by what they listen to. */
  counts: Record<string, number>[];
  /** Resolves when they are over. */
  tried: Promise<void>;
}

/** Where each request is taken back thirty times before it is answered with the size of its body. */
function site(): Site {
  const antract = createAntract({ logger: { info() {}, warn() {}, error() {} } });
  const pause = antract.pause();
  const counts: Site['counts'] = [];
  let isOver!: () => void;
  const tried = new Promise<void>((resolve) => (isOver = resolve));
  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    counts.push(countListeners({ req, res, socket: req.socket, stream: streamOf(req) }));
    if (counts.length <= TRIES) {
      await antract.enable();
      expect(pause.requeue(req, res, () => void handle(req, res))).toBe(true);
      // Time for the body to come in, and to be written away.
      await new Promise(setImmediate);
      await antract.disable();
      return;
    }
    isOver();
    let bytes = 0;
    for await (const chunk of req) bytes += (chunk as Buffer).length;
    res.end(String(bytes));
  };
  cleanups.push(() => antract.close());
  return {
    antract,
    counts,
    tried,
    handle: (req, res) => pause(req, res, () => void handle(req, res)),
  };
}

function streamOf(req: IncomingMessage): EventEmitter | undefined {
  return (req as { stream?: EventEmitter }).stream;
}

function countListeners(emitters: Record<string, EventEmitter | undefined>) {
  const counts: Record<string, number> = {};
  for (const [name, emitter] of Object.entries(emitters)) {
    for (const event of emitter?.eventNames() ?? []) {
      counts[`${name} ${String(event)}`] = emitter?.listenerCount(event) ?? 0;
    }
  }
  return counts;
}

/** By the third try a body may have arrived, and its listeners may have been removed. */
function growth(counts: Site['counts']): Record<string, number> {
  expect(counts).toHaveLength(TRIES + 1);
  const more: Record<string, number> = {};
  for (const each of counts.slice(3)) {
    for (const [listened, count] of Object.entries(each)) {
      const before = Math.max(1, counts[2]?.[listened] ?? 0);
      if (count > before) more[listened] = count - before;
    }
  }
  return more;
}

const BODIES: [string, number, 'late'?][] = [
  ['no body', 0],
  ['a small body', 100],
  ['a body that is spooled', 3_000_000],
  ['a body that comes late', 3_000_000, 'late'],
];

describe.each(BODIES)('a request with %s that is requeued again and again', (_what, size, late) => {
  const body = Buffer.alloc(size, 'x');
  const method = size > 0 ? 'POST' : 'GET';

  it.each(['let through', 'held'])('does not collect listeners when first %s', async (first) => {
    const warnings = watchListeners();
    const { antract, handle, counts, tried } = site();
    const { url } = await listen(handle);
    if (first === 'held') await antract.enable();
    const headers = { 'content-length': size };
    const client = http.request(url, { method, agent: false, headers });
    const answer = once(client, 'response');
    if (late) client.flushHeaders();
    else client.end(body);
    if (first === 'held') {
      await nextEvent(antract, 'held');
      await antract.disable();
    }
    if (late) {
      await tried;
      client.end(body);
    }
    const [res] = (await answer) as [IncomingMessage];
    expect(await text(res)).toBe(String(size));
    expect(growth(counts)).toEqual({});
    expect(await warnings.stop()).toEqual([]);
    expect(antract.status()).toMatchObject({ held: 0, inFlight: 0 });
  });

  it('does not collect listeners over http2', async () => {
    const warnings = watchListeners();
    const { handle, counts, tried } = site();
    const server = http2.createServer((req, res) => handle(req as never, res as never));
    const session = http2.connect(`http://127.0.0.1:${await listenOn(server)}`);
    cleanups.push(() => {
      session.destroy();
      server.close();
    });
    const headers = { ':method': method, ':path': '/' };
    const stream = session.request(headers, { endStream: size === 0 });
    if (late) await tried;
    if (size > 0) stream.end(body);
    expect(await text(stream)).toBe(String(size));
    expect(growth(counts)).toEqual({});
    expect(await warnings.stop()).toEqual([]);
  });
});

describe('a client that disconnects from a requeued request', () => {
  it.each([0, 1, 2, 5])(
    'is noticed after %i tries, while the request is held and while it is not',
    async (tries) => {
      for (const whileHeld of [true, false]) {
        const antract = createAntract({ logger: { info() {}, warn() {}, error() {} } });
        cleanups.push(() => antract.close());
        const pause = antract.pause();
        let round = 0;
        let arrived!: () => void;
        const there = new Promise<void>((resolve) => (arrived = resolve));
        const handle = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
          if (round++ < tries) {
            await antract.enable();
            pause.requeue(req, res, () => void handle(req, res));
            await antract.disable();
            return;
          }
          if (whileHeld) {
            await antract.enable();
            pause.requeue(req, res, () => expect('released').toBe('held'));
          }
          arrived();
        };
        const { url } = await listen((req, res) => pause(req, res, () => void handle(req, res)));
        const client = http.get(url, { agent: false }).on('error', () => undefined);
        await there;
        expect(antract.status()).toMatchObject(
          whileHeld ? { held: 1, inFlight: 0 } : { held: 0, inFlight: 1 },
        );
        const abandoned: unknown[] = [];
        antract.on('abandoned', (event) => abandoned.push(event));
        client.destroy();
        const { held, inFlight } = antract.status();
        for (let left = held + inFlight; left > 0;) {
          await new Promise(setImmediate);
          left = antract.status().held + antract.status().inFlight;
        }
        expect(abandoned).toHaveLength(whileHeld ? 1 : 0);
      }
    },
  );
});

describe('a middleware whose backend refuses connections soon after a pause that held nothing', () => {
  it('holds the request for `holdOnOutage`, not for the longest pause', async () => {
    const antract = createAntract({
      logger: { info() {}, warn() {}, error() {} },
      probe: { check: () => true },
      holdOnOutage: '10s',
    });
    cleanups.push(() => antract.close());
    const pause = antract.pause();
    let tries = 0;
    const handle = (req: IncomingMessage, res: ServerResponse): void => {
      if (tries++ > 0) return void res.end('served');
      expect(pause.requeue(req, res, () => handle(req, res))).toBe(true);
      const { probe } = antract.status();
      expect(probe).toMatchObject({ unplanned: true });
      expect(probe?.endsInMs).toBeLessThanOrEqual(10_000);
    };
    const { url } = await listen((req, res) => pause(req, res, () => handle(req, res)));
    await antract.stop();
    await antract.disable();
    await antract.waitForRelease();
    expect((await request(url)).body).toBe('served');
  });
});
