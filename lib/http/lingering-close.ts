/**
 * Closes a connection whose client may still be sending (RFC 9112, 9.6). If a server closes while
 * bytes arrive that it has not read, TCP resets the connection, and a client whose write fails then
 * often never reads the response. So the server ends its own side, reads and discards what the client
 * still sends, and closes when the client has ended too.
 */
import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { systemClock } from '../common/clock.ts';

/** After this time a client that is still sending is reset. */
const LINGER_MS = 2000;

// Both sets are module-wide although instances share nothing: each entry belongs to one connection.

/** Connections that this side has ended, and whose client has not ended them yet. */
const lingering = new WeakSet<object>();

/** Whether {@link closeLingering} is closing the connection. */
export function isLingering(socket: object): boolean {
  return lingering.has(socket);
}

/**
 * Makes `socket.destroySoon()`, by which Node closes a connection after the last response, linger
 * while a request body is arriving. Any other connection is closed at once, as before.
 */
export function lingerOnClose(socket: Socket): void {
  // An injected request (`light-my-request`) comes with an imitation of a socket.
  if (socket instanceof Socket) socket.destroySoon = destroySoon;
}

const unread = new WeakSet<object>();

/** Like {@link lingerOnClose}, for a connection whose further requests are discarded: it always lingers. */
export function lingerAlways(socket: Socket): void {
  unread.add(socket);
  lingerOnClose(socket);
}

/** One function for all connections. */
function destroySoon(this: Socket): void {
  if (lingering.has(this) || unread.has(this) || isReceivingBody(this)) closeLingering(this);
  else Socket.prototype.destroySoon.call(this);
}

/** Whether the body of the latest request on a connection of an HTTP/1 server is still arriving. */
export function isReceivingBody(socket: object): boolean {
  // Node's own field, in Node 20 to 26. Only it knows about requests that Node answers by itself.
  const { parser } = socket as { parser?: { incoming?: IncomingMessage | null } | null };
  return parser?.incoming?.complete === false;
}

/** Sends what was written, ends this side, and discards what the client still sends. */
export function closeLingering(socket: Socket): void {
  if (socket.destroyed || lingering.has(socket)) return;
  lingering.add(socket);
  // No further request is processed, because its response could not be sent. An upload that ends early is
  // no error. So Node's parser gets no more data: a new 'data' listener detaches it from the connection.
  socket.removeAllListeners('data').removeAllListeners('end');
  socket.on('data', ignore);
  socket.resume();
  // The parser may have paused the connection because its request was not read: resume it.
  socket._read(0);
  if (socket.writableFinished) limitLinger(socket);
  else socket.once('finish', () => limitLinger(socket));
  if (!socket.writableEnded) socket.end();
}

function limitLinger(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket.readableEnded) {
    socket.destroy();
    return;
  }
  const timer = systemClock.after(LINGER_MS, () => socket.destroy());
  socket.once('end', () => socket.destroy()).once('close', () => timer.cancel());
}

function ignore(): void {}
