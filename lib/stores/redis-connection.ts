/** What a store asks of a client of Redis, and what the libraries have in common. */

export interface RedisConnection {
  eval(script: string, keys: readonly string[], args: readonly string[]): Promise<unknown>;
  /** Over a connection of its own, which this opens. What was subscribed once comes again by itself. */
  createSubscriber(news: News): RedisSubscriber;
  /**
   * Opens a new connection in place of the present one. A client of the caller stays as it is, with what
   * else the caller does over it; a duplicate is used from then on.
   */
  replace(): void;
  /** Ends what was not the caller's. */
  close(): void;
}

export interface News {
  readonly channel: string;
  message(text: string): void;
  /** The connection was lost and is back: something may have been missed. */
  back(): void;
}

export interface RedisSubscriber {
  /** Resolves when it is subscribed. Opens it where it is not, or gave up. Rejects where it fails. */
  ready(): Promise<void>;
  /** Opens a new connection in place of the present one, if there is one. */
  replace(): void;
  close(): void;
}

interface Emitter {
  on(event: string, listener: (cause?: unknown) => void): unknown;
  off(event: string, listener: (cause?: unknown) => void): unknown;
}

/**
 * Waits for a client that is about to connect, instead of adding to its queue: that has no bound by
 * default, and a server may be away for long.
 */
export class Readiness {
  readonly #client: Emitter;
  #waiting: Promise<void> | undefined;

  constructor(client: Emitter) {
    this.#client = client;
  }

  /** Until it is ready, or the next attempt fails: then it rejects. All who wait share two listeners. */
  next(): Promise<void> {
    return (this.#waiting ??= this.#next().finally(() => {
      this.#waiting = undefined;
    }));
  }

  #next(): Promise<void> {
    return new Promise((resolve, reject) => {
      const ready = (): void => {
        leave();
        resolve();
      };
      const fail = (cause?: unknown): void => {
        leave();
        reject(cause instanceof Error ? cause : new Error('The connection was closed.'));
      };
      const leave = (): void => {
        this.#client.off('ready', ready);
        for (const event of ['error', 'close', 'end']) this.#client.off(event, fail);
      };
      this.#client.on('ready', ready);
      for (const event of ['error', 'close', 'end']) this.#client.on(event, fail);
    });
  }
}

/** So that a connection that breaks ends no process; whoever asks over it is told. */
export function ignore(): void {}
