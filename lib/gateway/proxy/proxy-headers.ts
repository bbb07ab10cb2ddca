/**
 * What the backend is told of a request: the headers of this hop come off, those that say where the
 * request came from go on. Knows no route.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { prepareTrailer } from './trailers.ts';

/**
 * RFC 9110, 7.6.1. `transfer-encoding` stays: the proxy frames the body it passes on by it; and
 * `trailer`, as trailers are passed on. `expect` goes, as Node has told the client to continue already.
 */
const THIS_HOP = ['keep-alive', 'proxy-connection', 'te', 'upgrade', 'expect'] as const;

/** `TE` is of this hop, but some backends send trailers only if it asks for them. */
const WANTS_TRAILERS = /(^|,)\s*trailers\s*(,|$)/i;

/**
 * What a client can't have taken off by naming it in `Connection`: how the body is framed, and what
 * says where the request came from.
 */
const NOT_THIS_HOP =
  /^(host|content-length|transfer-encoding|forwarded|x-forwarded-.*|x-real-ip|x-antract-.*)$/;

/** Written by clients just as well as by proxies. */
const WHERE_FROM = /^(forwarded|x-forwarded-.*|x-real-ip)$/;

/** CGI, WSGI and Rack make `_` of each `-`; a proxy that is trusted would not have sent it so. */
function isDisguised(name: string): boolean {
  return name.includes('_') && WHERE_FROM.test(name.replaceAll('_', '-'));
}

function isWhereFrom(name: string): boolean {
  return WHERE_FROM.test(name) || isDisguised(name);
}

/** Changes `req.headers`, which is what the proxy passes on. */
export function prepareHeaders(req: IncomingMessage, trustForwarded: boolean): void {
  const { headers } = req;
  const wantsTrailers = headers.te !== undefined && WANTS_TRAILERS.test(String(headers.te));
  dropHopHeaders(headers);
  if (wantsTrailers) Object.assign(headers, { te: 'trailers', connection: 'te' });
  // Only `--insecure-http-parser` lets both in. A backend may go by the one that Node did not use.
  if (headers['transfer-encoding'] !== undefined) delete headers['content-length'];
  drop(headers, trustForwarded ? isDisguised : isWhereFrom);
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
  for (const name of THIS_HOP) {
    if (headers[name] !== undefined) delete headers[name];
  }
  prepareTrailer(headers);
}

function dropNamed(headers: IncomingHttpHeaders, connection: string): void {
  const named = new Set(connection.toLowerCase().split(/\s*,\s*/));
  drop(headers, (name) => named.has(name) && !NOT_THIS_HOP.test(name));
}

function drop(headers: IncomingHttpHeaders, unwanted: (name: string) => boolean): void {
  for (const name in headers) {
    if (unwanted(name)) delete headers[name];
  }
}

/** What is there by now was trusted: it is kept, and the peer that sent it becomes the last hop. */
function addForwarded({ headers, socket }: IncomingMessage): void {
  const peer = plainAddress(socket.remoteAddress);
  const before = headers['x-forwarded-for'];
  if (peer !== undefined) headers['x-forwarded-for'] = before ? `${String(before)}, ${peer}` : peer;
  headers['x-forwarded-proto'] ??= 'http';
  if (headers.host === undefined) return;
  headers['x-forwarded-host'] ??= headers.host;
  headers['x-forwarded-port'] ??= portOf(headers.host, headers['x-forwarded-proto']);
}

/** An IPv4 client of a socket that takes both is shown as `::ffff:192.0.2.1`; backends want the rest. */
export function plainAddress(address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:(?=\d+\.)/, '');
}

function portOf(host: string, protocol: string | string[]): string {
  return /:(\d+)$/.exec(host)?.[1] ?? (protocol === 'https' ? '443' : '80');
}
