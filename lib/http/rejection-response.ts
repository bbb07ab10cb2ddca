/**
 * Answers a request that is not let through: a problem document for API clients, a small page for
 * people. Knows no gate and no app.
 */
import { createHash } from 'node:crypto';
import { ServerResponse, type IncomingMessage } from 'node:http';
import { systemClock } from '../common/clock.ts';
import type { AntractErrorCode } from '../common/errors.ts';
import { closeLingering, lingerOnClose } from './lingering-close.ts';
import type { Rejection, RejectReason } from '../gate/phase.ts';
import { rejectionCode } from '../gate/status.ts';

export interface RejectionResponse {
  readonly status: number;
  readonly code: AntractErrorCode;
  /** A few words, the same whenever the code is. */
  readonly title: string;
  /** A sentence for whoever reads it. */
  readonly detail: string;
  /** Seconds until asking again makes sense: `Retry-After`, and the page reloads itself then. */
  readonly retryAfter?: number | undefined;
  /** End the connection with the answer. */
  readonly close?: boolean | undefined;
}

export const TOO_MANY_HEADERS: RejectionResponse = Object.freeze({
  status: 431,
  code: 'ERR_ANTRACT_TOO_MANY_HEADERS',
  title: 'Too many headers',
  detail: 'The request has more headers than this server reads.',
  close: true,
});

const statuses = new WeakMap<IncomingMessage, number>();

/**
 * The status with which a request was refused here; undefined when it was not. The response to an
 * `EventSource` has another one, see {@link sendRejection}.
 */
export function rejectedWith(req: IncomingMessage): number | undefined {
  return statuses.get(req);
}

/** The status of a response, or the one that a refusal has in place of it. */
export function statusOf(req: IncomingMessage, res: ServerResponse): number {
  return rejectedWith(req) ?? res.statusCode;
}

/**
 * Writes the whole response; does nothing where one has begun.
 *
 * An `EventSource` gives up for good on any status but 200, and reconnects when a stream ends. So a
 * temporary refusal answers it with an empty stream. A closed connection would not do instead: a proxy
 * in front turns that into a 502.
 */
export function sendRejection(
  req: IncomingMessage,
  res: ServerResponse,
  refusal: RejectionResponse,
): void {
  if (res.headersSent || res.destroyed) return;
  statuses.set(req, refusal.status);
  if (req.httpVersionMajor < 2) lingerOnClose(req.socket);
  // It is pipelined behind a request that may be held: an unread body would stop the connection, and
  // nobody would notice that its client left.
  if (res.socket === null) req.resume();
  if (refusal.close && req.httpVersionMajor < 2) res.setHeader('Connection', 'close');
  if (isTemporary(refusal) && isEventSource(req)) return sendEmptyStream(res, refusal);
  const html = wantsPage(req);
  const body = html ? page(refusal, reloads(req)) : problem(refusal);
  res.statusCode = refusal.status;
  res.setHeader('Content-Type', html ? 'text/html; charset=utf-8' : 'application/problem+json');
  res.setHeader('Content-Length', Buffer.byteLength(body));
  res.setHeader('Cache-Control', 'no-store');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.setHeader('Vary', 'Accept, Sec-Fetch-Mode');
  if (html) res.setHeader('Content-Security-Policy', PAGE_POLICY);
  if (refusal.retryAfter !== undefined) res.setHeader('Retry-After', refusal.retryAfter);
  res.end(req.method === 'HEAD' ? undefined : body);
}

/** Answers a request to upgrade, on its raw socket, as any other is answered; and closes. */
export function sendUpgradeRejection(req: IncomingMessage, refusal: RejectionResponse): void {
  // Not what the listener was given: where a body is to come, Node 26 gives it a stream of that.
  const { socket } = req;
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  res.assignSocket(socket);
  // Data that the client sent ahead of the answer must not reset the connection.
  res.once('finish', () => closeLingering(socket));
  sendRejection(req, res, refusal);
}

const REFUSALS = {
  timeout: {
    title: 'Still under maintenance',
    detail: 'The maintenance takes longer than this request could wait.',
    retryAfter: 5,
  },
  stopped: { title: 'Out of service', detail: 'The service has been stopped.', retryAfter: 30 },
  full: {
    title: 'Under maintenance',
    detail: 'Too many requests wait for the end of the maintenance.',
    retryAfter: 5,
  },
  shutdown: {
    title: 'Restarting',
    detail: 'The gateway is shutting down and will be back shortly.',
    retryAfter: 5,
  },
  unreachable: {
    title: 'Bad gateway',
    detail: 'The service behind this gateway could not be reached.',
    retryAfter: 5,
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
    retryAfter: 30,
  },
} as const satisfies Record<
  RejectReason,
  Pick<RejectionResponse, 'title' | 'detail' | 'retryAfter'>
>;

const STATUSES: Partial<Record<RejectReason, number>> = { 'too-large': 413, unreachable: 502 };

/** What a request that is rejected is answered. */
export function rejectionResponse({ reason, message, retryAfterMs }: Rejection): RejectionResponse {
  const { title, detail, retryAfter } = REFUSALS[reason];
  return {
    status: STATUSES[reason] ?? 503,
    code: rejectionCode(reason),
    title,
    detail: message ?? detail,
    // Not later than the pause ends by itself; a guess that is short otherwise.
    retryAfter: Math.min(retryAfter, Math.max(1, Math.ceil((retryAfterMs ?? Infinity) / 1000))),
    close: reason === 'shutdown' || reason === 'too-large',
  };
}

/** Whether the same request may succeed later. */
function isTemporary({ status }: RejectionResponse): boolean {
  return status >= 502 && status <= 504;
}

/**
 * A GET that accepts nothing but an event stream, as the HTML standard has an `EventSource` ask for one.
 * Clients of their own kind, which can handle a status, send a POST or accept other types too.
 */
function isEventSource({ method, headers }: IncomingMessage): boolean {
  if (method !== 'GET' || headers.upgrade !== undefined) return false;
  return /^\s*text\/event-stream\s*(;[^,]*)?$/i.test(headers.accept ?? '');
}

/** Seconds. An `EventSource` keeps the last `retry` it was sent, also after the maintenance. */
const LONGEST_RETRY = 5;

/** The status and the code are in a comment, for those who look at the stream. */
function sendEmptyStream(res: ServerResponse, refusal: RejectionResponse): void {
  const { status, code, detail, retryAfter = LONGEST_RETRY } = refusal;
  // Up to twice as long, so that clients that were refused together don't reconnect together.
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

/** A browser that goes to a page says so (Fetch Metadata); older ones name HTML first. */
function wantsPage(req: IncomingMessage): boolean {
  const mode = req.headers['sec-fetch-mode'];
  if (mode !== undefined) return mode === 'navigate';
  return /^\s*(text\/html|application\/xhtml\+xml)/i.test(req.headers.accept ?? '');
}

/** A page that was sent to reloads as a GET, which would hide that what was sent has not arrived. */
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
