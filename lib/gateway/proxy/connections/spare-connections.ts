/**
 * Connections that no request has used yet, because each request that waited for one got another one
 * first. Node's agent keeps only connections that a request has used.
 */
import type { Socket } from 'node:net';
import { isLive } from './socket-liveness.ts';

/** As many as the agent keeps. */
const MAX_SPARE = 256;

export class SpareConnections {
  /** Each with the listener that removes it when it closes. */
  readonly #sockets = new Map<Socket, () => void>();

  add(socket: Socket): void {
    if (this.#sockets.size >= MAX_SPARE) return void socket.destroy();
    const remove = (): void => void this.#sockets.delete(socket);
    this.#sockets.set(socket, remove);
    socket.on('error', ignore).on('close', remove);
  }

  /** The newest one that is alive. */
  take(): Socket | undefined {
    for (const [socket, remove] of [...this.#sockets].toReversed()) {
      this.#sockets.delete(socket);
      if (isLive(socket)) return socket.off('error', ignore).off('close', remove);
      socket.destroy();
    }
    return undefined;
  }

  closeAll(): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
  }
}

/** The close event follows and is handled. */
function ignore(): void {}
