/**
 * A relay that can lead to another Redis, as a host name does that is resolved again after a failover. It can
 * hold back what a client sends, as the buffer of a frozen server does.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { RedisRelay } from './redis-relay.ts';

interface Hold {
  readonly text: string;
  readonly began: () => void;
}

export class RedisLink extends RedisRelay {
  /** The port of the server that gets new connections. */
  target: number;
  readonly #held = new Map<Socket, Buffer[]>();
  #hold: Hold | undefined;

  constructor(target: number) {
    super();
    this.target = target;
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

  protected override forward(client: Socket): void {
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
      this.track(socket, () => {
        client.destroy();
        if (!this.#held.has(redis)) redis.destroy();
      });
    }
  }
}
