/**
 * Checks whether this version of Node passes the chunks of a body to `req.push` while it parses them. The
 * spool depends on that.
 */
import { createServer, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';

const REQUEST = 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody';

/** Parses one request synchronously, without a network connection. */
export function parserCallsPush(): boolean {
  const pushed: unknown[] = [];
  const server = createServer((req: IncomingMessage) => {
    req.push = (chunk: unknown) => {
      pushed.push(chunk === null ? null : (chunk as Buffer).toString());
      return true;
    };
  });
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  try {
    server.emit('connection', socket);
    socket.emit('data', Buffer.from(REQUEST));
    return pushed.length === 2 && pushed[0] === 'body' && pushed[1] === null;
  } finally {
    socket.destroy();
  }
}
