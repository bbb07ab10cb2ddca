/** Connections through node-redis 5 and later, including its cluster client. */
import {
  ignore,
  Readiness,
  type News,
  type RedisConnection,
  type RedisSubscriber,
} from './redis-connection.ts';

/** The used members of a client. */
export interface NodeRedis {
  readonly isOpen: boolean;
  readonly isReady?: boolean;
  /** Only a cluster client has it. That client has many connections and no event when it is ready again. */
  readonly slots?: unknown;
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  duplicate(): NodeRedis;
  connect(): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  destroy(): void;
  on(event: string, listener: (cause?: unknown) => void): unknown;
  off(event: string, listener: (cause?: unknown) => void): unknown;
}

/** Uses a client of the user. */
export function nodeRedisConnection(client: NodeRedis): RedisConnection {
  return new NodeRedisConnection(client);
}

/** Uses a client that was made here. The first command opens it. */
export function ownNodeRedisConnection(client: NodeRedis): RedisConnection {
  return new NodeRedisConnection(client, new OwnClient(client));
}

class NodeRedisConnection implements RedisConnection {
  readonly #given: NodeRedis;
  readonly #givenReadiness: Readiness;
  /** Undefined while the client of the user is used. */
  #own: OwnClient | undefined;

  constructor(given: NodeRedis, own?: OwnClient) {
    this.#given = given;
    this.#givenReadiness = new Readiness(given);
    this.#own = own;
    // Without a listener, an error of the client would end the process.
    given.on('error', ignore);
  }

  async eval(script: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const client = this.#own?.client ?? this.#given;
    if (this.#own) await this.#own.ready();
    else if (client.isOpen && isUnderWay(client)) await this.#givenReadiness.next();
    return client.eval(script, { keys: [...keys], arguments: [...args] });
  }

  createSubscriber(news: News): RedisSubscriber {
    return new NodeRedisSubscriber(this.#given, news);
  }

  replace(): void {
    if (this.#own?.isDiscovering) return;
    this.#own?.end();
    this.#own = new OwnClient(this.#given.duplicate());
  }

  close(): void {
    this.#own?.end();
    this.#given.off('error', ignore);
  }
}

class NodeRedisSubscriber implements RedisSubscriber {
  readonly #parent: NodeRedis;
  readonly #news: News;
  #own: OwnClient | undefined;
  #subscribed: Promise<void> = Promise.resolve();
  #hasSubscribed = false;

  constructor(parent: NodeRedis, news: News) {
    this.#parent = parent;
    this.#news = news;
  }

  async ready(): Promise<void> {
    // With the options of its parent, the client may have given up.
    if (!this.#own?.client.isOpen) this.#open();
    const { client, readiness } = this.#own!;
    if (isUnderWay(client)) await readiness.next();
    await this.#subscribed;
  }

  replace(): void {
    if (this.#own && !this.#own.isDiscovering) this.#open();
  }

  close(): void {
    this.#own?.end();
    this.#own = undefined;
  }

  #open(): void {
    this.#own?.end();
    const own = new OwnClient(this.#parent.duplicate());
    const { client } = own;
    const { channel, message, back } = this.#news;
    let wasReady = false;
    // The client subscribes again before it emits `ready`.
    for (const event of ['ready', 'node-ready']) client.on(event, () => wasReady && back());
    const listen = async (): Promise<void> => {
      await own.connect();
      await client.subscribe(channel, message);
      if (this.#hasSubscribed) back();
      this.#hasSubscribed = true;
      wasReady = true;
    };
    this.#own = own;
    this.#subscribed = listen();
    this.#subscribed.catch(ignore);
  }
}

/** A client that was made here and is closed here. */
class OwnClient {
  readonly client: NodeRedis;
  readonly readiness: Readiness;
  /** The client can't end a socket that is connecting; it would stay open, unused. */
  #isDialing = false;
  #isEnded = false;
  #connecting: Promise<unknown> = Promise.resolve();

  constructor(client: NodeRedis) {
    this.client = client;
    this.readiness = new Readiness(client);
    for (const event of ['error', 'connect']) client.on(event, () => this.#dialed());
    client.on('reconnecting', () => {
      this.#isDialing = true;
    });
  }

  /**
   * A cluster client asks its nodes one after another, over connections that can't be ended from outside.
   * Another client would only add a connection to a node that does not answer.
   */
  get isDiscovering(): boolean {
    return this.#isDialing && this.client.slots !== undefined;
  }

  async connect(): Promise<void> {
    this.#isDialing = true;
    this.#connecting = this.client.connect().finally(() => this.#dialed());
    await this.#connecting;
  }

  /** Connects if necessary. A cluster client has no event for it, only the promise. */
  async ready(): Promise<void> {
    const { client, readiness } = this;
    if (!client.isOpen) this.connect().catch(ignore);
    if (client.slots !== undefined) await this.#connecting;
    else if (isUnderWay(client)) await readiness.next();
  }

  /** Ends the client at once, or as soon as its socket has connected. */
  end(): void {
    this.#isEnded = true;
    if (!this.#isDialing && this.client.isOpen) this.client.destroy();
  }

  #dialed(): void {
    this.#isDialing = false;
    if (this.#isEnded) this.end();
  }
}

function isUnderWay(client: NodeRedis): boolean {
  return client.slots === undefined && client.isReady === false;
}
