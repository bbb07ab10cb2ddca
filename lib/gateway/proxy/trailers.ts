/** Trailers: the fields that follow a chunked body (RFC 9110, 6.5). */
import type {
  ClientRequest,
  IncomingHttpHeaders,
  IncomingMessage,
  ServerResponse,
} from 'node:http';

/**
 * Never passed on as trailers, because a recipient may merge trailers into headers: framing, routing,
 * authentication, request and response controls, content encoding (RFC 9110, 6.5.1), and the headers that
 * this gateway sets.
 */
const FORBIDDEN = new RegExp(
  `^(${[
    'connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect',
    'content-(disposition|encoding|language|length|location|range|security-.*|type)',
    'host|forwarded|x-forwarded.*|x-real-ip|x-antract-.*|x-http-method.*|via',
    '.*authoriz.*|.*authenticat.*|proxy-.*|.*cookie2?|origin|referer|sec-.*|access-control-.*',
    'accept.*|cache-control|if-.*|max-forwards|pragma|range',
    'age|alt-svc|date|expires|location|refresh|retry-after|vary|warning|strict-transport-security',
  ].join('|')})$`,
);

/** CGI, WSGI and Rack read `_` and `-` as the same. */
function isAllowed(name: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(name) && !FORBIDDEN.test(name.replaceAll('_', '-'));
}

/** Reduces `Trailer` to the names that may be passed on, and removes it if the body is not chunked. */
export function prepareTrailer(headers: IncomingHttpHeaders): void {
  const { trailer } = headers;
  if (trailer === undefined) return;
  const allowed = headers['transfer-encoding'] === undefined ? [] : namesIn(trailer);
  // Node throws on a `Trailer` without a chunked body.
  if (allowed.length > 0) headers.trailer = allowed.join(', ');
  else delete headers.trailer;
}

function namesIn(trailer: string): string[] {
  const names = trailer.toLowerCase().split(',');
  return names.map((name) => name.trim()).filter(isAllowed);
}

/** Passes on the trailers that a prepared `Trailer` names. Call it before the body is piped. */
export function passTrailers(from: IncomingMessage, to: ClientRequest | ServerResponse): void {
  const names = new Set(namesIn(from.headers.trailer ?? ''));
  from.once('end', () => {
    to.addTrailers(Object.entries(from.trailers).filter(([name]) => names.has(name)) as Trailers);
  });
}

type Trailers = [string, string][];
