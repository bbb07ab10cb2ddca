/** The response to a rejected request: a problem document for API clients, a small page for browsers. */
import { createHash } from 'node:crypto';
import { ServerResponse, type IncomingMessage } from 'node:http';
import { systemClock } from '../common/clock.ts';
import type { AntractErrorCode } from '../common/errors.ts';
import { closeLingering, lingerOnClose } from './lingering-close.ts';
import type { Rejection, RejectReason } from '../gate/phase.ts';
import { rejectionCode } from '../gate/status.ts';
import { contextOf, findContext } from './request-context.ts';

export interface RejectionResponse {
  readonly status: number;
  readonly code: AntractErrorCode;
  /** A few words. Each code has one title. */
  readonly title: string;
  /** A sentence for the reader. */
  readonly detail: string;
  /** Seconds until a retry makes sense: for `Retry-After`, and for the page to reload. */
  readonly retryAfter?: number | undefined;
  /** Close the connection after the response. */
  readonly close?: boolean | undefined;
}

/** Seconds of `Retry-After` where nothing better is known: the reason ends soon, or lasts. */
export const RETRY_SOON = 5;
const RETRY_LATER = 30;

export const TOO_MANY_HEADERS: RejectionResponse = Object.freeze({
  status: 431,
  code: 'ERR_ANTRACT_TOO_MANY_HEADERS',
  title: 'Too many headers',
  detail: 'The request has more headers than this server reads.',
  close: true,
});

/**
 * The status of the rejection; undefined if the request was not rejected here. The response to an
 * `EventSource` has another status, see {@link sendRejection}.
 */
export function rejectionStatus(req: IncomingMessage): number | undefined {
  return findContext(req)?.rejectionStatus;
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
): void {
  if (res.headersSent || res.destroyed) return;
  contextOf(req).rejectionStatus = rejection.status;
  if (req.httpVersionMajor < 2) lingerOnClose(req.socket);
  // The request is pipelined behind one that may be held. An unread body would stop the connection, and
  // then no event reports that the client disconnected.
  if (res.socket === null) req.resume();
  if (rejection.close && req.httpVersionMajor < 2) res.setHeader('Connection', 'close');
  if (isBackendError(rejection.status) && isEventSource(req))
    return sendEmptyStream(res, rejection);
  const html = wantsPage(req);
  const body = html ? page(rejection, reloads(req)) : problem(rejection);
  res.statusCode = rejection.status;
  res.setHeader('Content-Type', html ? 'text/html; charset=utf-8' : 'application/problem+json');
  res.setHeader('Content-Length', Buffer.byteLength(body));
  res.setHeader('Cache-Control', 'no-store');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.setHeader('Vary', 'Accept, Sec-Fetch-Mode');
  if (html) res.setHeader('Content-Security-Policy', PAGE_POLICY);
  if (rejection.retryAfter !== undefined) res.setHeader('Retry-After', rejection.retryAfter);
  res.end(req.method === 'HEAD' ? undefined : body);
}

/** Writes the response to an upgrade to its raw socket, and closes the socket. */
export function sendUpgradeRejection(req: IncomingMessage, rejection: RejectionResponse): void {
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
  sendRejection(req, res, rejection);
}

const TEXTS = {
  timeout: {
    title: 'Still under maintenance',
    detail: 'The maintenance takes longer than this request could wait.',
    retryAfter: RETRY_SOON,
  },
  stopped: {
    title: 'Out of service',
    detail: 'The service has been stopped.',
    retryAfter: RETRY_LATER,
  },
  full: {
    title: 'Under maintenance',
    detail: 'Too many requests wait for the end of the maintenance.',
    retryAfter: RETRY_SOON,
  },
  shutdown: {
    title: 'Restarting',
    detail: 'The gateway is shutting down and will be back shortly.',
    retryAfter: RETRY_SOON,
  },
  unreachable: {
    title: 'Bad gateway',
    detail: 'The service behind this gateway could not be reached.',
    retryAfter: RETRY_SOON,
  },
  'long-poll': {
    title: 'Ask again',
    detail:
      'The service restarts or goes into maintenance. Ask again; the answer comes when it is back.',
    retryAfter: 1,
  },
  'too-large': {
    title: 'Content too large',
    detail: 'The service is under maintenance, and this body is too large to be kept meanwhile.',
    retryAfter: RETRY_LATER,
  },
} as const satisfies Record<
  RejectReason,
  Pick<RejectionResponse, 'title' | 'detail' | 'retryAfter'>
>;

const STATUSES: Partial<Record<RejectReason, number>> = { 'too-large': 413, unreachable: 502 };

/** The response to a rejection by a gate. */
export function rejectionResponse({ reason, message, retryAfterMs }: Rejection): RejectionResponse {
  const { title, detail, retryAfter } = TEXTS[reason];
  return {
    status: STATUSES[reason] ?? 503,
    code: rejectionCode(reason),
    title,
    detail: message ?? detail,
    // At the latest when the pause ends by itself. Otherwise a short guess.
    retryAfter: Math.min(retryAfter, Math.max(1, Math.ceil((retryAfterMs ?? Infinity) / 1000))),
    close: reason === 'shutdown' || reason === 'too-large',
  };
}

/** 502 to 504: an overloaded backend, or a proxy in front of a failed one. The request may succeed later. */
export function isBackendError(status: number): boolean {
  return status >= 502 && status <= 504;
}

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
function sendEmptyStream(res: ServerResponse, rejection: RejectionResponse): void {
  const { status, code, detail, retryAfter = LONGEST_RETRY } = rejection;
  // Up to twice as long, so that clients that were rejected together don't reconnect together.
  const retryMs = Math.min(retryAfter, LONGEST_RETRY) * 1000 * (1 + systemClock.random());
  // A line break would end the comment, and an operator's message may contain one.
  const comment = `${status} ${code}: ${detail}`.replace(/[\r\n]+/g, ' ');
  const body = `: ${comment}\nretry: ${Math.round(retryMs)}\n\n`;
  res.statusCode = 200;
  res.setHeader('Content-Type', 'text/event-stream; charset=utf-8');
  res.setHeader('Content-Length', Buffer.byteLength(body));
  res.setHeader('Cache-Control', 'no-store');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.setHeader('Vary', 'Accept, Sec-Fetch-Mode');
  res.end(body);
}

/** RFC 9457. */
function problem({ status, code, title, detail }: RejectionResponse): string {
  return `${JSON.stringify({ type: 'about:blank', title, status, detail, code })}\n`;
}

/** Browsers announce a navigation (Fetch Metadata). Older browsers accept HTML first. */
function wantsPage(req: IncomingMessage): boolean {
  const mode = req.headers['sec-fetch-mode'];
  if (mode !== undefined) return mode === 'navigate';
  return /^\s*(text\/html|application\/xhtml\+xml)/i.test(req.headers.accept ?? '');
}

/** The page for a form must not reload: the GET would hide that the form data was not processed. */
function reloads(req: IncomingMessage): boolean {
  return req.method === 'GET' || req.method === 'HEAD';
}

const STYLE =
  ':root{color-scheme:light dark}' +
  'body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1.5rem}' +
  'h1{font-size:1.4rem}';

const PAGE_POLICY =
  "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; " +
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`;

function page({ title, detail, retryAfter }: RejectionResponse, reload: boolean): string {
  const reloading = reload && retryAfter !== undefined;
  return (
    '<!doctype html><html lang="en"><meta charset="utf-8">' +
    '<meta name="viewport" content="width=device-width">' +
    (reloading ? `<meta http-equiv="refresh" content="${retryAfter}">` : '') +
    `<title>${escapeHtml(title)}</title><style>${STYLE}</style>` +
    `<h1>${escapeHtml(title)}</h1><p>${escapeHtml(detail)}</p>` +
    (reloading ? '<p>This page reloads by itself.</p>' : '') +
    (reload ? '' : '<p>What you sent was not processed. Please go back and send it again.</p>') +
    '</html>\n'
  );
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
