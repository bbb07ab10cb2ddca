/**
 * A store in Redis 5 or later, Redis Cluster, or Valkey.
 */
import { systemClock, type Clock } from '../common/clock.ts';
import { AntractError } from '../common/errors.ts';
import { connectTo, connectToUrl, type RedisClient } from './redis-client.ts';
import type { RedisConnection, RedisSubscriber } from './redis-connection.ts';
import { readNews } from './redis-news.ts';
import { LOAD, NAMES, PUBLISH, REPORT, REPORTS, TIME } from './redis-scripts.ts';
import {
  LATE,
  type Publication,
  type PublishResult,
  type Store,
  type StoredState,
  type StoredReport,
  type StoreListener,
} from './store.ts';

export const DEFAULT_PREFIX = 'antract';

/** Options of `RedisStore`. Pass either `client` or `url`. */
export interface RedisStoreOptions {
  /**
   * A client of node-redis or ioredis. You connect and close it yourself. The store subscribes with a
   * duplicate of it.
   */
  readonly client?: RedisClient;
  /** The URL of the server, such as `redis://host:6379`. Needs the package `redis`. */
  readonly url?: string;
  /**
   * The prefix of all keys and of the channel. Processes that share states use the same prefix. Use another
   * prefix for each group of processes on one server, even if they use different databases.
   *
   * @default 'antract'
   */
  readonly prefix?: string;
  /** Replaced in tests. */
  readonly clock?: Clock;
}

/** Text or null. A client may be configured to return other types. */
type Found = readonly [version: unknown, at: unknown, value: unknown];

/** The limit of unanswered calls; further calls are rejected. */
const MAX_PENDING = 100;
/** The time limit of a read. A write has its own. */
const READ_WITHIN_MS = 2000;
/** A new connection has at least this long to become ready before it is replaced again. */
const REPLACE_EVERY_MS = 3000;
/** A write starts again if another server, or a server with another clock, received it. */
const MAX_TRIES = 3;

/**
 * Error replies that concern the server, not the command. Another server may have taken over its name, and
 * an open connection never notices that. Older servers put the code into the message of the script error.
 */
const UNFIT =
  /\b(READONLY|MASTERDOWN|NOREPLICAS|MISCONF|LOADING|BUSY|CLUSTERDOWN|MOVED|ASK|TRYAGAIN|NOAUTH)\b/;

/** The server did not answer in time. */
class NoAnswer extends Error {}

/**
 * Shares states between processes through Redis or Valkey.
 *
 * @example
 * const antract = createAntract({ store: new RedisStore({ url: 'redis://127.0.0.1:6379' }) });
 */
export class RedisStore implements Store {
  readonly #redis: RedisConnection;
  readonly #subscriber: RedisSubscriber;
  readonly #tag: string;
  readonly #clock: Clock;
  readonly #listeners = new Set<StoreListener>();
  #pending = 0;
  #replacedAt = -Infinity;
  #closed = false;

  /** @throws AntractError `ERR_ANTRACT_OPTION`; `ERR_ANTRACT_STORE` if `redis` is not installed. */
  constructor({ client, url, prefix = DEFAULT_PREFIX, clock = systemClock }: RedisStoreOptions) {
    if ((client === undefined) === (url === undefined)) {
      throw new AntractError('ERR_ANTRACT_OPTION', 'Expected either `client` or `url`.');
    }
    if (typeof prefix !== 'string' || !/^[^{}]+$/.test(prefix)) {
      throw new AntractError('ERR_ANTRACT_OPTION', 'Expected `prefix` to be text without { and }.');
    }
    this.#tag = `{${prefix}}`;
    this.#clock = clock;
    this.#redis = url === undefined ? connectTo(client) : connectToUrl(url, clock);
    this.#subscriber = this.#redis.createSubscriber({
      channel: this.#channel,
      message: (text) => this.#onMessage(text),
      back: () => void this.#readAgain(),
    });
  }

  async load(): Promise<ReadonlyMap<string, StoredState>> {
    const apps = await this.#names(this.#key('states'));
    if (apps.length === 0) return new Map();
    const keys = apps.map((app) => this.#key('state', app));
    const [now, all] = (await this.#run(LOAD, keys)) as [unknown, Found[]];
    const found = apps.map((app, index) => [app, toState(all[index]!, now)] as const);
    return new Map(found.filter((entry): entry is [string, StoredState] => entry[1] !== undefined));
  }

  async publish(app: string, publication: Publication): Promise<PublishResult> {
    const { expected, value, ttlMs, withinMs } = publication;
    const keys = [this.#key('state', app), this.#key('states'), this.#key('version')];
    const message = `${JSON.stringify(app)},${JSON.stringify(value)}`;
    const args = [String(expected), value, toTtl(ttlMs), app, this.#channel, message];
    const answer = (await this.#write(PUBLISH, keys, args, withinMs)) as [
      unknown,
      unknown,
      ...Found,
    ];
    const [published, now, ...found] = answer;
    return { published: Number(published) === 1, current: toState(found, now) };
  }

  async subscribe(listener: StoreListener): Promise<() => Promise<void>> {
    // A new object, because the same listener may subscribe twice.
    const own: StoreListener = {
      state: (app, state) => listener.state(app, state),
      report: (report) => listener.report?.(report),
    };
    this.#listeners.add(own);
    try {
      await this.#guard(() => this.#subscriber.ready());
    } catch (error) {
      this.#listeners.delete(own);
      throw error;
    }
    return async () => void this.#listeners.delete(own);
  }

  async report({ id, value }: StoredReport, ttlMs: number, withinMs: number): Promise<void> {
    const keys = [this.#key('report', id), this.#key('reports')];
    const message = JSON.stringify(['report', id, value]);
    const ttl = value === null ? '0' : toTtl(ttlMs);
    await this.#write(REPORT, keys, [id, value ?? '', ttl, this.#channel, message], withinMs);
  }

  async reports(): Promise<readonly StoredReport[]> {
    const ids = await this.#names(this.#key('reports'));
    if (ids.length === 0) return [];
    const keys = ids.map((id) => this.#key('report', id));
    const values = (await this.#run(REPORTS, keys)) as unknown[];
    return ids.flatMap((id, index) => {
      const value = values[index];
      return value == null ? [] : [{ id, value: toText(value) }];
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#listeners.clear();
    this.#subscriber.close();
    this.#redis.close();
  }

  get #channel(): string {
    return `${this.#tag}:news`;
  }

  #key(...parts: string[]): string {
    return [this.#tag, ...parts].join(':');
  }

  async #names(index: string): Promise<readonly string[]> {
    return ((await this.#run(NAMES, [index])) as unknown[]).map(String);
  }

  #run(script: string, keys: readonly string[]): Promise<unknown> {
    return this.#guard(() => this.#redis.eval(script, keys, []));
  }

  /**
   * The clock of the server may differ from the local one by hours, so the server is asked for its time
   * first. It read its clock before the answer arrived here, so the deadline computed from it is never late.
   */
  #write(
    script: string,
    keys: readonly string[],
    args: readonly string[],
    withinMs: number,
  ): Promise<unknown> {
    const deadline = this.#clock.now() + withinMs;
    return this.#guard(async () => {
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        const from = Number(await this.#redis.eval(TIME, keys.slice(0, 1), []));
        const left = Math.floor(deadline - this.#clock.now());
        if (left <= 0) break;
        const span = [String(from), String(from + left)];
        const answer = await this.#redis.eval(script, keys, [...span, ...args]);
        if (answer !== null) return answer;
      }
      throw new Error(LATE);
    }, withinMs);
  }

  async #guard<T>(ask: () => Promise<T>, withinMs = READ_WITHIN_MS): Promise<T> {
    if (this.#closed) {
      throw new AntractError('ERR_ANTRACT_CLOSED', 'This store has been closed.', { status: 503 });
    }
    if (this.#pending >= MAX_PENDING) {
      throw unavailable(`Redis has left ${MAX_PENDING} calls unanswered; this call was not sent.`);
    }
    this.#pending += 1;
    try {
      return await this.#limit(ask(), withinMs);
    } catch (cause) {
      if (cause instanceof NoAnswer || UNFIT.test(explain(cause))) this.#replaceConnections();
      throw unavailable(`Redis: ${explain(cause)}`, cause);
    } finally {
      this.#pending -= 1;
    }
  }

  async #limit<T>(answer: Promise<T>, withinMs: number): Promise<T> {
    let giveUp!: (error: NoAnswer) => void;
    const limit = new Promise<never>((_resolve, reject) => (giveUp = reject));
    const timer = this.#clock.after(withinMs, () => {
      giveUp(new NoAnswer(`no answer in ${withinMs} ms`));
    });
    try {
      return await Promise.race([answer, limit]);
    } finally {
      timer.cancel();
    }
  }

  /** New connections resolve the name of the server again, and drop the commands queued in the old ones. */
  #replaceConnections(): void {
    const now = this.#clock.now();
    if (this.#closed || now - this.#replacedAt < REPLACE_EVERY_MS) return;
    this.#replacedAt = now;
    this.#redis.replace();
    this.#subscriber.replace();
  }

  #onMessage(text: string): void {
    const { app, state, report } = readNews(text) ?? {};
    for (const listener of this.#listeners) {
      if (app !== undefined && state) listener.state(app, state);
      if (report) listener.report?.(report);
    }
  }

  /** After a reconnect, the store is read again, because messages may have been missed. */
  async #readAgain(): Promise<void> {
    try {
      const [states, reports] = await Promise.all([this.load(), this.reports()]);
      for (const listener of this.#listeners) {
        for (const [app, state] of states) listener.state(app, state);
        for (const report of reports) listener.report?.(report);
      }
    } catch (error) {
      // The connection was lost again. The listeners read the store again by themselves.
      if (!(error instanceof AntractError)) throw error;
    }
  }
}

function toState([version, at, value]: Found, now: unknown): StoredState | undefined {
  if (version === null) return undefined;
  return { version: Number(version), value: toText(value), at: Number(at), now: Number(now) };
}

/** Some errors have no message, such as one for several addresses that all refuse. */
function explain(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.message || ((cause as NodeJS.ErrnoException).code ?? cause.name);
}

/** A client may be configured to return bytes. */
function toText(value: unknown): string {
  return Buffer.from(value as string | Uint8Array).toString();
}

/** Redis takes whole milliseconds, and 0 is not a valid time to live. */
function toTtl(ms: number): string {
  return String(Math.max(1, Math.ceil(ms)));
}

function unavailable(message: string, cause?: unknown): AntractError {
  return new AntractError('ERR_ANTRACT_STORE', message, { status: 503, cause });
}
