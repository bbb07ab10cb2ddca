/** Decides which upgrades the gateway accepts, and joins the sockets of an upgraded connection. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { hasBody } from '../../common/request.ts';
import { endSocket, limitEnd } from '../../http/end-socket.ts';

/**
 * Closes each side of an upgraded connection when the other side has ended, after all its bytes were
 * written. http-proxy-middleware only passes the end on, and leaves open a side that ignores it.
 */
export function joinSockets(client: Socket, backend: Socket): void {
  client.once('end', () => limitEnd(backend)).once('close', () => endSocket(backend));
  backend.once('end', () => limitEnd(client)).once('close', () => endSocket(client));
}

/** A handshake has no body (RFC 6455, 4.1). Node 26 provides no socket for an upgrade with a body. */
export function isWebSocketHandshake(req: IncomingMessage): boolean {
  const { method, headers } = req;
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket' && !hasBody(req);
}

/**
 * Whether Node's server emits `upgrade` for a request that asks for an upgrade. Where Node ignores the
 * `Upgrade` header, it loses the bytes that follow in the same packet, such as a pipelined request. It must
 * ignore the header of a request with a body, because Node 26 provides no socket then.
 */
export function emitsUpgrade(req: IncomingMessage): boolean {
  return !hasBody(req);
}

/**
 * The request as it was received, without its `Upgrade` header. A server may ignore that header (RFC 9110,
 * 7.8), and some clients ask for h2c with every first request.
 */
export function withoutUpgrade(req: IncomingMessage): Buffer {
  let head = `${req.method} ${req.url} HTTP/${req.httpVersion}\r\n`;
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i] as string;
    const value = req.rawHeaders[i + 1] as string;
    const rest = /^connection$/i.test(name) ? withoutOptions(value) : value;
    if (!UPGRADE_HEADERS.test(name) && rest !== undefined) head += `${name}: ${rest}\r\n`;
  }
  return Buffer.from(`${head}\r\n`, 'latin1');
}

const UPGRADE_HEADERS = /^\s*(upgrade|http2-settings)\s*$/i;

/** The other connection options, such as `close`; undefined if there are none. */
function withoutOptions(connection: string): string | undefined {
  const others = connection.split(',').filter((option) => !UPGRADE_HEADERS.test(option));
  return others.length > 0 ? others.join(',') : undefined;
}
