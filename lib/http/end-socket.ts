/** Ends a connection in order, within a time limit: a client that does not read must not delay a drain. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { systemClock } from '../common/clock.ts';
import { closeLingering, isReceivingBody } from './lingering-close.ts';

/** How long a client has to receive pending data, or to answer a close frame. */
export const ENDING_MS = 1000;

export interface EndLimit {
  /** The client has made progress: restarts the time. */
  restart(): void;
  /** The connection ends in another way. */
  cancel(): void;
}

/**
 * Sends pending data, then closes: a `destroySoon()` for any stream, with a time limit. If a request body is
 * still arriving, the handler receives no more of it, and the connection lingers.
 */
export function endSocket(socket: Duplex): void {
  const limit = limitEnd(socket);
  if (isReceivingBody(socket)) {
    if (socket.writableFinished) limit.cancel();
    else socket.once('finish', () => limit.cancel());
    closeLingering(socket as Socket);
    return;
  }
  if (socket.writableFinished) {
    socket.destroy();
    return;
  }
  socket.once('finish', () => socket.destroy());
  if (!socket.writableEnded) socket.end();
}

// Module-wide although instances share nothing: each entry belongs to one socket, which has one end.
const limits = new WeakMap<Duplex, EndLimit>();

/**
 * Destroys a socket that does not close in time. While data is pending, the time restarts whenever the client
 * receives some. A second call for the same socket changes nothing, because several events can begin its end.
 */
export function limitEnd(socket: Duplex): EndLimit {
  const known = limits.get(socket);
  if (known) return known;
  let left = socket.writableLength;
  const start = () => systemClock.after(ENDING_MS, check);
  const check = (): void => {
    if (socket.writableLength >= left) {
      socket.destroy();
      return;
    }
    left = socket.writableLength;
    timer = start();
  };
  let timer = start();
  socket.once('close', () => timer.cancel());
  const limit = {
    restart() {
      timer.cancel();
      left = socket.writableLength;
      timer = start();
    },
    cancel: () => timer.cancel(),
  };
  limits.set(socket, limit);
  return limit;
}
