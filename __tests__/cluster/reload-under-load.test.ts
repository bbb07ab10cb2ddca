/**
 * Reloads within one pause, under load: each request is answered once, and in order within each generation.
 *
 * RELOAD_SCALE=full holds 2,000 GETs, 100 uploads and 50 WebSocket handshakes over ten reloads, while 200
 * connections per second arrive. That needs a limit of 20,000 open files.
 */
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import http from 'node:http';
import { untilStatus } from '../support/admin-status.ts';
import { untilSeen } from '../support/eventually.ts';
import { connect, readUntil } from '../support/http.ts';
import { endSite, ReloadedSite, send, type End } from '../support/reloading.ts';

const FULL = process.env['RELOAD_SCALE'] === 'full';
/** What is sent before each reload. Half of the uploads are still arriving at the end of the pause. */
const SCALE = FULL
  ? { reloads: 10, batches: 10, gets: 20, uploads: 10, sockets: 5, perSecond: 200 }
  : { reloads: 5, batches: 3, gets: 8, uploads: 2, sockets: 2, perSecond: 40 };
const CONCURRENCY = FULL ? 50 : 10;
const PATIENCE = FULL ? 400_000 : 60_000;
jest.setTimeout(FULL ? 900_000 : 120_000);

const UPLOAD = Buffer.alloc(1_000_000, 'abcdefg');
const sha1 = (body: string | Buffer): string => createHash('sha1').update(body).digest('hex');
const KINDS = {
  get: { status: 200, body: sha1('') },
  new: { status: 200, body: sha1('') },
  upload: { status: 200, body: sha1(UPLOAD) },
  socket: { status: 101, body: undefined },
};
type Kind = keyof typeof KINDS;

interface Sent {
  readonly kind: Kind;
  readonly path: string;
  /** Null for one that may arrive together with the requests of any batch. */
  readonly batch: number | null;
  readonly end: Promise<End>;
}

let site: ReloadedSite;
beforeEach(() => {
  site = new ReloadedSite();
});
afterEach(() => endSite(site));

/** All clients of one run. */
class Clients {
  readonly sent: Sent[] = [];
  /** How many requests were answered or broken off. */
  ended = 0;
  /** Each request that was broken off, or answered with another status than that of the backend. */
  readonly failures: string[] = [];
  readonly #halfUploads: http.ClientRequest[] = [];
  readonly #port = Number(new URL(site.url).port);
  #batch = 0;
  #isBatchArriving = false;
  #timer: NodeJS.Timeout | undefined;

  /** Opens new connections at a steady pace, apart from short breaks that it makes up for. */
  start(): void {
    const start = performance.now();
    let count = 0;
    this.#timer = setInterval(() => {
      const due = ((performance.now() - start) / 1000) * SCALE.perSecond;
      if (count >= due || this.#isBatchArriving) return;
      count++;
      this.#send('new');
    }, 1);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Sends one batch after the other. Each one is held before the next one is sent. */
  async hold(): Promise<void> {
    for (let i = 0; i < SCALE.batches; i++) await this.#holdBatch({ get: SCALE.gets });
    await this.#holdBatch({ upload: SCALE.uploads, socket: SCALE.sockets });
  }

  finishUploads(): void {
    for (const upload of this.#halfUploads) upload.end(UPLOAD.subarray(UPLOAD.length / 2));
  }

  async #holdBatch(counts: Partial<Record<Kind, number>>): Promise<void> {
    this.#isBatchArriving = true;
    this.#batch++;
    for (const [kind, count] of Object.entries(counts) as [Kind, number][])
      for (let i = 0; i < count; i++) this.#send(kind);
    const total = this.sent.length;
    await untilStatus(
      site,
      `${total} held requests`,
      ({ held }) => held === total || this.ended > 0,
      PATIENCE,
    );
    expect([this.ended, this.failures]).toEqual([0, []]);
    this.#isBatchArriving = false;
  }

  #send(kind: Kind): void {
    const path = `/${kind}?${this.sent.length}`;
    const batch = kind === 'new' ? null : this.#batch;
    const end = this.#end(kind, path);
    this.sent.push({ kind, path, batch, end });
    const at = performance.now();
    void end.then((status) => {
      this.ended++;
      if (status === KINDS[kind].status) return;
      this.failures.push(`${path}: ${status} after ${Math.round(performance.now() - at)} ms`);
    });
  }

  #end(kind: Kind, path: string): Promise<End> {
    const url = site.url + path;
    if (kind === 'socket') return handshake(this.#port, path);
    if (kind !== 'upload') return send(url);
    const isWhole = this.sent.length % 2 === 0;
    return isWhole ? send(url, { method: 'POST', body: UPLOAD }) : this.#sendHalf(url);
  }

  async #sendHalf(url: string): Promise<End> {
    const headers = { 'Content-Length': UPLOAD.length };
    const upload = http.request(url, { method: 'POST', headers, agent: false });
    upload.write(UPLOAD.subarray(0, UPLOAD.length / 2));
    this.#halfUploads.push(upload);
    try {
      const [res] = (await once(upload, 'response')) as [http.IncomingMessage];
      res.resume();
      return res.statusCode as number;
    } catch (error) {
      return String(error);
    }
  }
}

/** A WebSocket handshake. The backend closes the connection after its response. */
async function handshake(port: number, path: string): Promise<End> {
  const socket = await connect(port);
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  const head = await Promise.race([
    readUntil(socket, (text) => text.includes('\r\n\r\n')),
    once(socket, 'close').then(() => 'closed without a response'),
  ]);
  return Number(head.split(' ')[1]);
}

/** Of the primary and its workers. */
function descriptors(): number[] {
  const { pid, children } = site.cli;
  return [pid, ...children].map((one) => {
    try {
      return readdirSync(`/proc/${one}/fd`).length;
    } catch {
      // An old worker has just exited.
      return 0;
    }
  });
}

/** Requests that reached the backend before earlier ones, although these were not in flight. */
function overtakers(sent: readonly Sent[]): string[] {
  const batchOf = new Map(sent.map(({ path, batch }) => [path, batch]));
  const missing = new Map<number, number>();
  for (const { batch } of sent)
    if (batch !== null) missing.set(batch, (missing.get(batch) ?? 0) + 1);
  return site.arrived.flatMap(({ url }) => {
    const batch = batchOf.get(url) ?? null;
    if (batch === null) return [];
    missing.set(batch, (missing.get(batch) ?? 0) - 1);
    let earlier = 0;
    for (const [other, count] of missing) if (other < batch) earlier += count;
    return earlier < CONCURRENCY ? [] : [`${url} before ${earlier} earlier ones`];
  });
}

it.each([
  ['one worker', []],
  ['two workers', ['--workers', '2']],
])(
  '%s reloaded within one pause: each request is answered once, although two of the reloads fail',
  async (_what, flags) => {
    const limits = ['--release-concurrency', String(CONCURRENCY), '--max-time', '30m'];
    await site.start(...limits, ...flags);
    await site.succeed('pause', '--wait', '10s');
    const before = descriptors();
    const clients = new Clients();
    clients.start();
    for (let reload = 0; reload < SCALE.reloads; reload++) {
      await clients.hold();
      if (reload === 1) {
        site.configure({ target: 'no URL' });
        expect((await site.failReload()).message).toContain('Expected `target`');
        site.configure();
      } else if (reload === 2) {
        site.crashWorkers();
        expect((await site.failReload()).message).toContain(
          'exited with code 7 before it listened',
        );
        site.preload('');
      } else {
        await site.reload();
      }
    }
    await site.succeed('resume');
    clients.stop();
    clients.finishUploads();
    const { sent, failures } = clients;
    await untilSeen(
      'the end of all requests',
      () => clients.ended,
      (ended) => ended === sent.length || failures.length > 0,
      PATIENCE,
    );
    expect(failures).toEqual([]);
    const bodies = new Map(sent.map(({ kind, path }) => [path, KINDS[kind].body]));
    expect(new Map(site.arrived.map(({ url, body }) => [url, body]))).toEqual(bodies);
    expect(site.arrived).toHaveLength(sent.length);
    // Two workers of one generation release at the same time.
    if (flags.length === 0) expect(overtakers(sent)).toEqual([]);
    // A pause closes the idle connections to the backend.
    await untilStatus(site, 'the end of the release', ({ phase }) => phase === 'running', PATIENCE);
    await site.succeed('pause', '--wait', '10s');
    await untilSeen(
      `${String(before)} descriptors`,
      descriptors,
      (now) => String(now) === String(before),
      PATIENCE,
    );
  },
);
