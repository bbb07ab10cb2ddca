/** node-redis 5 and later, its cluster client too. */
import {
  ignore,
  Readiness,
  type News,
  type RedisConnection,
  type RedisSubscriber,
} from './redis-connection.ts';

/** What is used of a client. */
export interface NodeRedis {
  readonly isOpen: boolean;
  readonly isReady?: boolean;
  /** Of a cluster client alone. It has many connections, and does not tell when it is ready again. */
  readonly slots?: unknown;
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  duplicate(): NodeRedis;
  connect(): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  destroy(): void;
  on(event: string, listener: (cause?: unknown) => void): unknown;
  off(event: string, listener: (cause?: unknown) => void): unknown;
}

export function nodeRedisConnection(client: NodeRedis, { isOurs = false } = {}): RedisConnection {
  const readiness = new Readiness(client);
  // Without a listener an error of a client ends the process: a store must not be what does that.
  client.on('error', ignore);
  return {
    async eval(script, keys, args) {
      if (isOurs && !client.isOpen) void client.connect().catch(ignore);
      if ((isOurs || client.isOpen) && isUnderWay(client)) await readiness.next();
      return client.eval(script, { keys: [...keys], arguments: [...args] });
    },
    createSubscriber: (news) => new NodeRedisSubscriber(client, news),
    close() {
      if (isOurs) end(client);
      else client.off('error', ignore);
    },
  };
}

interface Opened {
  readonly client: NodeRedis;
  readonly readiness: Readiness;
  readonly subscribed: Promise<unknown>;
}

class NodeRedisSubscriber implements RedisSubscriber {
  readonly #parent: NodeRedis;
  readonly #news: News;
  #opened: Opened | undefined;

  constructor(parent: NodeRedis, news: News) {
    this.#parent = parent;
    this.#news = news;
  }

  async ready(): Promise<void> {
    if (this.#opened && !this.#opened.client.isOpen) this.close();
    const { client, readiness, subscribed } = (this.#opened ??= this.#open());
    if (isUnderWay(client)) await readiness.next();
    await subscribed;
  }

  close(): void {
    if (this.#opened) end(this.#opened.client);
    this.#opened = undefined;
  }

  #open(): Opened {
    const client = this.#parent.duplicate();
    const { channel, message, back } = this.#news;
    client.on('error', ignore);
    let wasReady = false;
    const listen = async (): Promise<void> => {
      await client.connect();
      await client.subscribe(channel, message);
      wasReady = true;
    };
    // It subscribes again before it says that it is ready.
    for (const event of ['ready', 'node-ready']) client.on(event, () => wasReady && back());
    const subscribed = listen();
    subscribed.catch(ignore);
    return { client, readiness: new Readiness(client), subscribed };
  }
}

function isUnderWay(client: NodeRedis): boolean {
  return client.slots === undefined && client.isReady === false;
}

/** At once, whether or not the server answers. */
function end(client: NodeRedis): void {
  if (client.isOpen) client.destroy();
}
