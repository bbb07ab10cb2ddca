/**
 * The connections to one backend that no request uses, and the requests that wait for one. The request that
 * asked first gets the first connection that becomes available, whether that is a new one or one that was
 * freed.
 *
 * Node's agent ties a new connection to the request that caused it, and offers a freed connection only
 * to requests that come later. Under load, later requests then overtake all requests that wait for a new
 * connection.
 */
import type { Socket } from 'node:net';
import { IdleConnections } from './idle-connections.ts';

/** Makes a connection, and calls back when it is usable. */
export type OpenConnection = (callback: OnConnection) => void;
export type OnConnection = (error: Error | null, socket?: Socket) => void;

/** A request, or an upgrade, that waits for a connection. */
export interface WaitingRequest {
  readonly use: (socket: Socket) => void;
  readonly fail: (error: Error) => void;
  /** Whether its client has disconnected. */
  readonly isGone: () => boolean;
}

export class ConnectionPool {
  readonly #open: OpenConnection;
  /** First in, first out. Empty while there is an idle connection. */
  readonly #waiting: WaitingRequest[] = [];
  readonly #idle: IdleConnections;
  /** How many connections are being made: at least one for each waiting request. */
  #connecting = 0;

  /** @param mayFail whether the backend may fail at any moment, as during a release. */
  constructor(open: OpenConnection, mayFail: () => boolean) {
    this.#open = open;
    this.#idle = new IdleConnections(mayFail);
  }

  /** Whether more connections are being made than requests wait. */
  get hasSurplus(): boolean {
    return this.#connecting > this.#waiting.length;
  }

  /** Takes an idle connection that is alive. Undefined if there is none: then {@link wait}. */
  take(): Socket | undefined {
    return this.#idle.take();
  }

  /** Makes a connection, unless more connections are being made already than requests wait. */
  wait(waiting: WaitingRequest): void {
    this.#waiting.push(waiting);
    if (this.#connecting >= this.#waiting.length) return;
    this.#connecting++;
    this.#open((error, socket) => {
      this.#connecting--;
      // Without another check. If it failed, the request would wait forever, because no other connection may
      // be on its way.
      if (socket) this.#useNext(socket);
      else if (error) this.#onFailure(error);
    });
  }

  /** No request uses the connection any more. For each request that still waits, another one is being made. */
  add(socket: Socket): void {
    this.#idle.add(socket);
    if (this.#waiting.length === 0) return;
    const live = this.#idle.take();
    if (live) this.#useNext(live);
  }

  /** A connection has closed. */
  remove(socket: Socket): void {
    this.#idle.remove(socket);
  }

  closeIdle(): void {
    this.#idle.closeAll();
  }

  #useNext(socket: Socket): void {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      if (!next.isGone()) return next.use(socket);
      next.fail(new Error('The client has disconnected.'));
    }
    // As after a request: the connection may be too old to be kept.
    socket.emit('free');
  }

  /** One request fails for each connection that can't be made, unless it may still get another one. */
  #onFailure(error: Error): void {
    if (this.#waiting.length > this.#connecting) this.#waiting.shift()?.fail(error);
  }
}
