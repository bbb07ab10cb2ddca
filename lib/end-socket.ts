/**
 * Ends a connection as gently as it allows, within a time: a client that does not read must not hold
 * up a drain. Knows no protocol.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { systemClock } from './clock.ts';

/** How long a client has to take what is on its way to it, or to answer a close frame. */
const ENDING_MS = 1000;

export interface EndLimit {
  /** Something has moved: the time begins anew. */
  restart(): void;
}

/** Sends what was written, then closes: a `destroySoon()` for any stream, and with a limit. */
export function endSocket(socket: Duplex): void {
  limitEnd(socket);
  if (socket.writableFinished) {
    socket.destroy();
    return;
  }
  socket.once('finish', () => socket.destroy());
  if (!socket.writableEnded) socket.end();
}

/**
 * Sends what was written and the end, then reads and discards what still arrives until the client ends
 * too, or the time is up: a connection that is closed with unread data is reset, which may lose what was
 * sent (RFC 9112, 9.6). Nothing that arrives from now on reaches a request.
 */
export function lingerSocket(socket: Socket): void {
  // HTTP's listener hands the data to the parser. The first of another kind takes it from there.
  socket.on('data', () => undefined);
  socket.removeAllListeners('data');
  socket.on('data', () => undefined);
  socket.once('end', () => socket.destroy());
  limitEnd(socket);
  socket.end();
  socket.resume();
}

/** Destroys a socket that is not closed in time: since it last took something, where it is behind. */
export function limitEnd(socket: Duplex): EndLimit {
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
  return {
    restart() {
      timer.cancel();
      left = socket.writableLength;
      timer = start();
    },
  };
}
