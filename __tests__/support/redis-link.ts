/**
 * An address behind which one Redis takes the place of another, as a name that is resolved again after a
 * failover. Can hold back what a client sends, as the buffer of a server does that is frozen.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

interface Hold {
  readonly text: string;
  readonly began: () => void;
}

export class RedisLink {
  /** The port of the server that gets new connections. */
  target: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #held = new Map<Socket, Buffer[]>();
  #hold: Hold | undefined;

  constructor(target: number) {
    this.target = target;
    this.#server = createServer((client) => this.#link(client));
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Holds back all that a connection sends from the first chunk with that text. Resolves then. */
  hold(text: string): Promise<void> {
    return new Promise((began) => {
      this.#hold = { text, began };
    });
  }

  /**
   * The server gets what was held back, also from clients that have left. Resolves when the server has
   * read all of it; those connections end then.
   */
  async release(): Promise<void> {
    this.#hold = undefined;
    await Promise.all(
      [...this.#held].map(async ([redis, chunks]) => {
        const closed = once(redis, 'close');
        redis.end(Buffer.concat(chunks));
        await closed;
      }),
    );
    this.#held.clear();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #link(client: Socket): void {
    const redis = connect(this.target, '127.0.0.1');
    client.on('data', (chunk) => {
      const { text, began } = this.#hold ?? {};
      if (text !== undefined && !this.#held.has(redis) && chunk.includes(text)) {
        this.#held.set(redis, []);
        began?.();
      }
      const held = this.#held.get(redis);
      if (held) held.push(chunk);
      else redis.write(chunk);
    });
    redis.on('data', (chunk) => client.write(chunk));
    for (const socket of [client, redis]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        if (!this.#held.has(redis)) redis.destroy();
      });
    }
  }
}
