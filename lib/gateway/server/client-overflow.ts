/**
 * Client connections beyond the limit of file descriptors. They may send commands to the admin endpoints,
 * and get 503 for any other request. Their number is limited, so that clients that send nothing don't block
 * commands.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { MARKER, markerOf } from '../../http/marker.ts';
import { RETRY_SOON } from '../../http/rejection-response.ts';
import { descriptorOf, type DescriptorLimits } from '../../common/descriptors.ts';

const RESPONSE = [
  'HTTP/1.1 503 Service Unavailable',
  'Connection: close',
  `${MARKER}: ${markerOf({ code: 'ERR_ANTRACT_TOO_MANY_CONNECTIONS' })}`,
  `Retry-After: ${RETRY_SOON}`,
  'Content-Length: 0\r\n\r\n',
].join('\r\n');

export class ClientOverflow {
  readonly #limits: DescriptorLimits;
  readonly #sockets = new WeakSet<Socket>();
  /** The connections that may be closed for a later one, oldest first. */
  readonly #closable = new Set<Socket>();

  /** @param onFirst called once, with the first such connection. */
  constructor(server: Server, limits: DescriptorLimits, onFirst: () => void) {
    this.#limits = limits;
    if (limits.clients === Infinity) return;
    let isFirst = true;
    server.on('connection', (socket: Socket) => {
      if ((descriptorOf(socket) ?? 0) < limits.clients || this.#sockets.has(socket)) return;
      if (isFirst) onFirst();
      isFirst = false;
      this.#add(socket);
    });
  }

  /** Whether a request came over such a connection. */
  has({ socket }: IncomingMessage): boolean {
    return this.#sockets.has(socket);
  }

  /** Keeps the connection of a command open until the command is answered. */
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
      else oldest.end(RESPONSE, () => oldest.destroy());
    }
  }
}
