/**
 * Keeps the response of a backend that responds before it has read an upload, and closes (413, 401 or
 * 403). The rest of the upload resets the connection, and the next write fails, often before the response
 * was read, although it has arrived. Node closes a connection whose write failed, and loses the response.
 * This module reads such a connection until it ends instead.
 */
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';

type Callback = (error?: Error | null) => void;

/**
 * Discards what the backend no longer reads, so that the client can send all of its upload: many clients
 * read the response only then. If the connection ends without a response, the request fails like any other
 * request without a response. The end always follows, because the connection was reset.
 */
export function keepReading(socket: Socket): void {
  const { _write: write, _writev: writev } = socket;
  let isDiscarding = false;
  // A stream makes one call at a time, so one function can serve all of them.
  let done: Callback;
  const onWritten: Callback = (error) => {
    if (!error || !mayHaveResponse(socket, error)) return done(error);
    isDiscarding = true;
    done();
  };
  socket._write = (chunk, encoding, callback) => {
    if (isDiscarding) return callback();
    done = callback;
    write.call(socket, chunk, encoding, onWritten);
  };
  socket._writev = (chunks, callback) => {
    if (isDiscarding) return callback();
    done = callback;
    writev?.call(socket, chunks, onWritten);
  };
}

/** Whether a response to the request that was being written has arrived, or may still arrive. */
function mayHaveResponse(socket: Socket, { code }: NodeJS.ErrnoException): boolean {
  if (code !== 'EPIPE' && code !== 'ECONNRESET') return false;
  // Node's own field: the request on this connection. An upgraded connection has none.
  const { _httpMessage: req } = socket as { _httpMessage?: ClientRequest | null };
  if (!req || socket.destroyed || socket.readableEnded) return false;
  // No further request may be written to this connection.
  req.shouldKeepAlive = false;
  return true;
}
