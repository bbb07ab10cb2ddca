/**
 * Tells a webhook what becomes of pauses. Knows events and one URL; whatever goes wrong on the way
 * there ends in the log, and holds up nobody.
 */
import { inspect } from 'node:util';
import { systemClock, type Clock } from '../common/clock.ts';
import type { AntractEvents } from '../gate/events.ts';
import type { PauseRegistry } from '../registry/pause-registry.ts';
import type { RegistryCore } from '../registry/registry-core.ts';
import type { PauseReport } from '../gate/pause-report.ts';

/** What is sent, as JSON, beside the fields of the event itself. */
export interface Notification {
  /** The event that the notification is about. */
  readonly event: NotifiedEvent;
  /** The app of the event. */
  readonly app: string;
  /** ISO 8601. */
  readonly at: string;
  /** Why the app was paused, at every event of that pause. */
  readonly reason: string | null;
  /** How many requests waited at that moment. */
  readonly held: number;
  /** Requests in flight at that moment. */
  readonly inFlight: number;
  /** Null for an app that is not, and was not just, paused. */
  readonly pausedForMs: number | null;
  /** What came of the pause so far; null likewise. */
  readonly report: PauseReport | null;
}

const EVENTS = [
  'paused',
  'drained',
  'resumed',
  'expired',
  'stopped',
] as const satisfies (keyof AntractEvents)[];

/** The events that the webhook sends. */
export type NotifiedEvent = (typeof EVENTS)[number];

/** Of one POST, from the connection to the end of the answer. */
const TIMEOUT_MS = 5000;
/** Those that wait for the one under way. Beyond that the oldest are dropped. */
const MAX_QUEUED = 100;
/** How long `close()` lets what is queued go out. */
const CLOSE_MS = 1000;

export interface NotifierOptions {
  /** Replaced in tests. */
  clock?: Clock;
}

export class Notifier {
  readonly #registry: PauseRegistry;
  readonly #core: RegistryCore;
  readonly #clock: Clock;
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #queue: Notification[] = [];
  /** Why each app is paused. Once a pause has ended its status does not say any more. */
  readonly #reasons = new Map<string, string | null>();
  readonly #listeners = EVENTS.map((event) => [event, this.#listener(event)] as const);
  readonly #ending = new AbortController();
  #sending: Promise<void> | undefined;
  #dropped = 0;
  #closed: Promise<void> | undefined;

  constructor(
    registry: PauseRegistry,
    core: RegistryCore,
    url: string,
    { clock = systemClock }: NotifierOptions = {},
  ) {
    this.#registry = registry;
    this.#core = core;
    this.#clock = clock;
    ({ url: this.#url, headers: this.#headers } = target(url));
    for (const [event, listener] of this.#listeners) registry.on(event, listener);
    core.closed.addEventListener('abort', () => void this.close());
  }

  /** Sends what is queued, as far as a second allows, and nothing more. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    for (const [event, listener] of this.#listeners) this.#registry.off(event, listener);
    const timer = this.#clock.after(CLOSE_MS, () => this.#ending.abort());
    await this.#sending;
    timer.cancel();
  }

  #listener(event: NotifiedEvent): (payload: { app: string; reason?: string | null }) => void {
    return (payload) => this.#add(event, payload);
  }

  #add(event: NotifiedEvent, payload: { app: string }): void {
    const { app } = payload;
    const { held, inFlight, pausedForMs, reason } = this.#registry.status(app);
    if (event === 'paused' || reason !== null) this.#reasons.set(app, reason);
    // Of a stop, and of what follows it, no pause can tell anything.
    const isPause = this.#reasons.has(app);
    const reasonThen = this.#reasons.get(app) ?? null;
    if (event === 'resumed' || event === 'stopped') this.#reasons.delete(app);
    // Of several processes that see the same, one tells it.
    if (!this.#core.isLeader) return;
    this.#queue.push({
      event,
      // oxlint-disable-next-line no-restricted-globals -- Formats a time, and asks for none.
      at: new Date(this.#clock.date()).toISOString(),
      held,
      inFlight,
      pausedForMs,
      reason: reasonThen,
      ...payload,
      report: isPause ? (this.#registry.report(app) ?? null) : null,
    });
    if (this.#queue.length > MAX_QUEUED) {
      this.#queue.shift();
      this.#dropped++;
    }
    this.#sending ??= this.#sendAll();
  }

  /** One after the other, so that they arrive in their order. */
  async #sendAll(): Promise<void> {
    // The event goes on to its other listeners first.
    await Promise.resolve();
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      if (this.#ending.signal.aborted) {
        this.#dropped += this.#queue.length + 1;
        break;
      }
      await this.#send(next);
    }
    this.#sending = undefined;
    if (this.#dropped > 0) {
      this.#warn(`${this.#dropped} notifications were dropped, as it takes them too slowly`);
      this.#dropped = 0;
    }
  }

  /** Once: a second try would hold up the next one, which tells more. */
  async #send(notification: Notification): Promise<void> {
    const ending = new AbortController();
    const abort = (): void => ending.abort();
    const timer = this.#clock.after(TIMEOUT_MS, abort);
    this.#ending.signal.addEventListener('abort', abort);
    try {
      const answer = await fetch(this.#url, {
        method: 'POST',
        headers: this.#headers,
        body: JSON.stringify(notification),
        // Elsewhere is not what was configured.
        redirect: 'manual',
        signal: ending.signal,
      });
      // Nobody reads it; unread it would keep the connection.
      await answer.body?.cancel();
      if (!answer.ok) this.#warn(`'${notification.event}' was answered ${answer.status}`);
    } catch (error) {
      const why = ending.signal.aborted ? 'it took too long' : messageOf(error);
      this.#warn(`'${notification.event}' could not be sent: ${why}`);
    } finally {
      timer.cancel();
      this.#ending.signal.removeEventListener('abort', abort);
    }
  }

  /** Without the path and the query of the URL: for many services they are the secret. */
  #warn(what: string): void {
    const { origin } = new URL(this.#url);
    this.#core.settings.logger.warn(`WRN_ANTRACT_NOTIFY: ${origin}: ${what}.`);
  }
}

/** fetch() takes no user and password in a URL. */
function target(notify: string): { url: string; headers: Record<string, string> } {
  const url = new URL(notify);
  const headers = { 'Content-Type': 'application/json', 'User-Agent': 'antract' };
  const { username, password } = url;
  if (username === '' && password === '') return { url: url.href, headers };
  url.username = '';
  url.password = '';
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const credentials = Buffer.from(pair).toString('base64');
  return { url: url.href, headers: { ...headers, Authorization: `Basic ${credentials}` } };
}

/** fetch() fails with `fetch failed`, and the reason inside. */
function messageOf(error: unknown): string {
  const { cause = error } = error as { cause?: unknown };
  const { message } = cause as { message?: unknown };
  return typeof message === 'string' && message !== '' ? message : inspect(cause);
}
