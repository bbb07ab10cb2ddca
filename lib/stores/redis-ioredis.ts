/** ioredis 5 and later, its `Cluster` too. */
import {
  ignore,
  Readiness,
  type News,
  type RedisConnection,
  type RedisSubscriber,
} from './redis-connection.ts';

/** What is used of a client. */
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

/** On its way to be ready. One that waits to be used, or has ended, says so by itself when it is. */
const UNDER_WAY = new Set(['connecting', 'connect', 'reconnecting', 'close']);

export function ioRedisConnection(client: IoRedis): RedisConnection {
  const readiness = new Readiness(client);
  return {
    async eval(script, keys, args) {
      if (UNDER_WAY.has(client.status)) await readiness.next();
      return client.eval(script, keys.length, ...keys, ...args);
    },
    createSubscriber: (news) => new IoRedisSubscriber(client, news),
    close: ignore,
  };
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

  close(): void {
    this.#opened?.client.disconnect();
    this.#opened = undefined;
  }

  #open(): Opened {
    const client = duplicate(this.#parent);
    const { channel, message, back } = this.#news;
    client.on('error', ignore);
    client.on('message', (_channel: string, text: string) => message(text));
    let wasReady = false;
    const subscribed = new Promise<void>((resolve) => {
      client.on('ready', () => {
        // By hand: what ioredis would do by itself leaves a rejection to nobody where the connection
        // is closed meanwhile.
        client.subscribe(channel).then(() => {
          if (wasReady) back();
          wasReady = true;
          resolve();
        }, ignore);
      });
    });
    return { client, readiness: new Readiness(client), subscribed };
  }
}

/** Whatever its parent does: one that listens comes back by itself, and has one command to send. */
function duplicate(parent: IoRedis): IoRedis {
  const own = { lazyConnect: false, enableOfflineQueue: true };
  if (parent.isCluster) return parent.duplicate([], own);
  return parent.duplicate({ ...own, autoResubscribe: false, maxRetriesPerRequest: null });
}
