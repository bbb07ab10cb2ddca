/**
 * The idle connections of an agent. Before a request gets one, the dead ones are closed.
 */
import type { Agent } from 'node:http';
import type { Socket } from 'node:net';
import { isLive } from './socket-liveness.ts';

export class IdleConnections {
  readonly #agent: Agent;
  /**
   * How much each connection had received when it became idle. Node reads and drops what arrives later,
   * such as the late body of a response to HEAD. The next response would begin in the middle of it.
   */
  readonly #bytesRead = new WeakMap<Socket, number>();

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  /** Call it when a connection becomes idle. */
  onIdle(socket: Socket): void {
    this.#bytesRead.set(socket, socket.bytesRead);
  }

  /** Whether a live connection is idle. */
  hasLive(): boolean {
    this.closeDead();
    return this.#sockets().some((socket) => !socket.destroyed);
  }

  /**
   * Closes dead connections from the newest to the first live one. The agent uses the newest connection
   * first.
   */
  closeDead(): void {
    for (const sockets of Object.values(this.#agent.freeSockets)) {
      if (sockets) this.#closeDeadIn(sockets);
    }
  }

  closeAll(): void {
    for (const socket of this.#sockets()) socket.destroy();
  }

  #closeDeadIn(sockets: Socket[]): void {
    for (let left = sockets.length; left > 0; left--) {
      const newest = sockets.at(-1) as Socket;
      if (isLive(newest, this.#bytesRead.get(newest))) return;
      newest.destroy();
      // The agent removes destroyed connections when it finds them at the front.
      sockets.unshift(sockets.pop() as Socket);
    }
  }

  #sockets(): Socket[] {
    return Object.values(this.#agent.freeSockets).flatMap((sockets) => sockets ?? []);
  }
}
