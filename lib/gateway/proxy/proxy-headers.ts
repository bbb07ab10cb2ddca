/**
 * Prepares the headers of a request for the backend: removes the hop-by-hop headers and adds the
 * `X-Forwarded-*` headers.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { MARKER_IN_HEADERS } from '../../http/marker.ts';
import { prepareTrailer } from './trailers.ts';

/**
 * RFC 9110, 7.6.1. `transfer-encoding` stays, because the proxy frames the body by it, and so does
 * `trailer`, because trailers are passed on. `expect` is removed, because Node has told the client to
 * continue already.
 */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'upgrade',
  'expect',
]);

/** `TE` is hop-by-hop, but some backends send trailers only if it asks for them. */
const WANTS_TRAILERS = /(^|,)\s*trailers\s*(,|$)/i;

/**
 * What a client can't remove by naming it in `Connection`: the framing of the body, and the headers that
 * identify the client or the request.
 */
const END_TO_END =
  /^(host|content-length|transfer-encoding|forwarded|x-forwarded-.*|x-real-ip|x-request-id|x-antract-.*)$/;

/** Clients can write these headers as well as proxies. */
const FORWARDING = /^(forwarded|x-forwarded-.*|x-real-ip)$/;

/** CGI, WSGI and Rack read `_` and `-` as the same. A trusted proxy writes `-`. */
function isDisguisedForwarding(name: string): boolean {
  return name.includes('_') && FORWARDING.test(name.replaceAll('_', '-'));
}

function isForwarding(name: string): boolean {
  return FORWARDING.test(name) || isDisguisedForwarding(name);
}

/**
 * Replaces `req.headers`, which the proxy passes on. A copy in one pass, because an object from which a
 * property was deleted is slower in everything that follows.
 *
 * @param peer the address of the client of this connection.
 */
export function prepareHeaders(
  req: IncomingMessage,
  peer: string | undefined,
  trustForwarded: boolean,
): void {
  const { headers } = req;
  const named = namesIn(headers.connection);
  const isUntrusted = trustForwarded ? isDisguisedForwarding : isForwarding;
  const prepared: IncomingHttpHeaders = {};
  for (const name in headers) {
    if (HOP_BY_HOP.has(name) || named?.has(name)) continue;
    // Only names that begin with f or x can be one of them.
    if ((name[0] === 'x' || name[0] === 'f') && isUntrusted(name)) continue;
    prepared[name] = headers[name];
  }
  if (headers.te !== undefined && WANTS_TRAILERS.test(String(headers.te))) {
    Object.assign(prepared, { te: 'trailers', connection: 'te' });
  }
  // Node accepts both only with `--insecure-http-parser`. The backend may use the one that Node ignored.
  if (prepared['transfer-encoding'] !== undefined) delete prepared['content-length'];
  prepareTrailer(prepared);
  addForwarded(prepared, peer);
  req.headers = prepared;
}

/** Whether the headers tell the backend where the body ends. Node writes chunks by the same rule. */
export function isBodyFramed(headers: IncomingHttpHeaders): boolean {
  const coding = headers['transfer-encoding'];
  if (coding !== undefined) return /(?:^|\W)chunked(?:$|\W)/i.test(coding);
  return Number(headers['content-length'] ?? 0) > 0;
}

/**
 * The headers of a response without the hop-by-hop ones, and without the header that marks responses of
 * antract. Also a copy, see {@link prepareHeaders}.
 */
export function withoutHopHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const named = namesIn(headers.connection);
  const kept: IncomingHttpHeaders = {};
  for (const name in headers) {
    if (HOP_BY_HOP.has(name) || named?.has(name) || name === MARKER_IN_HEADERS) continue;
    kept[name] = headers[name];
  }
  prepareTrailer(kept);
  return kept;
}

/** The headers that `Connection` names, without those that can't be removed. Mostly it names none. */
function namesIn(connection: string | undefined): Set<string> | undefined {
  if (connection === undefined || /^(keep-alive|close)$/i.test(connection)) return undefined;
  const names = connection.toLowerCase().split(/\s*,\s*/);
  return new Set(names.filter((name) => !END_TO_END.test(name)));
}

/** Only trusted `X-Forwarded-*` headers are left. The peer that sent them is added as the last hop. */
function addForwarded(headers: IncomingHttpHeaders, peer: string | undefined): void {
  const before = headers['x-forwarded-for'];
  if (peer !== undefined) headers['x-forwarded-for'] = before ? `${String(before)}, ${peer}` : peer;
  headers['x-forwarded-proto'] ??= 'http';
  if (headers.host === undefined) return;
  headers['x-forwarded-host'] ??= headers.host;
  headers['x-forwarded-port'] ??= portOf(headers.host, headers['x-forwarded-proto']);
}

function portOf(host: string, protocol: string | string[]): string {
  return /:(\d+)$/.exec(host)?.[1] ?? (protocol === 'https' ? '443' : '80');
}
