/**
 * What a raw socket needs once an upgrade was asked for on it. Knows no route.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { endSocket, limitEnd } from '../../http/end-socket.ts';

/**
 * Closes each side of an upgraded connection when the other one has ended, after what was read from it
 * has been written. The proxy itself passes an end on, and leaves open a side that ignores it.
 */
export function joinSockets(client: Socket, backend: Socket): void {
  client.once('end', () => limitEnd(backend)).once('close', () => endSocket(backend));
  backend.once('end', () => limitEnd(client)).once('close', () => endSocket(client));
}

/** One with a body is none (RFC 6455, 4.1), and Node 26 gives it no socket to talk on. */
export function isWebSocket(req: IncomingMessage): boolean {
  const { method, headers } = req;
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket' && !hasBody(req);
}

/**
 * Whether to have a request that asks for an upgrade from Node's server as an `upgrade` event. Where Node
 * ignores the `Upgrade` by itself, it loses what follows in the same packet, such as a pipelined request.
 * With a body it has to be so, as Node 26 gives no socket then.
 */
export function takesUpgrade(req: IncomingMessage): boolean {
  return !hasBody(req);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return 'transfer-encoding' in headers || Number(headers['content-length'] ?? 0) > 0;
}

/**
 * The request as it came, without the wish to upgrade: an `Upgrade` may be ignored (RFC 9110, 7.8),
 * and some clients ask for h2c with every first request.
 */
export function withoutUpgrade(req: IncomingMessage): Buffer {
  let head = `${req.method} ${req.url} HTTP/${req.httpVersion}\r\n`;
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i] as string;
    const value = req.rawHeaders[i + 1] as string;
    const kept = /^connection$/i.test(name) ? withoutOptions(value) : value;
    if (!OF_UPGRADE.test(name) && kept !== undefined) head += `${name}: ${kept}\r\n`;
  }
  return Buffer.from(`${head}\r\n`, 'latin1');
}

const OF_UPGRADE = /^\s*(upgrade|http2-settings)\s*$/i;

/** Undefined if no other connection option is left, such as `close`. */
function withoutOptions(connection: string): string | undefined {
  const others = connection.split(',').filter((option) => !OF_UPGRADE.test(option));
  return others.length > 0 ? others.join(',') : undefined;
}
