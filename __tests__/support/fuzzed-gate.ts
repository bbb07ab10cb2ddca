/**
 * A real server with a gate and a spool. Its backend answers when a test says so. Records what the
 * backend received and which events the registry emitted.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import http, { type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createPauseMiddleware } from '../../lib/http/middleware.ts';
import type { AppOptions } from '../../lib/options/options.ts';
import { OpenRegistry } from './open-registry.ts';
import { DEFAULT_SPOOL_SETTINGS } from '../../lib/options/spool-settings.ts';
import { createSpooler, type Spooler } from '../../lib/spool/spooler.ts';
import { systemClock } from '../../lib/common/clock.ts';
import { FakeClock } from './fake-clock.ts';
import { silentLogger } from './silent-logger.ts';

export type Told = 'held' | 'released' | 'abandoned' | 'rejected' | 'served';

export interface Remains {
  held: number;
  inFlight: number;
  bytes: number;
  files: string[];
}

export const NOTHING: Remains = { held: 0, inFlight: 0, bytes: 0, files: [] };

export class FuzzedGate {
  /** Its time moves by hand, but its turns are those of the event loop that also serves the sockets. */
  readonly clock = Object.assign(new FakeClock(), { nextTurn: systemClock.nextTurn });
  readonly registry: OpenRegistry;
  /** What the backend saw, in order. */
  readonly served: number[] = [];
  /** Seen by the backend, and not over. */
  readonly open = new Set<number>();
  /** What the registry told and the backend saw, in order. */
  readonly told: { event: Told; id: number }[] = [];
  port = 0;
  readonly #server: http.Server;
  readonly #spooler: Spooler;
  readonly #directory: string;
  readonly #closings: Promise<unknown>[] = [];
  readonly #mayAnswer = new Set<number>();
  /** Arrived in full, and not answered. */
  readonly #bodies = new Map<number, { res: ServerResponse; sha256: string }>();
  readonly #waiting = new Set<() => void>();
  #closed: Promise<Remains> | undefined;

  private constructor(options: AppOptions, directory: string) {
    this.#directory = directory;
    this.registry = new OpenRegistry({ logger: silentLogger, ...options }, this.clock);
    for (const event of ['held', 'released', 'abandoned', 'rejected'] as const) {
      this.registry.on(event, (request: { path: string }) => {
        this.told.push({ event, id: idOf(request.path) });
        this.#changed();
      });
    }
    const settings = { ...DEFAULT_SPOOL_SETTINGS, memory: 8 * 1024, directory };
    this.#spooler = createSpooler(settings, silentLogger);
    const pause = createPauseMiddleware(this.registry.core, this.#spooler);
    this.#server = http.createServer((req, res) => pause(req, res, () => this.#serve(req, res)));
    this.#server.on('connection', (socket: Socket) => {
      this.#closings.push(new Promise((resolve) => socket.once('close', resolve)));
    });
  }

  static async start(options: AppOptions): Promise<FuzzedGate> {
    const gate = new FuzzedGate(options, await mkdtemp(path.join(tmpdir(), 'antract-fuzz-')));
    gate.#server.listen(0, '127.0.0.1');
    await once(gate.#server, 'listening');
    gate.port = (gate.#server.address() as AddressInfo).port;
    return gate;
  }

  /** The backend answers this one, once its body is there. */
  answer(id: number | undefined): void {
    if (id === undefined) return;
    this.#mayAnswer.add(id);
    this.#answerIfDue(id);
  }

  /** Waits for whatever it takes; false when that has not happened within two seconds. */
  async until(isSo: () => boolean): Promise<boolean> {
    const end = performance.now() + 2000;
    const timer = setTimeout(() => this.#changed(), 2001);
    while (!isSo() && performance.now() < end) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
    clearTimeout(timer);
    return isSo();
  }

  /** Closes every connection, waits for all that follows from that, and says what is left then. */
  close(): Promise<Remains> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<Remains> {
    this.#server.close();
    this.#server.closeAllConnections();
    await Promise.all(this.#closings);
    const { held, inFlight } = this.registry.status();
    const { bytes } = this.#spooler;
    await this.#spooler.close();
    await this.registry.close();
    const open = this.#spooler.files > 0 ? ['an open file'] : [];
    const files = [...open, ...(await readdir(this.#directory))];
    await rm(this.#directory, { recursive: true });
    return { held, inFlight, bytes, files };
  }

  #serve(req: http.IncomingMessage, res: ServerResponse): void {
    const id = idOf(req.url ?? '');
    this.served.push(id);
    this.told.push({ event: 'served', id });
    this.open.add(id);
    // The gate listened first, so that it has counted the end when this hears of it.
    res.on('close', () => {
      this.open.delete(id);
      this.#changed();
    });
    const hash = createHash('sha256');
    req.on('data', (chunk: Buffer) => void hash.update(chunk));
    req.on('end', () => {
      this.#bodies.set(id, { res, sha256: hash.digest('hex') });
      this.#answerIfDue(id);
    });
    req.on('error', () => undefined);
    this.#changed();
  }

  #answerIfDue(id: number): void {
    const body = this.#bodies.get(id);
    if (!body || !this.#mayAnswer.has(id)) return;
    this.#bodies.delete(id);
    body.res.end(body.sha256);
  }

  #changed(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

const idOf = (url: string): number => Number(url.slice(1));
