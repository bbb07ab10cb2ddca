/**
 * The client's raw socket between the handshake and its response. The HTTP parser does not read it any more,
 * and the new protocol does not read it yet. An unread socket does not report that its client disconnected.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { systemClock } from '../../common/clock.ts';
import { closeLingering } from '../lingering-close.ts';

/** How many bytes a client may send before the response to its handshake. Most clients send none. */
const MAX_EARLY_BYTES = 64 * 1024;

/** How long the response to a rejected handshake may take, from its status line to its end. */
const LONGEST_REJECTION_MS = 5000;

export interface EarlyData {
  /** Stops reading, and returns what the client has sent so far. */
  stop(): readonly Buffer[];
}

/** Reads what the client sends before the response, and keeps it for the handler of the upgrade. */
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

/** {@link readEarlyData} for the socket that an upgrade listener got. */
export function readEarlyDataOf(
  req: IncomingMessage,
  socket: Duplex,
  onTooMuch: () => void,
): EarlyData {
  // If the request has a body, Node 26 passes a stream of it, and reading that stream discards the body.
  // The server then still reads the socket, and reports when the client disconnects.
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
  // Only a socket that is read reports that its client disconnected, and nothing else reads it now.
  const early = readEarlyDataOf(req, socket, destroy);
  socket.on('end', destroy).on('error', destroy);
  const check = (): void => {
    const pending = pendingResponse(req);
    // Node assigns the next response in an earlier listener of the same event.
    if (pending) return void pending.once('finish', check);
    const sent = early.stop();
    socket.off('end', destroy).off('error', destroy);
    // The last response has closed the connection.
    if (!req.socket.writable) return;
    // After a response Node limits how long a connection may be idle.
    req.socket.setTimeout(timeout);
    next(sent.length > 0 ? Buffer.concat([head, ...sent]) : head);
  };
  check();
}

/** Node's internal field, in Node 20 to 26: the response that the connection is sending or waits for. */
function pendingResponse({ socket }: IncomingMessage): ServerResponse | null | undefined {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage;
}

// Module-wide although instances share nothing: each entry belongs to one socket.
const closing = new WeakSet<Duplex>();

/**
 * For a handshake whose response is not 101: closes the connection after the response. Until then the
 * client's data is discarded, to notice when the client disconnects. The time limit covers a response that
 * never ends and a client that does not read.
 */
export function closeAfterRefusal(socket: Duplex): void {
  if (closing.has(socket)) return;
  closing.add(socket);
  const timer = systemClock.after(LONGEST_REJECTION_MS, () => socket.destroy());
  socket.once('close', () => timer.cancel());
  socket.once('end', () => {
    if (!socket.writableEnded) socket.destroy();
  });
  if (socket.writableFinished) closeLingering(socket as Socket);
  else socket.prependOnceListener('finish', () => closeLingering(socket as Socket));
  socket.resume();
}
