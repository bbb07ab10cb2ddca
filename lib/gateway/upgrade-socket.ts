/**
 * What a raw socket needs once an upgrade was asked for on it. Knows no route.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { endSocket, limitEnd } from '../end-socket.ts';

/**
 * Closes each side of an upgraded connection when the other one has ended, after what was read from it
 * has been written. The proxy itself passes an end on, and leaves open a side that ignores it.
 */
export function joinSockets(client: Socket, backend: Socket): void {
  client.once('end', () => limitEnd(backend)).once('close', () => endSocket(backend));
  backend.once('end', () => limitEnd(client)).once('close', () => endSocket(client));
}

/** One with a body is none (RFC 6455, 4.1), and Node 26 gives it no socket to talk on. */
export function isWebSocket({ method, headers }: IncomingMessage): boolean {
  const hasBody = 'transfer-encoding' in headers || Number(headers['content-length'] ?? 0) > 0;
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket' && !hasBody;
}

/**
 * The request as it came, without the wish to upgrade: an `Upgrade` may be ignored (RFC 9110, 7.8),
 * and some clients ask for h2c with every first request. Node 20 takes any such request away from
 * the server; newer ones ask first.
 */
export function withoutUpgrade(req: IncomingMessage): Buffer {
  let head = `${req.method} ${req.url} HTTP/${req.httpVersion}\r\n`;
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i] as string;
    if (!/^(upgrade|connection|http2-settings)$/i.test(name))
      head += `${name}: ${req.rawHeaders[i + 1]}\r\n`;
  }
  return Buffer.from(`${head}\r\n`, 'latin1');
}
