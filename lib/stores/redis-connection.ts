/** The connection that a Redis store needs, and what its implementations share. */

export interface RedisConnection {
  eval(script: string, keys: readonly string[], args: readonly string[]): Promise<unknown>;
  /** Opens a second connection. It subscribes again after a reconnect. */
  createSubscriber(news: News): RedisSubscriber;
  /**
   * Opens a new connection in place of the present one. A client of the user stays untouched; from then on
   * a duplicate of it is used.
   */
  replace(): void;
  /** Closes the connections that were opened here. */
  close(): void;
}

export interface News {
  readonly channel: string;
  message(text: string): void;
  /** The connection was lost and is back. Messages may have been missed. */
  back(): void;
}

export interface RedisSubscriber {
  /** Resolves when it is subscribed. Opens the connection if necessary; rejects if that fails. */
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
 * Waits for a client that is connecting, instead of adding to its queue. By default that queue has no limit,
 * and a server may be unreachable for long.
 */
export class Readiness {
  readonly #client: Emitter;
  #waiting: Promise<void> | undefined;

  constructor(client: Emitter) {
    this.#client = client;
  }

  /** Resolves when the client is ready; rejects when the next attempt fails. All callers share listeners. */
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

/** An `error` event without a listener would end the process. The failed command reports the error. */
export function ignore(): void {}
