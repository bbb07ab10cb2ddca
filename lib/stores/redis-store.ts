/**
 * A store in Redis 5 or later, Redis Cluster, or Valkey. Knows nothing of the library that talks to it.
 */
import { systemClock, type Clock } from '../clock.ts';
import { AntractError } from '../errors.ts';
import { connectTo, connectToUrl, type RedisClient } from './redis-client.ts';
import type { RedisConnection, RedisSubscriber } from './redis-connection.ts';
import { readNews } from './redis-news.ts';
import { LOAD, NAMES, PUBLISH, REPORT, REPORTS } from './redis-scripts.ts';
import type {
  Publication,
  PublishResult,
  Store,
  StoredIntent,
  StoredReport,
  StoreListener,
} from './store.ts';

export interface RedisStoreOptions {
  /**
   * Of node-redis or ioredis, connected or about to connect. It is not closed here; what listens is a
   * duplicate of it.
   */
  readonly client?: RedisClient;
  /** Such as `redis://host:6379`, in place of a client. Needs the package `redis`. */
  readonly url?: string;
  /**
   * Of all keys. Default `antract`. Gateways that are to share anything have the same one; others on
   * the same server another, also in another database of it.
   */
  readonly prefix?: string;
  /** Replaced in tests. */
  readonly clock?: Clock;
}

/** Text or null, or what a client was told to make of text. */
type Found = readonly [version: unknown, at: unknown, value: unknown];

/** Of a server that does not answer; one more is refused. */
const MAX_PENDING = 100;

export class RedisStore implements Store {
  readonly #redis: RedisConnection;
  readonly #subscriber: RedisSubscriber;
  readonly #tag: string;
  readonly #listeners = new Set<StoreListener>();
  #pending = 0;
  #closed = false;

  /** @throws AntractError `ERR_ANTRACT_OPTION`; `ERR_ANTRACT_STORE` where `redis` is not installed. */
  constructor({ client, url, prefix = 'antract', clock = systemClock }: RedisStoreOptions) {
    if ((client === undefined) === (url === undefined)) {
      throw new AntractError('ERR_ANTRACT_OPTION', 'Expected either `client` or `url`.');
    }
    if (typeof prefix !== 'string' || !/^[^{}]+$/.test(prefix)) {
      throw new AntractError('ERR_ANTRACT_OPTION', 'Expected `prefix` to be text without { and }.');
    }
    this.#tag = `{${prefix}}`;
    this.#redis = url === undefined ? connectTo(client) : connectToUrl(url, clock);
    this.#subscriber = this.#redis.createSubscriber({
      channel: this.#channel,
      message: (text) => this.#tell(text),
      back: () => void this.#tellAgain(),
    });
  }

  async load(): Promise<ReadonlyMap<string, StoredIntent>> {
    const apps = await this.#names(this.#key('intents'));
    if (apps.length === 0) return new Map();
    const keys = apps.map((app) => this.#key('intent', app));
    const [now, all] = (await this.#run(LOAD, keys)) as [unknown, Found[]];
    const found = apps.map((app, index) => [app, toIntent(all[index]!, now)] as const);
    return new Map(
      found.filter((entry): entry is [string, StoredIntent] => entry[1] !== undefined),
    );
  }

  async publish(app: string, { expected, value, ttlMs }: Publication): Promise<PublishResult> {
    const keys = [this.#key('intent', app), this.#key('intents'), this.#key('version')];
    const told = `${JSON.stringify(app)},${JSON.stringify(value)}`;
    const args = [String(expected), value, toTtl(ttlMs), app, this.#channel, told];
    const answer = (await this.#run(PUBLISH, keys, args)) as [unknown, unknown, ...Found];
    const [published, now, ...found] = answer;
    return { published: Number(published) === 1, current: toIntent(found, now) };
  }

  async subscribe(listener: StoreListener): Promise<() => Promise<void>> {
    // One of its own, as the same may be subscribed twice.
    const own: StoreListener = {
      intent: (app, intent) => listener.intent(app, intent),
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

  async report({ id, value }: StoredReport, ttlMs: number): Promise<void> {
    const keys = [this.#key('report', id), this.#key('reports')];
    const told = JSON.stringify(['report', id, value]);
    const ttl = value === null ? '0' : toTtl(ttlMs);
    await this.#run(REPORT, keys, [id, value ?? '', ttl, this.#channel, told]);
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

  #run(script: string, keys: readonly string[], args: readonly string[] = []): Promise<unknown> {
    return this.#guard(() => this.#redis.eval(script, keys, args));
  }

  async #guard<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#closed) {
      throw new AntractError('ERR_ANTRACT_CLOSED', 'This store has been closed.', { status: 503 });
    }
    if (this.#pending >= MAX_PENDING) {
      throw away(`Redis has left ${MAX_PENDING} questions unanswered.`);
    }
    this.#pending += 1;
    try {
      return await ask();
    } catch (cause) {
      throw away(`Redis: ${explain(cause)}`, cause);
    } finally {
      this.#pending -= 1;
    }
  }

  #tell(text: string): void {
    const { app, intent, report } = readNews(text) ?? {};
    for (const listener of this.#listeners) {
      if (app !== undefined && intent) listener.intent(app, intent);
      if (report) listener.report?.(report);
    }
  }

  /** What there is, as some of it may have been missed. */
  async #tellAgain(): Promise<void> {
    try {
      const [intents, reports] = await Promise.all([this.load(), this.reports()]);
      for (const listener of this.#listeners) {
        for (const [app, intent] of intents) listener.intent(app, intent);
        for (const report of reports) listener.report?.(report);
      }
    } catch (error) {
      // Gone again. Whoever listens looks again by itself.
      if (!(error instanceof AntractError)) throw error;
    }
  }
}

function toIntent([version, at, value]: Found, now: unknown): StoredIntent | undefined {
  if (version === null) return undefined;
  return { version: Number(version), value: toText(value), at: Number(at), now: Number(now) };
}

/** Some have a name only: that of several addresses that all refuse, for one. */
function explain(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.message || ((cause as NodeJS.ErrnoException).code ?? cause.name);
}

/** What a client may have been told to hand over as bytes. */
function toText(value: unknown): string {
  return Buffer.from(value as string | Uint8Array).toString();
}

/** Redis takes whole milliseconds, and 0 for none at all. */
function toTtl(ms: number): string {
  return String(Math.max(1, Math.ceil(ms)));
}

function away(message: string, cause?: unknown): AntractError {
  return new AntractError('ERR_ANTRACT_STORE', message, { status: 503, cause });
}
