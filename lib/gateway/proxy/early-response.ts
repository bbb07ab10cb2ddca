/**
 * A backend may answer before it has read an upload, and close: a 413, 401 or 403. The rest of the
 * upload then resets the connection, and the next write fails, often before the response has been read,
 * although it has arrived. Node closes a connection whose write failed, and the response is lost. Here
 * such a connection is read until it ends instead.
 */
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';

type Callback = (error?: Error | null) => void;

/**
 * What the backend no longer reads is discarded, so that the client can send all of its upload: many
 * clients read the response only then. If the connection ends without a response, the request fails as
 * any other that its backend did not answer. The end always follows, as the connection has been reset.
 */
export function keepReading(socket: Socket): void {
  const { _write: write, _writev: writev } = socket;
  let isDiscarding = false;
  // A stream makes one call at a time, so that one function serves them all.
  let done: Callback;
  const written: Callback = (error) => {
    if (!error || !canRead(socket, error)) return done(error);
    isDiscarding = true;
    done();
  };
  socket._write = (chunk, encoding, callback) => {
    if (isDiscarding) return callback();
    done = callback;
    write.call(socket, chunk, encoding, written);
  };
  socket._writev = (chunks, callback) => {
    if (isDiscarding) return callback();
    done = callback;
    writev?.call(socket, chunks, written);
  };
}

/** Whether a response to the request that was being written may have arrived, or may arrive yet. */
function canRead(socket: Socket, { code }: NodeJS.ErrnoException): boolean {
  if (code !== 'EPIPE' && code !== 'ECONNRESET') return false;
  // Node's own field: the request on this connection. An upgraded connection has none.
  const { _httpMessage: req } = socket as { _httpMessage?: ClientRequest | null };
  if (!req || socket.destroyed || socket.readableEnded) return false;
  // No further request may be written to this connection.
  req.shouldKeepAlive = false;
  return true;
}
