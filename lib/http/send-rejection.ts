/** Writes the response to a rejected request: a problem document for API clients, a page for browsers. */
import { ServerResponse, type IncomingMessage } from 'node:http';
import type { AntractErrorCode } from '../common/errors.ts';
import { PAGE_POLICY } from './page/built-in-page.ts';
import { builtInContent, describeRejection } from './page/rejection-text.ts';
import { closeLingering, lingerOnClose } from './lingering-close.ts';
import { MARKER, markerOf } from './marker.ts';
import { isBackendError, type Origin, type RejectionResponse } from './rejection-response.ts';
import { contextOf, findContext } from './request-context.ts';
import { REQUEST_ID, requestIdOf } from './request-id.ts';

/**
 * The status of the rejection; undefined if the request was not rejected here. The response to an
 * `EventSource` has another status, see {@link sendRejection}.
 */
export function rejectionStatus(req: IncomingMessage): number | undefined {
  return findContext(req)?.rejection?.status;
}

/** The code of the rejection; undefined if the request was not rejected here. */
export function rejectionCodeOf(req: IncomingMessage): AntractErrorCode | undefined {
  return findContext(req)?.rejection?.code;
}

/** The status of the rejection, or else of the response. */
export function statusOf(req: IncomingMessage, res: ServerResponse): number {
  return rejectionStatus(req) ?? res.statusCode;
}

/**
 * Writes the whole response. Does nothing if a response has begun.
 *
 * An `EventSource` reconnects when a stream ends, and never after any status but 200. So a temporary
 * rejection is an empty stream. Closing the connection is no alternative: a proxy in front turns that into
 * a 502.
 */
export function sendRejection(
  req: IncomingMessage,
  res: ServerResponse,
  rejection: RejectionResponse,
  origin: Origin,
): void {
  if (res.headersSent || res.destroyed) return;
  contextOf(req).rejection = rejection;
  if (req.httpVersionMajor < 2) lingerOnClose(req.socket);
  // The request is pipelined behind one that may be held. An unread body would stop the connection, and
  // then no event reports that the client disconnected.
  if (res.socket === null) req.resume();
  if (rejection.close && req.httpVersionMajor < 2) res.setHeader('Connection', 'close');
  res.setHeader(MARKER, markerOf({ phase: origin.phase, code: rejection.code }));
  const id = requestIdOf(req);
  if (id !== undefined) res.setHeader(REQUEST_ID, id);
  if (isBackendError(rejection.status) && isEventSource(req))
    return sendEmptyStream(res, rejection, origin);
  const response = describeRejection(req, rejection, origin);
  const { context, reloadAfter } = response;
  const own = origin.settings.errorPage?.(context);
  const { contentType, body } = own ?? builtInContent(response);
  res.statusCode = rejection.status;
  res.setHeader('Content-Type', contentType);
  res.setHeader('Content-Length', Buffer.byteLength(body));
  res.setHeader('Cache-Control', 'no-store');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.setHeader('Vary', VARY);
  if (context.format === 'html' && !own) res.setHeader('Content-Security-Policy', PAGE_POLICY);
  // Works in a page of the operator, too, and without JavaScript.
  // https://html.spec.whatwg.org/multipage/document-lifecycle.html#the-refresh-header
  if (reloadAfter !== undefined) res.setHeader('Refresh', reloadAfter);
  if (context.retryAfter !== undefined) res.setHeader('Retry-After', context.retryAfter);
  res.end(req.method === 'HEAD' ? undefined : body);
}

/** Writes the response to an upgrade to its raw socket, and closes the socket. */
export function sendUpgradeRejection(
  req: IncomingMessage,
  rejection: RejectionResponse,
  origin: Origin,
): void {
  // Not the stream that the listener got: if the request has a body, Node 26 passes a stream of it.
  const { socket } = req;
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  res.assignSocket(socket);
  // Data that the client has sent early must not reset the connection.
  res.once('finish', () => closeLingering(socket));
  sendRejection(req, res, rejection, origin);
}

const VARY = 'Accept, Accept-Language, Sec-Fetch-Mode';

/**
 * A GET that accepts only an event stream, as the HTML standard defines it for `EventSource`. Other clients
 * of event streams can handle a status; they send a POST or accept further types.
 */
function isEventSource({ method, headers }: IncomingMessage): boolean {
  if (method !== 'GET' || headers.upgrade !== undefined) return false;
  return /^\s*text\/event-stream\s*(;[^,]*)?$/i.test(headers.accept ?? '');
}

/** Seconds. An `EventSource` keeps the last `retry` that it received, even after the maintenance. */
const LONGEST_RETRY = 5;

/** A comment in the stream tells developers the status and the code. */
function sendEmptyStream(
  res: ServerResponse,
  rejection: RejectionResponse,
  { clock }: Origin,
): void {
  const { status, code, detail, message = detail, retryAfter = LONGEST_RETRY } = rejection;
  // Up to twice as long, so that clients that were rejected together don't reconnect together.
  const retryMs = Math.min(retryAfter, LONGEST_RETRY) * 1000 * (1 + clock.random());
  // A line break would end the comment, and an operator's message may contain one.
  const comment = `${status} ${code}: ${message}`.replace(/[\r\n]+/g, ' ');
  const body = `: ${comment}\nretry: ${Math.round(retryMs)}\n\n`;
  res.statusCode = 200;
  res.setHeader('Content-Type', 'text/event-stream; charset=utf-8');
  res.setHeader('Content-Length', Buffer.byteLength(body));
  res.setHeader('Cache-Control', 'no-store');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.setHeader('Vary', VARY);
  res.end(body);
}
