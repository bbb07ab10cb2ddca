/** Turns the target of a request into a path. */
import type { IncomingMessage } from 'node:http';

/**
 * Turns the absolute form (`GET http://example.com/path`), which clients send to proxies, into a path and
 * a `Host` header, which it overrides (RFC 9112, 3.2.2). Otherwise the gateway could route a request by
 * one host name, and the backend read another. Returns false for a target that can't be passed on.
 *
 * `originalUrl` keeps the target as the client sent it: access to the admin endpoints depends on it, and
 * only the origin form can be a health check.
 */
export function readRequestTarget(req: IncomingMessage & { originalUrl?: string }): boolean {
  const url = req.url ?? '';
  if (url.startsWith('/')) return true;
  const [, authority, path = ''] = /^https?:\/\/([^/?#@\\]+)(?=[/?#]|$)([^#]*)/i.exec(url) ?? [];
  if (authority === undefined) return false;
  req.headers.host = authority;
  req.originalUrl = url;
  req.url = path.startsWith('/') ? path : `/${path}`;
  return true;
}
