/**
 * Responds to bytes that Node could not parse as a request, with the status that Node uses. Node itself
 * closes the connection at once, and a client that is still sending loses the response to a TCP reset.
 */
import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Socket } from 'node:net';
import { closeLingering } from '../../http/lingering-close.ts';
import { MARKER, markerOf } from '../../http/marker.ts';

const STATUSES: Partial<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** For a server's `clientError` event. */
export function answerUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  // Node's own field, because `clientError` doesn't provide the requests of the connection.
  const { _httpMessage: pending } = socket as { _httpMessage?: ServerResponse | null };
  if (socket.writable && !pending?.headersSent) {
    const status = STATUSES[error.code ?? ''] ?? 400;
    const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close`;
    const marker = `${MARKER}: ${markerOf({ code: 'ERR_ANTRACT_UNREADABLE' })}`;
    socket.write(`${head}\r\n${marker}\r\n\r\n`);
  }
  // A request with a malformed body must end at once, so that its backend does not wait for the rest.
  if (socket.writable && !pending && socket instanceof Socket) closeLingering(socket);
  else socket.destroy(error);
}
