/**
 * Sends events of pauses to a webhook. A failure is logged and never delays a request or a command.
 */
import { inspect } from 'node:util';
import { systemClock, type Clock } from '../common/clock.ts';
import type { AntractEvents } from '../gate/events.ts';
import type { PauseRegistry } from '../registry/pause-registry.ts';
import type { RegistryCore } from '../registry/registry-core.ts';
import type { PauseReport } from '../gate/pause-report.ts';

/** The JSON body of a notification. It also has the fields of the event. */
export interface Notification {
  /** The event that the notification is about. */
  readonly event: NotifiedEvent;
  /** The app of the event. */
  readonly app: string;
  /** When it was sent, in ISO 8601. */
  readonly at: string;
  /** Why the app was paused, in each event of that pause; null without a reason. */
  readonly reason: string | null;
  /** How many requests are held. */
  readonly held: number;
  /** How many requests are in flight. */
  readonly inFlight: number;
  /** How long the pause has lasted, in milliseconds; null if the event does not belong to a pause. */
  readonly pausedForMs: number | null;
  /** The report of the pause; null if the event does not belong to a pause. */
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

/** The limit of one POST request, including its response. */
const TIMEOUT_MS = 5000;
/** The limit of queued notifications. Beyond it, the oldest are dropped. */
const MAX_QUEUED = 100;
/** How long `close()` sends queued notifications. */
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
  /** Why each app is paused. The status no longer tells it after the end of the pause. */
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

  /** Sends queued notifications for up to a second, then stops. */
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
    // A stop, and the events after it, belong to no pause.
    const isPause = this.#reasons.has(app);
    const reasonThen = this.#reasons.get(app) ?? null;
    if (event === 'resumed' || event === 'stopped') this.#reasons.delete(app);
    // All processes on one store see the event; the leader sends it.
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

  /** Sends one notification after the other, so that they arrive in order. */
  async #sendAll(): Promise<void> {
    // The other listeners receive the event first.
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
      this.#warn(`${this.#dropped} notifications were dropped, because the webhook is too slow`);
      this.#dropped = 0;
    }
  }

  /** No retry: it would delay the next notification, which is more recent. */
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
        // Send nothing to a URL that was not configured.
        redirect: 'manual',
        signal: ending.signal,
      });
      // An unread body would keep the connection open.
      await answer.body?.cancel();
      if (!answer.ok)
        this.#warn(`the webhook answered '${notification.event}' with ${answer.status}`);
    } catch (error) {
      const why = ending.signal.aborted ? 'it took too long' : messageOf(error);
      this.#warn(`'${notification.event}' could not be sent: ${why}`);
    } finally {
      timer.cancel();
      this.#ending.signal.removeEventListener('abort', abort);
    }
  }

  /** Omits the path and the query of the URL, which are the secret of many services. */
  #warn(what: string): void {
    const { origin } = new URL(this.#url);
    this.#core.settings.logger.warn(`WRN_ANTRACT_NOTIFY: ${origin}: ${what}.`);
  }
}

/** fetch() does not accept a user and password in a URL. */
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

/** fetch() fails with `fetch failed`, and has the reason in `cause`. */
function messageOf(error: unknown): string {
  const { cause = error } = error as { cause?: unknown };
  const { message } = cause as { message?: unknown };
  return typeof message === 'string' && message !== '' ? message : inspect(cause);
}
