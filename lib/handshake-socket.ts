/**
 * The client's raw socket while an upgrade handshake is being answered: no HTTP parser reads it any
 * more, and no protocol reads it yet. A socket that nobody reads does not report that its client left.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { systemClock } from './clock.ts';
import { closeLingering } from './lingering-close.ts';

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
