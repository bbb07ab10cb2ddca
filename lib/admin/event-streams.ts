/**
 * `events`: snapshots of every app as server-sent events
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html). Knows HTTP and snapshots, and not
 * who may ask.
 *
 * Each event is a whole snapshot, so whoever reads slowly is passed over and loses nothing but
 * moments in between: never more than one snapshot waits for them here.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { systemClock, type Clock, type Timer } from '../common/clock.ts';
import { isDisconnected, onDisconnect } from '../http/disconnect.ts';
import { AntractError } from '../common/errors.ts';
import type { AntractEvents } from '../gate/events.ts';
import type { PauseRegistry } from '../registry/pause-registry.ts';
import { printableJson } from '../common/printable.ts';
import { ProblemError } from './problem.ts';

/** Each open page is one. */
const MAX_STREAMS = 32;
/** At most four snapshots a second, however much is going on. */
const GAP_MS = 250;
/** No event tells what is in flight, so that is looked at. */
const LOOK_MS = 1000;
/** The longest silence: a page that hears nothing for longer says that it lost touch. */
const SIGN_OF_LIFE_MS = 4000;
/** Whoever has not read for so long is gone, or may come back when they are. */
const STUCK_MS = 30_000;

/** Each may change a snapshot. The type keeps an event from being forgotten here. */
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
  evicted: true,
} satisfies Record<keyof AntractEvents, true>) as (keyof AntractEvents)[];

export type StreamedRegistry = Pick<PauseRegistry, 'list' | 'on' | 'off' | 'closed'>;

export class EventStreams {
  readonly #registry: StreamedRegistry;
  readonly #clock: Clock;
  /** Since when each has not taken anything; undefined where it does. */
  readonly #streams = new Map<ServerResponse, number | undefined>();
  readonly #onChange = (): void => this.#soon();
  #timer: Timer | undefined;
  #isSoon = false;
  #sentAt = -Infinity;
  #sentState = '';
  #id = 0;

  /** @param clock replaced in tests. */
  constructor(registry: StreamedRegistry, clock: Clock = systemClock) {
    this.#registry = registry;
    this.#clock = clock;
    registry.closed.addEventListener('abort', () => this.#close());
  }

  get size(): number {
    return this.#streams.size;
  }

  /** @throws AntractError, ProblemError when there can't be another one. */
  open(req: IncomingMessage, res: ServerResponse): void {
    if (this.#registry.closed.aborted) {
      throw new AntractError('ERR_ANTRACT_CLOSED', 'antract has been closed.', { status: 503 });
    }
    if (this.#streams.size >= MAX_STREAMS) throw new ProblemError(BUSY);
    if (isDisconnected(req, res)) return;
    writeHead(res);
    onDisconnect(req, res, () => this.#leave(res));
    this.#streams.set(res, undefined);
    if (this.#streams.size === 1) this.#start();
    res.write(`retry: 1000\n${this.#event()}`);
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
    this.#sentState = this.#state(this.#sentAt);
    this.#later();
  }

  #stop(): void {
    for (const event of EVENTS) this.#registry.off(event, this.#onChange);
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isSoon = false;
  }

  /** Something has changed. A thousand changes in one go are one snapshot. */
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
    const state = this.#state(now);
    if (state !== this.#sentState || now >= this.#sentAt + SIGN_OF_LIFE_MS) {
      this.#sentState = state;
      this.#sentAt = now;
      this.#sendAll(now);
    }
    if (this.#streams.size > 0) this.#later();
  }

  #sendAll(now: number): void {
    const event = this.#event();
    for (const [res, stuckSince] of this.#streams) {
      if (!res.writableNeedDrain) {
        this.#streams.set(res, undefined);
        res.write(event);
      } else if (stuckSince === undefined) {
        this.#streams.set(res, now);
      } else if (now >= stuckSince + STUCK_MS) {
        res.destroy();
        this.#leave(res);
      }
    }
  }

  #event(): string {
    const at = this.#clock.date();
    const data = printableJson({ at, apps: this.#registry.list() });
    return `id: ${++this.#id}\ndata: ${data}\n\n`;
  }

  /** All that is worth telling: that time goes on is not, that an end was put off is. */
  #state(now: number): string {
    return JSON.stringify(this.#registry.list(), (name, value: unknown) => {
      if (!name.endsWith('Ms')) return value;
      const isDeadline = name === 'endsInMs' || name === 'leaseEndsInMs';
      return isDeadline && typeof value === 'number' ? Math.round((now + value) / 1000) : undefined;
    });
  }
}

function writeHead(res: ServerResponse): void {
  res.statusCode = 200;
  res.setHeader('Content-Type', 'text/event-stream; charset=utf-8');
  // Neither kept nor packed up: compression would sit on the events until it has enough of them.
  res.setHeader('Cache-Control', 'no-store, no-transform');
  res.setHeader('X-Accel-Buffering', 'no');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
}

const BUSY = Object.freeze({
  status: 503,
  code: 'ERR_ANTRACT_ADMIN_BUSY',
  detail: `All ${MAX_STREAMS} event streams are in use; a dashboard that is open somewhere is one.`,
  headers: { 'Retry-After': '5' },
});
