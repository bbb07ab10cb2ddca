/**
 * The request line's target, made what the rooms behind expect: a path. Knows no route.
 */
import type { IncomingMessage } from 'node:http';

/**
 * Turns the absolute form (`GET http://example.com/path`), which clients use towards proxies, into a
 * path and the `Host` that it overrules (RFC 9112, 3.2.2): otherwise a request could be routed by
 * one name and be read by the backend under another. False for what names no resource here.
 *
 * `originalUrl` keeps the target as it was sent: who may use the admin endpoints depends on it, and
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
 * Whether http-proxy-middleware could take this path for a host name, and fail over it: it reads
 * paths as URLs, in which two slashes begin an authority.
 */
export function looksLikeAuthority(path: string): boolean {
  return path[1] === '/' || path[1] === '\\';
}
