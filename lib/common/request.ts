/** Reads the path, query and host name of a request. */
import type { IncomingHttpHeaders } from 'node:http';

/** Identifies a request in lists and events. */
export interface RequestLine {
  /** The HTTP method. */
  readonly method?: string | undefined;
  /** The URL as the handler sees it. */
  readonly url?: string | undefined;
  /** The URL before a router removed its mount path. */
  readonly originalUrl?: string | undefined;
}

// The absolute form (RFC 9112, 3.2.2), which clients send to proxies.
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i;

/**
 * The path as the client sent it, without the query. Dots are not resolved, and a `#` does not end the path: a
 * request target has no fragment (RFC 9112, 3.2). A changed path could differ from the one that the backend
 * reads.
 */
export function pathOf(request: RequestLine): string {
  const url = request.originalUrl ?? request.url ?? '/';
  const target = url.startsWith('/') ? url : url.replace(ORIGIN, '');
  const end = target.indexOf('?');
  return (end < 0 ? target : target.slice(0, end)) || '/';
}

/** The text after the `?`; empty if there is none. */
export function queryOf(request: RequestLine): string {
  const url = request.originalUrl ?? request.url ?? '';
  const start = url.indexOf('?');
  return start < 0 ? '' : url.slice(start + 1);
}

/**
 * The path of a request in origin form (`GET /path`). Undefined for any other target, such as
 * `GET http://host/path`, because it is unknown which path a backend reads from it.
 */
export function originPathOf(request: RequestLine): string | undefined {
  return (request.originalUrl ?? request.url)?.startsWith('/') ? pathOf(request) : undefined;
}

export function describe(request: RequestLine): { method: string; path: string } {
  return { method: request.method ?? 'GET', path: pathOf(request) };
}

/**
 * The host name of a request as an app name: from `Host`, or `:authority` on HTTP/2. It is in lower case, without
 * the port and a trailing dot, so that no spelling evades a pause. Undefined if there is none. Ignores
 * `X-Forwarded-Host`, which a client can forge.
 */
export function hostApp(req: { readonly headers: IncomingHttpHeaders }): string | undefined {
  const authority = req.headers[':authority'] ?? req.headers.host;
  if (typeof authority !== 'string') return undefined;
  const host = authority.trim().toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '');
  return host === '' ? undefined : host;
}

/** Whether the headers of an HTTP/1 request announce a body (RFC 9112, 6). */
export function hasBody({ headers }: { readonly headers: IncomingHttpHeaders }): boolean {
  return 'transfer-encoding' in headers || Number(headers['content-length'] ?? 0) > 0;
}

/** Whether a segment of the path is `.` or `..`, percent-encoded or not. */
export function hasDotSegment(path: string): boolean {
  return /\/(\.|%2e){1,2}(\/|$)/i.test(path);
}

/** False for text that a URL parser could read as more than a path, such as another host (`//host/up`). */
export function isPlainPath(path: string): boolean {
  return /^\/(?!\/)[^?#\\]*$/.test(path) && /^[\x21-\x7e]*$/.test(path) && !hasDotSegment(path);
}

/** @param paths whole paths, or RegExps that match them. */
export function matchesPath(paths: readonly (string | RegExp)[], path: string): boolean {
  return paths.some((pattern) =>
    typeof pattern === 'string' ? pattern === path : pattern.test(path),
  );
}
