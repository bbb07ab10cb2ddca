/**
 * Prepares the headers of a request for the backend: removes the hop-by-hop headers and adds the
 * `X-Forwarded-*` headers.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { plainAddress } from '../../common/address.ts';
import { prepareTrailer } from './trailers.ts';

/**
 * RFC 9110, 7.6.1. `transfer-encoding` stays, because the proxy frames the body by it, and so does
 * `trailer`, because trailers are passed on. `expect` is removed, because Node has told the client to
 * continue already.
 */
const HOP_BY_HOP = ['keep-alive', 'proxy-connection', 'te', 'upgrade', 'expect'] as const;

/** `TE` is hop-by-hop, but some backends send trailers only if it asks for them. */
const WANTS_TRAILERS = /(^|,)\s*trailers\s*(,|$)/i;

/**
 * What a client can't remove by naming it in `Connection`: the framing of the body, and the headers that
 * identify the client.
 */
const END_TO_END =
  /^(host|content-length|transfer-encoding|forwarded|x-forwarded-.*|x-real-ip|x-antract-.*)$/;

/** Clients can write these headers as well as proxies. */
const FORWARDING = /^(forwarded|x-forwarded-.*|x-real-ip)$/;

/** CGI, WSGI and Rack read `_` and `-` as the same. A trusted proxy writes `-`. */
function isDisguisedForwarding(name: string): boolean {
  return name.includes('_') && FORWARDING.test(name.replaceAll('_', '-'));
}

function isForwarding(name: string): boolean {
  return FORWARDING.test(name) || isDisguisedForwarding(name);
}

/** Changes `req.headers`, which the proxy passes on. */
export function prepareHeaders(req: IncomingMessage, trustForwarded: boolean): void {
  const { headers } = req;
  const wantsTrailers = headers.te !== undefined && WANTS_TRAILERS.test(String(headers.te));
  dropHopHeaders(headers);
  if (wantsTrailers) Object.assign(headers, { te: 'trailers', connection: 'te' });
  // Node accepts both only with `--insecure-http-parser`. The backend may use the one that Node ignored.
  if (headers['transfer-encoding'] !== undefined) delete headers['content-length'];
  drop(headers, trustForwarded ? isDisguisedForwarding : isForwarding);
  addForwarded(req);
}

/** Whether the headers tell the backend where the body ends. Node writes chunks by the same rule. */
export function isBodyFramed(headers: IncomingHttpHeaders): boolean {
  const coding = headers['transfer-encoding'];
  if (coding !== undefined) return /(?:^|\W)chunked(?:$|\W)/i.test(coding);
  return Number(headers['content-length'] ?? 0) > 0;
}

/** For requests and responses. */
export function dropHopHeaders(headers: IncomingHttpHeaders): void {
  const { connection } = headers;
  if (connection !== undefined) {
    if (!/^(keep-alive|close)$/i.test(connection)) dropNamed(headers, connection);
    delete headers.connection;
  }
  for (const name of HOP_BY_HOP) {
    if (headers[name] !== undefined) delete headers[name];
  }
  prepareTrailer(headers);
}

function dropNamed(headers: IncomingHttpHeaders, connection: string): void {
  const named = new Set(connection.toLowerCase().split(/\s*,\s*/));
  drop(headers, (name) => named.has(name) && !END_TO_END.test(name));
}

function drop(headers: IncomingHttpHeaders, unwanted: (name: string) => boolean): void {
  for (const name in headers) {
    if (unwanted(name)) delete headers[name];
  }
}

/** Only trusted `X-Forwarded-*` headers are left. The peer that sent them is added as the last hop. */
function addForwarded({ headers, socket }: IncomingMessage): void {
  const peer = plainAddress(socket.remoteAddress);
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
