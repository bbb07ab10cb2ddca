/**
 * Reads headers that a security check needs exactly once.
 */
import type { IncomingMessage } from 'node:http';

/** How often the client sent this header (lower case). Of some headers `req.headers` has only the first. */
export function countHeader(req: IncomingMessage, name: string): number {
  return req.rawHeaders.filter((raw, index) => index % 2 === 0 && raw.toLowerCase() === name)
    .length;
}

/** The host that the client asked for, `:authority` on HTTP/2. Undefined if it is missing or was sent twice. */
export function hostOf(req: IncomingMessage): string | undefined {
  if (countHeader(req, 'host') > 1) return undefined;
  const host = req.headers[':authority'] ?? req.headers.host;
  return typeof host === 'string' ? host : undefined;
}
