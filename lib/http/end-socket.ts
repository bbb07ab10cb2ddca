/**
 * Ends a connection as gently as it allows, within a time: a client that does not read must not hold
 * up a drain. Knows no protocol.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { systemClock } from '../common/clock.ts';
import { closeLingering, isReceivingBody } from './lingering-close.ts';

/** How long a client has to take what is on its way to it, or to answer a close frame. */
export const ENDING_MS = 1000;

export interface EndLimit {
  /** Something has moved: the time begins anew. */
  restart(): void;
  /** The end has come in another way. */
  cancel(): void;
}

/**
 * Sends what was written, then closes: a `destroySoon()` for any stream, and with a limit. If a request
 * body is still arriving, nothing more of it reaches its handler, and the connection lingers.
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

const limits = new WeakMap<Duplex, EndLimit>();

/**
 * Destroys a socket that is not closed in time: since it last took something, where it is behind. A
 * second call for the same socket changes nothing: several events may say that its end has begun.
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
