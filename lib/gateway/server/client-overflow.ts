/**
 * Connections of clients that were accepted although no descriptor is left for them: they may send
 * commands, and get 503 for anything else. There are only so many, so that one who sends nothing does
 * not keep commands out.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { descriptorOf, type DescriptorLimits } from '../../common/descriptors.ts';

const ANSWER =
  'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n';

export class ClientOverflow {
  readonly #limits: DescriptorLimits;
  readonly #sockets = new WeakSet<Socket>();
  /** Those that may be closed for a later one, oldest first. */
  readonly #closable = new Set<Socket>();

  /** @param began called once, with the first such connection. */
  constructor(server: Server, limits: DescriptorLimits, began: () => void) {
    this.#limits = limits;
    if (limits.clients === Infinity) return;
    let hasBegun = false;
    server.on('connection', (socket: Socket) => {
      if ((descriptorOf(socket) ?? 0) < limits.clients || this.#sockets.has(socket)) return;
      if (!hasBegun) began();
      hasBegun = true;
      this.#add(socket);
    });
  }

  /** Whether a request came over such a connection. */
  has({ socket }: IncomingMessage): boolean {
    return this.#sockets.has(socket);
  }

  /** A command came over this connection: it is closed when that is answered, and not before. */
  keep({ socket }: IncomingMessage): void {
    this.#closable.delete(socket);
  }

  #add(socket: Socket): void {
    this.#sockets.add(socket);
    this.#closable.add(socket);
    socket.once('close', () => this.#closable.delete(socket));
    for (const oldest of this.#closable) {
      if (this.#closable.size <= this.#limits.overflow) return;
      this.#closable.delete(oldest);
      // Not `destroySoon()`, which waits for the client while a request body arrives.
      if (oldest.bytesWritten > 0) oldest.destroy();
      else oldest.end(ANSWER, () => oldest.destroy());
    }
  }
}
