/** Connections through ioredis 5 and later, including its `Cluster`. */
import {
  ignore,
  Readiness,
  type News,
  type RedisConnection,
  type RedisSubscriber,
} from './redis-connection.ts';

/** The used members of a client. */
export interface IoRedis {
  readonly status: string;
  readonly isCluster?: boolean;
  eval(script: string, numberOfKeys: number, ...keysAndArgs: string[]): Promise<unknown>;
  duplicate(...overrides: unknown[]): IoRedis;
  subscribe(channel: string): Promise<unknown>;
  disconnect(): void;
  on(event: string, listener: (...args: never[]) => void): unknown;
  off(event: string, listener: (...args: never[]) => void): unknown;
}

/** A client that is connecting. A client that has not started, or has ended, rejects commands by itself. */
const UNDER_WAY = new Set(['connecting', 'connect', 'reconnecting', 'close']);

export function ioRedisConnection(client: IoRedis): RedisConnection {
  return new IoRedisConnection(client);
}

class IoRedisConnection implements RedisConnection {
  readonly #given: IoRedis;
  #used: Pick<Opened, 'client' | 'readiness'>;

  constructor(given: IoRedis) {
    this.#given = given;
    this.#used = { client: given, readiness: new Readiness(given) };
  }

  async eval(script: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    if (this.#isOwn && this.#used.client.status === 'end') this.replace();
    const { client, readiness } = this.#used;
    if (UNDER_WAY.has(client.status)) await readiness.next();
    return client.eval(script, keys.length, ...keys, ...args);
  }

  createSubscriber(news: News): RedisSubscriber {
    return new IoRedisSubscriber(this.#given, news);
  }

  replace(): void {
    this.close();
    const client = duplicate(this.#given, {
      lazyConnect: false,
      autoResendUnfulfilledCommands: false,
    });
    this.#used = { client, readiness: new Readiness(client) };
  }

  close(): void {
    if (this.#isOwn) this.#used.client.disconnect();
  }

  get #isOwn(): boolean {
    return this.#used.client !== this.#given;
  }
}

interface Opened {
  readonly client: IoRedis;
  readonly readiness: Readiness;
  readonly subscribed: Promise<void>;
}

class IoRedisSubscriber implements RedisSubscriber {
  readonly #parent: IoRedis;
  readonly #news: News;
  #opened: Opened | undefined;
  #hasSubscribed = false;

  constructor(parent: IoRedis, news: News) {
    this.#parent = parent;
    this.#news = news;
  }

  async ready(): Promise<void> {
    if (this.#opened?.client.status === 'end') this.close();
    const { client, readiness, subscribed } = (this.#opened ??= this.#open());
    if (UNDER_WAY.has(client.status)) await readiness.next();
    await subscribed;
  }

  replace(): void {
    if (!this.#opened) return;
    this.close();
    this.#opened = this.#open();
  }

  close(): void {
    this.#opened?.client.disconnect();
    this.#opened = undefined;
  }

  #open(): Opened {
    const client = duplicate(this.#parent, LISTENING);
    const { channel, message, back } = this.#news;
    client.on('message', (_channel: string, text: string) => message(text));
    const subscribed = new Promise<void>((resolve) => {
      client.on('ready', () => {
        // `autoResubscribe` of ioredis causes an unhandled rejection if the connection closes at that moment.
        client.subscribe(channel).then(() => {
          if (this.#hasSubscribed) back();
          this.#hasSubscribed = true;
          resolve();
        }, ignore);
      });
    });
    return { client, readiness: new Readiness(client), subscribed };
  }
}

/** A subscriber reconnects whatever the options of its parent are, and sends one command. */
const LISTENING = {
  lazyConnect: false,
  enableOfflineQueue: true,
  autoResubscribe: false,
  maxRetriesPerRequest: null,
};

function duplicate(parent: IoRedis, options: object): IoRedis {
  const client = parent.isCluster ? parent.duplicate([], options) : parent.duplicate(options);
  // Without a listener, ioredis prints the errors.
  client.on('error', ignore);
  return client;
}
