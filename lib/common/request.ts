/**
 * The little that the rooms read of a request. Knows no server and no app.
 */
import type { IncomingHttpHeaders } from 'node:http';

/** What tells one request from another in lists and events. */
export interface RequestLine {
  /** The HTTP method. */
  readonly method?: string | undefined;
  /** The URL as the handler sees it. */
  readonly url?: string | undefined;
  /** The URL before a router removed its mount path. */
  readonly originalUrl?: string | undefined;
}

// The absolute form (RFC 9112, 3.2.2), which clients use towards proxies.
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i;

/**
 * The whole path, as the client sent it, without the query. Neither are dots resolved in it nor is a
 * `#` taken for its end: a request target has no fragment (RFC 9112, 3.2), and what would be left of
 * it could be the name of something else than what a backend reads.
 */
export function pathOf(request: RequestLine): string {
  const url = request.originalUrl ?? request.url ?? '/';
  const target = url.startsWith('/') ? url : url.replace(ORIGIN, '');
  const end = target.indexOf('?');
  return (end < 0 ? target : target.slice(0, end)) || '/';
}

/** What follows the `?`; empty where there is none. */
export function queryOf(request: RequestLine): string {
  const url = request.originalUrl ?? request.url ?? '';
  const start = url.indexOf('?');
  return start < 0 ? '' : url.slice(start + 1);
}

/**
 * The path of a request in origin form (`GET /path`). Undefined for any other target, such as
 * `GET http://host/path`: what a backend takes for the path in it can't be known here.
 */
export function originPathOf(request: RequestLine): string | undefined {
  return (request.originalUrl ?? request.url)?.startsWith('/') ? pathOf(request) : undefined;
}

export function describe(request: RequestLine): { method: string; path: string } {
  return { method: request.method ?? 'GET', path: pathOf(request) };
}

/**
 * The virtual host that a request is for, as an app's name: from `Host`, or `:authority` on HTTP/2,
 * in lower case, without the port and a trailing dot, so that no spelling of it evades a pause.
 * Undefined where there is none. `X-Forwarded-Host` is not looked at: a client can write it.
 */
export function hostApp(req: { readonly headers: IncomingHttpHeaders }): string | undefined {
  const authority = req.headers[':authority'] ?? req.headers.host;
  if (typeof authority !== 'string') return undefined;
  const host = authority.trim().toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '');
  return host === '' ? undefined : host;
}

/** Whether a part of the path is `.` or `..`, percent-encoded or not. */
export function hasDotSegment(path: string): boolean {
  return /\/(\.|%2e){1,2}(\/|$)/i.test(path);
}

/** What a URL parser would read as anything else, such as another host (`//host/up`), is none. */
export function isPlainPath(path: string): boolean {
  return /^\/(?!\/)[^?#\\]*$/.test(path) && /^[\x21-\x7e]*$/.test(path) && !hasDotSegment(path);
}

/** Whole paths, or RegExps for them. */
export function matchesPath(paths: readonly (string | RegExp)[], path: string): boolean {
  return paths.some((wanted) => (typeof wanted === 'string' ? wanted === path : wanted.test(path)));
}
