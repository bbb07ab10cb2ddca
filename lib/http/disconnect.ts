/** Notices when a response has ended or its client has disconnected. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Calls `listener` when the response has ended in any way, possibly twice.
 *
 * The event is `res` 'close': `req` 'close' fires as soon as the body has been read. The response to a
 * pipelined request (RFC 9112, 9.3.2) has no socket while an earlier one is being sent. If the connection
 * closes then, Node 22 and older emit 'close' only on the socket.
 */
export function onDisconnect(
  req: IncomingMessage,
  res: ServerResponse,
  listener: () => void,
): void {
  res.on('close', listener);
  if (res.socket === null) onSocketClose(req.socket, res, listener);
}

/** Removes a listener of {@link onDisconnect}. */
export function offDisconnect(
  req: IncomingMessage,
  res: ServerResponse,
  listener: () => void,
): void {
  res.off('close', listener);
  closeListeners.get(req.socket)?.delete(listener);
}

/** Whether the client has disconnected or the response has ended. */
export function isDisconnected(req: IncomingMessage, res: ServerResponse): boolean {
  return res.closed || res.destroyed || req.socket.destroyed;
}

function onSocketClose(socket: Socket, res: ServerResponse, listener: () => void): void {
  const pipelined = listenersOf(socket);
  pipelined.add(listener);
  res.on('close', () => void pipelined.delete(listener));
}

// One listener for each socket, because a client may pipeline any number of requests. Module-wide although
// instances share nothing: each entry belongs to one socket, and instances may share that socket.
const closeListeners = new WeakMap<Socket, Set<() => void>>();

function listenersOf(socket: Socket): Set<() => void> {
  const known = closeListeners.get(socket);
  if (known) return known;
  const listeners = new Set<() => void>();
  closeListeners.set(socket, listeners);
  socket.once('close', () => {
    for (const listener of listeners) listener();
  });
  return listeners;
}
