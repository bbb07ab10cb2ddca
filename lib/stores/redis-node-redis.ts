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

/** Over a client of the caller. */
export function nodeRedisConnection(client: NodeRedis): RedisConnection {
  const readiness = new Readiness(client);
  // Without a listener an error of a client ends the process: a store must not be what does that.
  client.on('error', ignore);
  return {
    async eval(script, keys, args) {
      if (client.isOpen && isUnderWay(client)) await readiness.next();
      return evaluate(client, script, keys, args);
    },
    createSubscriber: (news) => new NodeRedisSubscriber(client, news),
    close: () => void client.off('error', ignore),
  };
}

/** Over one that was made for this, and is opened when it is asked. */
export function ownNodeRedisConnection(client: NodeRedis): RedisConnection {
  const own = new OwnClient(client);
  return {
    async eval(script, keys, args) {
      if (!client.isOpen) own.connect().catch(ignore);
      if (isUnderWay(client)) await own.readiness.next();
      return evaluate(client, script, keys, args);
    },
    createSubscriber: (news) => new NodeRedisSubscriber(client, news),
    close: () => own.end(),
  };
}

class NodeRedisSubscriber implements RedisSubscriber {
  readonly #parent: NodeRedis;
  readonly #news: News;
  #own: OwnClient | undefined;
  #subscribed: Promise<void> = Promise.resolve();

  constructor(parent: NodeRedis, news: News) {
    this.#parent = parent;
    this.#news = news;
  }

  async ready(): Promise<void> {
    // Its parent's options may have made it give up.
    if (!this.#own?.client.isOpen) this.#open();
    const { client, readiness } = this.#own!;
    if (isUnderWay(client)) await readiness.next();
    await this.#subscribed;
  }

  close(): void {
    this.#own?.end();
  }

  #open(): void {
    this.#own?.end();
    const own = new OwnClient(this.#parent.duplicate());
    const { client } = own;
    const { channel, message, back } = this.#news;
    let wasReady = false;
    // It subscribes again before it says that it is ready.
    for (const event of ['ready', 'node-ready']) client.on(event, () => wasReady && back());
    const listen = async (): Promise<void> => {
      await own.connect();
      await client.subscribe(channel, message);
      wasReady = true;
    };
    this.#own = own;
    this.#subscribed = listen();
    this.#subscribed.catch(ignore);
  }
}

/** One that is closed by whom it was made. */
class OwnClient {
  readonly client: NodeRedis;
  readonly readiness: Readiness;
  /** A socket that is about to connect is none that the client could end: it would stay, unused. */
  #isDialing = false;
  #isEnded = false;

  constructor(client: NodeRedis) {
    this.client = client;
    this.readiness = new Readiness(client);
    for (const event of ['error', 'connect']) client.on(event, () => this.#dialed());
    client.on('reconnecting', () => {
      this.#isDialing = true;
    });
  }

  async connect(): Promise<void> {
    this.#isDialing = true;
    await this.client.connect().finally(() => this.#dialed());
  }

  /** At once, whether or not the server answers; one that is about to connect as soon as it has. */
  end(): void {
    this.#isEnded = true;
    if (!this.#isDialing && this.client.isOpen) this.client.destroy();
  }

  #dialed(): void {
    this.#isDialing = false;
    if (this.#isEnded) this.end();
  }
}

function evaluate(
  client: NodeRedis,
  script: string,
  keys: readonly string[],
  args: readonly string[],
): Promise<unknown> {
  return client.eval(script, { keys: [...keys], arguments: [...args] });
}

function isUnderWay(client: NodeRedis): boolean {
  return client.slots === undefined && client.isReady === false;
}
