/**
 * Notices that a response has ended, or that its client has left. Knows no gate.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Calls `listener` when the response is over, in whatever way. It may be called twice. Returns a function
 * that removes the listener.
 *
 * `res` 'close' is the event for that, and not `req` 'close', which fires as soon as a body has been
 * read. A pipelined request (RFC 9112, 9.3.2) has no socket yet while an earlier response is on its
 * way, and Node 22 and older then say nothing when the connection goes; only its socket does.
 */
export function onDisconnect(
  req: IncomingMessage,
  res: ServerResponse,
  listener: () => void,
): () => void {
  res.on('close', listener);
  if (res.socket !== null) return () => void res.off('close', listener);
  const pipelined = listenersOf(req.socket);
  pipelined.add(listener);
  const forget = (): void => {
    res.off('close', listener).off('close', forget);
    pipelined.delete(listener);
  };
  res.on('close', forget);
  return forget;
}

/** Whether nobody is there any more to answer. */
export function isDisconnected(req: IncomingMessage, res: ServerResponse): boolean {
  return res.closed || res.destroyed || req.socket.destroyed;
}

// One listener a socket: a client may pipeline any number of requests over one connection.
const departures = new WeakMap<Socket, Set<() => void>>();

function listenersOf(socket: Socket): Set<() => void> {
  const known = departures.get(socket);
  if (known) return known;
  const listeners = new Set<() => void>();
  departures.set(socket, listeners);
  socket.once('close', () => {
    for (const listener of listeners) listener();
  });
  return listeners;
}
