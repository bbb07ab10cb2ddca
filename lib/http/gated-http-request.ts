/**
 * A request and its response as a gate sees them: whether it is long-lived, how to end it, how to
 * send a sign of life. Knows no gate.
 */
import { executionAsyncId } from 'node:async_hooks';
import { ServerResponse, STATUS_CODES } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { inspect } from 'node:util';
import onHeaders from 'on-headers';
import { endSocket } from './end-socket.ts';
import type { AntractRequest, Logger } from '../options/options.ts';
import type { AppSettings } from '../options/settings.ts';
import type { ClientWait, GatedRequest } from '../gate/gated-request.ts';
import {
  rejectionResponse,
  sendRejection,
  statusOf,
  type RejectionResponse,
} from './rejection-response.ts';

const LONG_POLL_ENDED: RejectionResponse = Object.freeze(
  rejectionResponse({ reason: 'long-poll' }),
);

/** Responses that have been ended here, below their handlers. */
const ended = new WeakSet<ServerResponse>();

export function isEndedHere(res: ServerResponse): boolean {
  return ended.has(res);
}

const TOO_SLOW: RejectionResponse = Object.freeze({
  status: 408,
  code: 'ERR_ANTRACT_BODY_TIMEOUT',
  title: 'Request timeout',
  detail: 'The body of this request arrived too slowly for the maintenance that is about to begin.',
  retryAfter: 5,
  close: true,
});

export class GatedHttpRequest implements GatedRequest {
  readonly request: AntractRequest;
  readonly asyncId = executionAsyncId();
  readonly #res: ServerResponse;
  readonly #settings: AppSettings;
  readonly #logger: Logger;

  constructor(req: AntractRequest, res: ServerResponse, settings: AppSettings, logger: Logger) {
    this.request = req;
    this.#res = res;
    this.#settings = settings;
    this.#logger = logger;
  }

  isLongLived(): boolean {
    return isEventStream(this.request, this.#res) || this.#ask('isLongLived', false);
  }

  isAffectedByPause(): boolean {
    return this.#ask('shouldHold', true);
  }

  /** What the user's own function says; where there is none, it fails, or says neither, `otherwise`. */
  #ask(name: 'isLongLived' | 'shouldHold', otherwise: boolean): boolean {
    try {
      const answer: unknown = this.#settings[name]?.(this.request);
      return typeof answer === 'boolean' ? answer : otherwise;
    } catch (error) {
      this.#logger.error(`The \`${name}\` function threw: ${inspect(error)}`);
      return otherwise;
    }
  }

  /**
   * Below its handler, which then finds its response closed, and not ended by somebody else: a proxy
   * gives up the request to its backend as well, and a handler that answers late does not fail.
   */
  end(): void {
    const res = this.#res;
    // Whoever drains asks again whenever one of the others has ended.
    if (ended.has(res)) return;
    ended.add(res);
    if (res.headersSent) endStream(res);
    else if (res.socket && !('stream' in res)) {
      endSocket(refuseOn(res.socket, this.request, LONG_POLL_ENDED));
    } else sendRejection(this.request, res, LONG_POLL_ENDED);
  }

  clientWait(): ClientWait | undefined {
    const { request: req } = this;
    const { socket } = req;
    if (socket.destroyed) return undefined;
    const bytes = socket.bytesRead;
    if (!req.complete && isReading(req)) return { waitsFor: 'upload', bytes };
    return isUntaken(this.#res) ? { waitsFor: 'download', bytes } : undefined;
  }

  /** Below its handler too, which then finds its request aborted. */
  endSlow(): void {
    const { request: req } = this;
    const res = this.#res;
    if (ended.has(res)) return;
    ended.add(res);
    const isHttp2 = 'stream' in res;
    if (!res.headersSent && isHttp2) return sendRejection(req, res, TOO_SLOW);
    if (isHttp2) return void (res as unknown as Http2ServerResponse).stream.destroy();
    // One that is pipelined behind another can't be answered before that.
    if (res.headersSent || !res.socket) return abortSocket(req.socket);
    endSocket(refuseOn(res.socket, req, TOO_SLOW));
  }

  hasGoodResponse(): boolean {
    return this.#res.headersSent && !isBackendError(statusOf(this.request, this.#res));
  }

  isBadGateway(): boolean {
    const status = statusOf(this.request, this.#res);
    return this.#res.headersSent && (status === 502 || status === 504);
  }

  onResponseStart(callback: () => void): void {
    if (this.#res.headersSent) return;
    // Not from within `writeHead()`, which an end of the response would cut in two.
    onHeaders(this.#res, () => queueMicrotask(callback));
  }

  sendHeartbeat(): void {
    const { heartbeat } = this.#settings;
    if (heartbeat) sendInformational(this.request, this.#res, heartbeat.status);
  }
}

/** What a backend that can't keep up, or a proxy in front of it, answers. */
export function isBackendError(status: number): boolean {
  return status >= 502 && status <= 504;
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html */
function isEventStream(req: AntractRequest, res: ServerResponse): boolean {
  const type = res.getHeader('content-type');
  if (typeof type === 'string') return /^text\/event-stream/i.test(type);
  if (!res.headersSent) return false;
  // Headers that were given to `writeHead()` alone can't be asked for, only read as they were sent.
  // Without that, the wish has to do; alone it would not: some clients accept either.
  const { _header: sent } = res as { _header?: unknown };
  if (typeof sent === 'string') return /^content-type:\s*text\/event-stream/im.test(sent);
  return /text\/event-stream/i.test(req.headers.accept ?? '');
}

/** Ends a response that has begun, cleanly where the chunks allow it. */
function endStream(res: ServerResponse): void {
  if ('stream' in res) {
    endSocket((res as unknown as Http2ServerResponse).stream);
    return;
  }
  const { socket } = res;
  if (!socket) {
    if (!res.writableEnded) res.destroy();
    return;
  }
  // Where its handler has ended it, only the client has not taken all of it yet.
  if (!res.writableEnded) writeEnd(res, socket);
  endSocket(socket);
}

function writeEnd(res: ServerResponse, socket: Socket): void {
  // What was written in this very turn may still wait for its end, and headers for a first chunk.
  res.flushHeaders();
  for (let corks = res.writableCorked; corks > 0; corks--) res.uncork();
  if (res.chunkedEncoding) socket.write('0\r\n\r\n');
}

/** Whether more of its body would be read if it came: else its handler is what it waits for. */
function isReading(req: AntractRequest): boolean {
  if ('stream' in req) return req.readableLength === 0;
  return !req.socket.isPaused();
}

/** Whether there is something that the client has not made room for. */
function isUntaken(res: ServerResponse): boolean {
  return res.headersSent && (res.writableLength > 0 || (res.socket?.writableLength ?? 0) > 0);
}

/** Ends a connection so that a response whose end is that of the connection is not taken for complete. */
function abortSocket(socket: Socket): void {
  try {
    socket.resetAndDestroy();
  } catch {
    // A pipe, or TLS: those can't be reset.
    socket.destroy();
  }
}

/** Answers where the response would have gone. Returns the socket, for whoever ends it. */
function refuseOn(socket: Socket, req: AntractRequest, refusal: RejectionResponse): Socket {
  const through = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      socket.write(chunk);
      callback();
    },
  });
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  res.assignSocket(through as Socket);
  sendRejection(req, res, refusal);
  return socket;
}

function sendInformational(req: AntractRequest, res: ServerResponse, status: 102 | 103): void {
  if (res.headersSent) return;
  if ('stream' in res) {
    const { stream } = res as unknown as Http2ServerResponse;
    // A stream that was reset may not have said so yet.
    if (!stream.destroyed && !stream.closed) stream.additionalHeaders({ ':status': status });
    return;
  }
  // HTTP/1.0 has none (RFC 9110, 15.2), and what is pipelined has to wait for its turn.
  if (req.httpVersion === '1.0' || !res.socket?.writable) return;
  res.socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n\r\n`);
}
