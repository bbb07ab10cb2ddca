/** The idle connections to one backend. Dead ones are closed instead of used. */
import type { Socket } from 'node:net';
import { systemClock } from '../../../common/clock.ts';
import { isLive } from './socket-liveness.ts';

const MAX_IDLE = 256;

/** A connection that has been idle for longer is checked before its use: backends close idle connections. */
const MAX_UNCHECKED_IDLE_MS = 10;

/**
 * A dying process closes all its connections at once. So one connection that is alive now stands for all
 * others for this time. Exceptions: connections that were never used, because a backend at its limit closes
 * new ones, and all connections during a release. A check is a system call that fails and takes about 10
 * microseconds, more than everything else that antract does for a request.
 */
const PROOF_MS = 1;

interface IdleConnection {
  readonly socket: Socket;
  readonly since: number;
  /**
   * How much the connection had received when it became idle. Node reads and drops what arrives later,
   * such as the late body of a response to HEAD. The next response would begin in the middle of it.
   */
  readonly bytesRead: number;
}

export class IdleConnections {
  /** The newest one last. It is used first, because the backend is least likely to close it. */
  readonly #connections: IdleConnection[] = [];
  /** When a connection was last found alive. */
  #provenAt = -Infinity;
  /** When a connection last closed. The backend may be closing the others, too. */
  #closedAt = -Infinity;
  readonly #mayFail: () => boolean;

  /** @param mayFail whether the backend may fail at any moment, as during a release. */
  constructor(mayFail: () => boolean) {
    this.#mayFail = mayFail;
  }

  add(socket: Socket): void {
    if (this.#connections.length >= MAX_IDLE) return void socket.destroy();
    const { bytesRead } = socket;
    this.#connections.push({ socket, since: systemClock.now(), bytesRead });
  }

  /** The newest one that is alive. Closes those that are not. */
  take(): Socket | undefined {
    for (let newest = this.#connections.pop(); newest; newest = this.#connections.pop()) {
      if (this.#isUsable(newest)) return newest.socket;
      newest.socket.destroy();
    }
    return undefined;
  }

  /** A connection has closed, whether it was idle or in use. */
  remove(socket: Socket): void {
    this.#closedAt = systemClock.now();
    const index = this.#connections.findLastIndex((connection) => connection.socket === socket);
    if (index >= 0) this.#connections.splice(index, 1);
  }

  closeAll(): void {
    for (const { socket } of this.#connections.splice(0)) socket.destroy();
  }

  #isUsable({ socket, since, bytesRead }: IdleConnection): boolean {
    const now = systemClock.now();
    const needsCheck =
      bytesRead === 0 ||
      now - since > MAX_UNCHECKED_IDLE_MS ||
      now - this.#provenAt > PROOF_MS ||
      this.#closedAt >= since ||
      this.#mayFail();
    if (!needsCheck) return !socket.destroyed && socket.bytesRead === bytesRead;
    if (!isLive(socket, bytesRead)) return false;
    this.#provenAt = now;
    return true;
  }
}
