/**
 * Detects requests with dropped headers. Node's HTTP/1 parser keeps `maxHeadersCount` headers, 1,000 by default,
 * and drops the rest without an error. It still frames the body by a dropped `Content-Length` or
 * `Transfer-Encoding`. A proxy that forwards the remaining headers sends an unframed body, which the backend
 * reads as the next request.
 */
import type { IncomingMessage } from 'node:http';

/** A server or a client request. */
interface HeaderLimited {
  maxHeadersCount?: number | null;
}

/** Counts names and values, like `rawHeaders`. */
const NODE_DEFAULT = 2000;

/** Makes Node keep every header from now on. Their size stays limited (`--max-http-header-size`). */
export function readEveryHeader<T extends HeaderLimited>(messages: T): T {
  messages.maxHeadersCount = 0;
  return messages;
}

/** Whether the client may have sent headers that `req.headers` does not have. */
export function mayLackHeaders(req: IncomingMessage): boolean {
  // http2 resets a stream with too many headers. The version alone is no proof of http2: an HTTP/1 client
  // can send `HTTP/2.0`.
  if (req.httpVersionMajor >= 2 && 'stream' in req) return false;
  const limit = limitOf(req);
  return limit > 0 && req.rawHeaders.length >= limit;
}

/** 0 or less for no limit. The parser has the limit from when the connection was made. */
function limitOf(req: IncomingMessage): number {
  const { parser, server } = req.socket as {
    parser?: { maxHeaderPairs?: number } | null;
    server?: HeaderLimited;
  };
  const count = server?.maxHeadersCount;
  return parser?.maxHeaderPairs ?? (typeof count === 'number' ? count << 1 : NODE_DEFAULT);
}
