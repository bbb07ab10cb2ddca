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

/**
 * Whether http-proxy-middleware could read a host name from this path, and fail. It reads paths as URLs,
 * in which two slashes begin an authority.
 */
export function looksLikeAuthority(path: string): boolean {
  return path[1] === '/' || path[1] === '\\';
}
