/**
 * The client's raw socket while an upgrade handshake is being answered: no HTTP parser reads it any
 * more, and no protocol reads it yet. A socket that nobody reads does not report that its client left.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { systemClock } from '../../common/clock.ts';
import { closeLingering } from '../lingering-close.ts';

/** How many bytes a client may send ahead of the answer to its handshake. Most clients send none. */
const MAX_EARLY_BYTES = 64 * 1024;

/** How long the response to a refused handshake may take, from its status line to its end. */
const LONGEST_REFUSAL_MS = 5000;

export interface EarlyData {
  /** Stops reading, and returns what the client has sent so far. */
  stop(): readonly Buffer[];
}

/** Reads what the client sends ahead of the answer, and keeps it for whoever handles the upgrade. */
export function readEarlyData(socket: Duplex, onTooMuch: () => void): EarlyData {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const collect = (chunk: Buffer): void => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_EARLY_BYTES) onTooMuch();
  };
  socket.on('data', collect);
  return {
    stop() {
      socket.off('data', collect);
      socket.pause();
      // The next reader decides how to read. Node's own server does the same at an upgrade.
      (socket as { readableFlowing: boolean | null }).readableFlowing = null;
      return chunks;
    },
  };
}

const NOTHING_EARLY: EarlyData = { stop: () => [] };

/** {@link readEarlyData} for a socket that an upgrade listener was given. */
export function readEarlyDataOf(
  req: IncomingMessage,
  socket: Duplex,
  onTooMuch: () => void,
): EarlyData {
  // Node 26 hands out a stream of its own where the request has a body, and reading that discards the
  // body. There the server goes on reading the socket, and tells when the client leaves.
  return socket === req.socket ? readEarlyData(socket, onTooMuch) : NOTHING_EARLY;
}

/**
 * Calls `next` when all earlier requests on the connection have their responses. A client may pipeline
 * a handshake behind other requests. Node reports it at once, and only one response at a time can be
 * written to a connection, in the order of the requests (RFC 9112, 9.3.2).
 */
export function afterEarlierResponses(
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  next: (head: Buffer) => void,
): void {
  if (!pendingResponse(req)) return next(head);
  const { timeout = 0 } = req.socket;
  const destroy = (): void => void socket.destroy();
  // Only a socket that is read tells that its client left, and nobody else listens for that now.
  const early = readEarlyDataOf(req, socket, destroy);
  socket.on('end', destroy).on('error', destroy);
  const check = (): void => {
    const pending = pendingResponse(req);
    // Node assigns the next response from within the same event, and earlier.
    if (pending) return void pending.once('finish', check);
    const sent = early.stop();
    socket.off('end', destroy).off('error', destroy);
    // The last response had the connection closed.
    if (!req.socket.writable) return;
    // After a response Node limits how long a connection may be idle.
    req.socket.setTimeout(timeout);
    next(sent.length > 0 ? Buffer.concat([head, ...sent]) : head);
  };
  check();
}

/** Node's own field, in Node 20 to 26: the response that is written, or waited for, on a connection. */
function pendingResponse({ socket }: IncomingMessage): ServerResponse | null | undefined {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage;
}

const closing = new WeakSet<Duplex>();

/**
 * For a handshake whose response is not 101: once the response has been sent, the connection closes.
 * Until then the client's data is discarded, so that the client is seen to leave. The time limit is for
 * a response that never ends and for a client that does not read.
 */
export function closeAfterRefusal(socket: Duplex): void {
  if (closing.has(socket)) return;
  closing.add(socket);
  const timer = systemClock.after(LONGEST_REFUSAL_MS, () => socket.destroy());
  socket.once('close', () => timer.cancel());
  socket.once('end', () => {
    if (!socket.writableEnded) socket.destroy();
  });
  if (socket.writableFinished) closeLingering(socket as Socket);
  else socket.prependOnceListener('finish', () => closeLingering(socket as Socket));
  socket.resume();
}
