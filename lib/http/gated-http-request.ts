/** An HTTP request and its response as a gate sees them: whether it is long-lived, and how to end it. */
import { executionAsyncId } from 'node:async_hooks';
import { ServerResponse, STATUS_CODES } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { inspect } from 'node:util';
import onHeaders from 'on-headers';
import { endSocket } from './end-socket.ts';
import type { AntractRequest, Logger } from '../options/options.ts';
import { GatedRequest, type ClientWait } from '../gate/gated-request.ts';
import { isNavigation } from './navigation.ts';
import { contextOf, findContext } from './request-context.ts';
import {
  rejectionResponse,
  isBackendError,
  type Origin,
  type RejectionResponse,
  RETRY_SOON,
} from './rejection-response.ts';
import { rejectionStatus, sendRejection, statusOf } from './send-rejection.ts';

const LONG_POLL_ENDED: RejectionResponse = Object.freeze(
  rejectionResponse({ reason: 'long-poll', retryAfterMs: 0 }),
);

/** Whether the response was ended here, below its handler. */
export function isEndedHere(req: AntractRequest): boolean {
  return findContext(req)?.isEndedHere === true;
}

const TOO_SLOW: RejectionResponse = Object.freeze({
  status: 408,
  code: 'ERR_ANTRACT_BODY_TIMEOUT',
  title: 'Request timeout',
  detail: 'The body of this request arrived too slowly for the maintenance that is about to begin.',
  retryAfter: RETRY_SOON,
  close: true,
});

export class GatedHttpRequest extends GatedRequest {
  declare readonly request: AntractRequest;
  declare readonly asyncId: number;
  readonly #res: ServerResponse;
  readonly #origin: Origin;
  readonly #logger: Logger;

  constructor(req: AntractRequest, res: ServerResponse, origin: Origin, logger: Logger) {
    super();
    this.request = req;
    this.asyncId = executionAsyncId();
    this.#res = res;
    this.#origin = origin;
    this.#logger = logger;
  }

  isLongLived(): boolean {
    return isEventStream(this.request, this.#res) || this.#ask('isLongLived', false);
  }

  override isAffectedByPause(): boolean {
    return this.#ask('shouldHold', true);
  }

  override isNavigation(): boolean {
    return isNavigation(this.request);
  }

  /** The answer of the user's function. `otherwise` if there is none, or if it throws or returns no boolean. */
  #ask(name: 'isLongLived' | 'shouldHold', otherwise: boolean): boolean {
    try {
      const answer: unknown = this.#origin.settings[name]?.(this.request);
      return typeof answer === 'boolean' ? answer : otherwise;
    } catch (error) {
      this.#logger.error(`The \`${name}\` function threw: ${inspect(error)}`);
      return otherwise;
    }
  }

  /**
   * Ends the response below its handler. The handler sees a closed response, not one that other code ended:
   * a proxy then aborts its request to the backend, and a handler that responds late does not fail.
   */
  end(): void {
    const res = this.#res;
    // A drain calls this again after each request that ends.
    if (!this.#markEnded()) return;
    if (res.headersSent) endStream(res);
    else if (res.socket && !('stream' in res)) {
      rejectOn(res.socket, this.request, LONG_POLL_ENDED, this.#origin);
      endSocket(res.socket);
    } else sendRejection(this.request, res, LONG_POLL_ENDED, this.#origin);
  }

  override clientWait(): ClientWait | undefined {
    const { request: req } = this;
    const { socket } = req;
    if (socket.destroyed) return undefined;
    const bytes = socket.bytesRead;
    if (!req.complete && isReading(req)) return { waitsFor: 'upload', bytes };
    return isUntaken(this.#res) ? { waitsFor: 'download', bytes } : undefined;
  }

  /** Also below the handler, which then sees an aborted request. */
  override endSlow(): void {
    const { request: req } = this;
    const res = this.#res;
    if (!this.#markEnded()) return;
    const isHttp2 = 'stream' in res;
    if (!res.headersSent && isHttp2) return sendRejection(req, res, TOO_SLOW, this.#origin);
    if (isHttp2) return void (res as unknown as Http2ServerResponse).stream.destroy();
    // A pipelined request can't get its response before the earlier ones.
    if (res.headersSent || !res.socket) return abortSocket(req.socket);
    rejectOn(res.socket, req, TOO_SLOW, this.#origin);
    endSocket(res.socket);
  }

  /** False if the response was ended here before. */
  #markEnded(): boolean {
    const context = contextOf(this.request);
    if (context.isEndedHere) return false;
    context.isEndedHere = true;
    return true;
  }

  override get status(): number {
    const res = this.#res;
    return rejectionStatus(this.request) ?? (res.headersSent ? res.statusCode : 0);
  }

  override hasGoodResponse(): boolean {
    return this.#res.headersSent && !isBackendError(statusOf(this.request, this.#res));
  }

  override isBadGateway(): boolean {
    const status = statusOf(this.request, this.#res);
    return this.#res.headersSent && (status === 502 || status === 504);
  }

  override onResponseStart(callback: () => void): void {
    if (this.#res.headersSent) return;
    // Not within `writeHead()`: ending the response there would corrupt it.
    onHeaders(this.#res, () => queueMicrotask(callback));
  }

  override sendHeartbeat(): void {
    const { heartbeat } = this.#origin.settings;
    if (heartbeat) sendInformational(this.request, this.#res, heartbeat.status);
  }
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html */
function isEventStream(req: AntractRequest, res: ServerResponse): boolean {
  const type = res.getHeader('content-type');
  if (typeof type === 'string') return /^text\/event-stream/i.test(type);
  if (!res.headersSent) return false;
  // `getHeader()` does not return headers that were only passed to `writeHead()`. Look for them in the
  // text that was sent. HTTP/2 has no such text, so there the request's `Accept` decides.
  const { _header: sent } = res as { _header?: unknown };
  if (typeof sent === 'string') return /^content-type:\s*text\/event-stream/im.test(sent);
  return /text\/event-stream/i.test(req.headers.accept ?? '');
}

/** Ends a response that has begun. A chunked response ends as complete. */
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
  // If the handler has ended it, only the client has not received everything yet.
  if (!res.writableEnded) writeEnd(res, socket);
  endSocket(socket);
}

function writeEnd(res: ServerResponse, socket: Socket): void {
  // Data of this tick may be corked, and headers may wait for the first chunk.
  res.flushHeaders();
  for (let corks = res.writableCorked; corks > 0; corks--) res.uncork();
  if (res.chunkedEncoding) socket.write('0\r\n\r\n');
}

/** Whether more of the body would be read if it arrived. Otherwise the request waits for its handler. */
function isReading(req: AntractRequest): boolean {
  if ('stream' in req) return req.readableLength === 0;
  return !req.socket.isPaused();
}

/** Whether response data waits for the client. */
function isUntaken(res: ServerResponse): boolean {
  return res.headersSent && (res.writableLength > 0 || (res.socket?.writableLength ?? 0) > 0);
}

/** Resets the connection, so that a response without a length is not taken for complete. */
function abortSocket(socket: Socket): void {
  try {
    socket.resetAndDestroy();
  } catch {
    // A pipe or a TLS socket can't be reset.
    socket.destroy();
  }
}

/** Writes the rejection to the socket, in place of the response. */
function rejectOn(
  socket: Socket,
  req: AntractRequest,
  rejection: RejectionResponse,
  origin: Origin,
): void {
  const through = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      socket.write(chunk);
      callback();
    },
  });
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  res.assignSocket(through as Socket);
  sendRejection(req, res, rejection, origin);
}

function sendInformational(req: AntractRequest, res: ServerResponse, status: 102 | 103): void {
  if (res.headersSent) return;
  if ('stream' in res) {
    const { stream } = res as unknown as Http2ServerResponse;
    // A reset stream may not have emitted its event yet.
    if (!stream.destroyed && !stream.closed) stream.additionalHeaders({ ':status': status });
    return;
  }
  // HTTP/1.0 has no informational responses (RFC 9110, 15.2). A pipelined response must wait for its turn.
  if (req.httpVersion === '1.0' || !res.socket?.writable) return;
  res.socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n\r\n`);
}
