/**
 * `events`: sends snapshots of all apps, and transitions, as server-sent events
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 *
 * Each message is a whole snapshot. A slow reader is skipped until it has read the last one, so at most
 * one snapshot waits for it in memory, and it misses only states in between. Transitions follow the next
 * snapshot that it gets, as events named `transitions`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { systemClock, type Clock, type Timer } from '../common/clock.ts';
import { readVersion } from '../common/version.ts';
import { isDisconnected, onDisconnect } from '../http/disconnect.ts';
import { RETRY_SOON } from '../http/rejection-response.ts';
import { AntractError } from '../common/errors.ts';
import type { AntractEvents } from '../gate/events.ts';
import type { AppStatus } from '../gate/status.ts';
import type { TransitionLog } from '../registry/transition-log.ts';
import type { PauseRegistry } from '../registry/pause-registry.ts';
import { printableJson } from '../common/printable.ts';
import { ProblemError } from './problem.ts';

/** Each open dashboard uses one. */
const MAX_STREAMS = 32;
/** At most four snapshots a second. */
const GAP_MS = 250;
/** No event tells how many requests are in flight, so the state is compared this often. */
const LOOK_MS = 1000;
/** The longest silence. The page reports a lost connection when it receives nothing for longer. */
const SIGN_OF_LIFE_MS = 4000;
/** How many earlier transitions a new stream gets. */
const MAX_TRANSITIONS = 100;
/** A reader that has read nothing for so long is disconnected; a page connects again by itself. */
const STUCK_MS = 30_000;

/** Each event may change a snapshot. The type makes sure that none is missing. */
const EVENTS = Object.keys({
  paused: true,
  drained: true,
  tooSlow: true,
  held: true,
  released: true,
  abandoned: true,
  rejected: true,
  expired: true,
  resumed: true,
  stopped: true,
  unhealthy: true,
  unreachable: true,
  reachable: true,
  backendDown: true,
  backendUp: true,
  evicted: true,
} satisfies Record<keyof AntractEvents, true>) as (keyof AntractEvents)[];

export type StreamedTransitions = Pick<TransitionLog, 'list' | 'lastId'>;

/** The state of one stream. */
interface Reader {
  /** Since when the stream has been skipped; undefined if its reader keeps up. */
  readonly stuckSince: number | undefined;
  /** The id of the last transition that it was sent. */
  readonly transition: number;
}

export type StreamedRegistry = Pick<PauseRegistry, 'list' | 'on' | 'off'>;

export class EventStreams {
  readonly #registry: StreamedRegistry;
  readonly #transitions: StreamedTransitions;
  readonly #closed: AbortSignal;
  readonly #clock: Clock;
  readonly #streams = new Map<ServerResponse, Reader>();
  readonly #onChange = (): void => this.#soon();
  readonly #version = readVersion();
  readonly #since: number;
  #timer: Timer | undefined;
  #isSoon = false;
  #sentAt = -Infinity;
  #sentState = '';
  #id = 0;

  /**
   * @param closed aborted when the registry is closed.
   * @param clock replaced in tests.
   */
  constructor(
    registry: StreamedRegistry,
    transitions: StreamedTransitions,
    closed: AbortSignal,
    clock: Clock = systemClock,
  ) {
    this.#registry = registry;
    this.#transitions = transitions;
    this.#closed = closed;
    this.#clock = clock;
    this.#since = clock.now();
    closed.addEventListener('abort', () => this.#close());
  }

  get size(): number {
    return this.#streams.size;
  }

  /** @throws AntractError, ProblemError if no stream can be added. */
  open(req: IncomingMessage, res: ServerResponse): void {
    if (this.#closed.aborted) {
      throw new AntractError('ERR_ANTRACT_CLOSED', 'antract has been closed.', { status: 503 });
    }
    if (this.#streams.size >= MAX_STREAMS) throw new ProblemError(BUSY);
    if (isDisconnected(req, res)) return;
    writeHead(res);
    onDisconnect(req, res, () => this.#leave(res));
    if (this.#streams.size === 0) this.#start();
    this.#send(res, `retry: 1000\n${this.#event(this.#registry.list())}`, 0);
  }

  #leave(res: ServerResponse): void {
    if (this.#streams.delete(res) && this.#streams.size === 0) this.#stop();
  }

  #close(): void {
    for (const res of this.#streams.keys()) res.end();
    this.#streams.clear();
    this.#stop();
  }

  #start(): void {
    for (const event of EVENTS) this.#registry.on(event, this.#onChange);
    this.#sentAt = this.#clock.now();
    this.#sentState = stateOf(this.#registry.list(), this.#sentAt);
    this.#later();
  }

  #stop(): void {
    for (const event of EVENTS) this.#registry.off(event, this.#onChange);
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isSoon = false;
  }

  /** Something has changed. Many changes at once make one snapshot. */
  #soon(): void {
    if (this.#isSoon) return;
    this.#isSoon = true;
    this.#timer?.cancel();
    const wait = Math.max(0, this.#sentAt + GAP_MS - this.#clock.now());
    this.#timer = this.#clock.after(wait, () => this.#look());
  }

  #later(): void {
    this.#timer = this.#clock.after(LOOK_MS, () => this.#look());
  }

  #look(): void {
    this.#isSoon = false;
    const now = this.#clock.now();
    const apps = this.#registry.list();
    const state = stateOf(apps, now);
    if (state !== this.#sentState || now >= this.#sentAt + SIGN_OF_LIFE_MS) {
      this.#sentState = state;
      this.#sentAt = now;
      this.#sendAll(this.#event(apps), now);
    }
    if (this.#streams.size > 0) this.#later();
  }

  #sendAll(event: string, now: number): void {
    for (const [res, { stuckSince, transition }] of this.#streams) {
      if (!res.writableNeedDrain) {
        this.#send(res, event, transition);
      } else if (stuckSince === undefined) {
        this.#streams.set(res, { stuckSince: now, transition });
      } else if (now >= stuckSince + STUCK_MS) {
        res.destroy();
        this.#leave(res);
      }
    }
  }

  /** @param after the id of the last transition that the stream was sent. */
  #send(res: ServerResponse, event: string, after: number): void {
    const { lastId } = this.#transitions;
    const isNew = lastId > after;
    this.#streams.set(res, { stuckSince: undefined, transition: lastId });
    res.write(isNew ? event + this.#transitionsEvent(after) : event);
  }

  #transitionsEvent(after: number): string {
    const news = this.#transitions.list().filter(({ id }) => id > after);
    return `event: transitions\ndata: ${printableJson(news.slice(-MAX_TRANSITIONS))}\n\n`;
  }

  #event(apps: readonly AppStatus[]): string {
    const server = {
      version: this.#version,
      uptimeMs: Math.round(this.#clock.now() - this.#since),
    };
    const data = printableJson({ at: this.#clock.date(), server, apps });
    return `id: ${++this.#id}\ndata: ${data}\n\n`;
  }
}

/**
 * Everything that is worth an event: a deadline that moved is, the passing of time is not. The sentences
 * say nothing that the fields don't.
 */
function stateOf(apps: readonly AppStatus[], now: number): string {
  const fields = apps.map(({ summary: _summary, details: _details, ...rest }) => rest);
  return JSON.stringify(fields, (name, value: unknown) => {
    if (!name.endsWith('Ms')) return value;
    const isDeadline = name === 'endsInMs' || name === 'leaseEndsInMs';
    return isDeadline && typeof value === 'number' ? Math.round((now + value) / 1000) : undefined;
  });
}

function writeHead(res: ServerResponse): void {
  res.statusCode = 200;
  res.setHeader('Content-Type', 'text/event-stream; charset=utf-8');
  // Not compressed, because compression would delay events until its buffer is full.
  res.setHeader('Cache-Control', 'no-store, no-transform');
  res.setHeader('X-Accel-Buffering', 'no');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
}

const BUSY = Object.freeze({
  status: 503,
  code: 'ERR_ANTRACT_ADMIN_BUSY',
  detail: `All ${MAX_STREAMS} event streams are in use. Each open dashboard uses one: close one, then try again.`,
  headers: { 'Retry-After': String(RETRY_SOON) },
});
