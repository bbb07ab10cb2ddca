/** How Node handles the body of a request, and how HTTP/1 and http2 differ in it. */
import type { Http2ServerRequest } from 'node:http2';
import { hasBody } from '../common/request.ts';
import type { SpoolRequest, SpoolResponse } from './types.ts';

export function isHttp2(req: SpoolRequest): req is Http2ServerRequest {
  return req.httpVersionMajor >= 2 && 'stream' in req;
}

export function isBeingRead(req: SpoolRequest): boolean {
  return req.readableFlowing === true || req.listenerCount('readable') > 0;
}

export function requestHasBody(req: SpoolRequest): boolean {
  if (isHttp2(req)) return !req.stream.endAfterHeaders;
  return hasBody(req);
}

/** Whether bytes of the body are still to arrive. */
export function isBodyPending(req: SpoolRequest): boolean {
  if (req.complete || req.destroyed || req.readableEnded) return false;
  // http2 sets `complete` only when the reader has read everything.
  return !(isHttp2(req) && req.stream.readableEnded);
}

/** 0 if it is unknown. */
export function contentLength(req: SpoolRequest): number {
  return Number(req.headers['content-length'] ?? 0);
}

/** Whether Node buffers the whole body and still notices a disconnect. Not if a handler reads it already. */
export function fitsInNodeBuffer(req: SpoolRequest): boolean {
  const length = contentLength(req);
  return !isBeingRead(req) && length > 0 && length < req.readableHighWaterMark;
}

/**
 * Closes a stream whose response has ended and whose body has no reader. http2 does that itself, except when
 * a spool has read the body. The client would then wait forever to send the rest of its upload.
 */
export function closeUnread(req: Http2ServerRequest, discard: () => void): void {
  req.stream.once('finish', () => {
    if (req.readableDidRead || req.readableFlowing !== null) return;
    discard();
    req.resume();
    setImmediate(() => req.stream.close());
  });
}

/**
 * Keeps Node from discarding the rest of a body when its response ends. Node keeps it only if the reader has
 * asked for more. After a hold, Node's buffer may be so full that the reader never had to ask.
 */
export class BodyKeeper {
  /** The responses that have a listener. */
  readonly #responses = new WeakSet<SpoolResponse>();

  keepForReader(req: SpoolRequest, res: SpoolResponse | undefined): void {
    if (!res || this.#responses.has(res) || isHttp2(req)) return;
    this.#responses.add(res);
    // The last event before Node checks.
    res.once('prefinish', () => {
      if (req.readableEnded || !(req.readableDidRead || isBeingRead(req))) return;
      req._read(req.readableHighWaterMark);
    });
  }
}
