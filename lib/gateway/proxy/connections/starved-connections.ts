/**
 * Connections to a backend that could not be made because no file descriptor was left. That tells nothing
 * about the backend, so their requests wait for a descriptor, or for a connection that is freed.
 */
import type { Socket } from 'node:net';
import { systemClock, type Timer } from '../../../common/clock.ts';
import { descriptorOf, isOutOfDescriptors, outOfDescriptors } from '../../../common/descriptors.ts';
import { proxyTimeoutError } from '../backend-error.ts';
import type { OnConnection, OpenConnection } from './connection-pool.ts';

const RETRY_MS = 50;

interface StarvedConnection {
  readonly callback: OnConnection;
  readonly deadline: number;
}

export class StarvedConnections {
  readonly #connect: OpenConnection;
  readonly #timeoutMs: number;
  readonly #hasSurplus: () => boolean;
  /** First in, first out. */
  readonly #waiting: StarvedConnection[] = [];
  #timer: Timer | undefined;
  #isClosed = false;

  /**
   * @param timeoutMs how long a request may wait; 0 for no limit.
   * @param hasSurplus whether more connections are being made than requests wait.
   */
  constructor(connect: OpenConnection, timeoutMs: number, hasSurplus: () => boolean) {
    this.#connect = connect;
    this.#timeoutMs = timeoutMs;
    this.#hasSurplus = hasSurplus;
  }

  open(callback: OnConnection): void {
    const deadline = this.#timeoutMs === 0 ? Infinity : systemClock.now() + this.#timeoutMs;
    const connection = { callback, deadline };
    // Behind the waiting ones, because it would take the descriptor of the first of them.
    if (this.#waiting.length > 0) this.#waiting.push(connection);
    else this.#attempt(connection);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const { callback } of this.#waiting.splice(0)) callback(outOfDescriptors('connect'));
  }

  #attempt(connection: StarvedConnection): void {
    this.#connect((error, socket) => {
      if (error && isOutOfDescriptors(error) && !this.#isClosed) return this.#wait(connection);
      connection.callback(error, socket);
      this.#retry();
    });
  }

  #wait(connection: StarvedConnection): void {
    this.#waiting.unshift(connection);
    this.#timer ??= systemClock.after(RETRY_MS, () => {
      this.#timer = undefined;
      this.#retry();
    });
  }

  /** One attempt at a time: the next one follows when the connection is made. */
  #retry(): void {
    while (this.#waiting.length > 0 && this.#hasSurplus()) {
      this.#waiting.pop()?.callback(outOfDescriptors('connect'));
    }
    const now = systemClock.now();
    while (this.#waiting[0] && this.#waiting[0].deadline <= now) {
      this.#waiting.shift()?.callback(proxyTimeoutError());
    }
    const next = this.#waiting.shift();
    if (next) this.#attempt(next);
  }
}

/** Destroys a connection whose descriptor is one of those that are reserved for commands. */
export function limitDescriptor(socket: Socket, max: number): void {
  if (max === Infinity) return;
  const check = (): void => {
    if ((descriptorOf(socket) ?? 0) >= max) socket.destroy(outOfDescriptors('connect'));
  };
  check();
  // For a target with a host name, each of its addresses is an attempt with a descriptor of its own.
  socket.on('connectionAttempt', () => queueMicrotask(check));
  socket.once('connect', () => socket.removeAllListeners('connectionAttempt'));
}
