/**
 * Connections to a backend that no file descriptor was left for. That says nothing about the backend,
 * so their requests wait, for these or for a connection that another request frees.
 */
import type { ClientRequestArgs } from 'node:http';
import type { Socket } from 'node:net';
import { systemClock, type Timer } from '../../common/clock.ts';
import { descriptorOf, isOutOfDescriptors, outOfDescriptors } from '../../common/descriptors.ts';
import type { Open } from './connection-queue.ts';
import { proxyTimeoutError } from './backend-error.ts';

const RETRY_MS = 50;

interface Starved {
  readonly options: ClientRequestArgs;
  readonly callback: Parameters<Open>[1];
  /** When its request has waited too long. */
  readonly end: number;
}

export class StarvedConnections {
  readonly #connect: Open;
  readonly #timeoutMs: number;
  readonly #isAhead: () => boolean;
  /** First in, first out. */
  readonly #starved: Starved[] = [];
  #timer: Timer | undefined;
  #closed = false;

  /**
   * @param timeoutMs how long a request may wait; 0 for no limit.
   * @param isAhead whether more connections are being made than requests wait.
   */
  constructor(connect: Open, timeoutMs: number, isAhead: () => boolean) {
    this.#connect = connect;
    this.#timeoutMs = timeoutMs;
    this.#isAhead = isAhead;
  }

  open(options: ClientRequestArgs, callback: Starved['callback']): void {
    const end = this.#timeoutMs === 0 ? Infinity : systemClock.now() + this.#timeoutMs;
    const starved = { options, callback, end };
    // Behind those that wait already: each would take the next one's descriptor.
    if (this.#starved.length > 0) this.#starved.push(starved);
    else this.#attempt(starved);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const { callback } of this.#starved.splice(0)) callback(outOfDescriptors('connect'));
  }

  #attempt(starved: Starved): void {
    this.#connect(starved.options, (error, socket) => {
      if (error && isOutOfDescriptors(error) && !this.#closed) return this.#wait(starved);
      starved.callback(error, socket);
      this.#retry();
    });
  }

  #wait(starved: Starved): void {
    this.#starved.unshift(starved);
    this.#timer ??= systemClock.after(RETRY_MS, () => {
      this.#timer = undefined;
      this.#retry();
    });
  }

  /** One at a time: the next one follows when this one has its connection. */
  #retry(): void {
    while (this.#starved.length > 0 && this.#isAhead()) {
      this.#starved.pop()?.callback(outOfDescriptors('connect'));
    }
    const now = systemClock.now();
    while (this.#starved[0] && this.#starved[0].end <= now) {
      this.#starved.shift()?.callback(proxyTimeoutError());
    }
    const next = this.#starved.shift();
    if (next) this.#attempt(next);
  }
}

/** Gives up a connection that takes one of the descriptors that are left for commands. */
export function keepToDescriptors(socket: Socket, max: number): void {
  if (max === Infinity) return;
  const check = (): void => {
    if ((descriptorOf(socket) ?? 0) >= max) socket.destroy(outOfDescriptors('connect'));
  };
  check();
  // A target with a host name: each of its addresses is an attempt, and has a descriptor only then.
  socket.on('connectionAttempt', () => queueMicrotask(check));
  socket.once('connect', () => socket.removeAllListeners('connectionAttempt'));
}
