/** The spool of one request, as the code that holds requests uses it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';

/** The request of `node:http`, or of http2's compatibility API. */
export type SpoolRequest = IncomingMessage | Http2ServerRequest;

export type SpoolResponse = ServerResponse | Http2ServerResponse;

/**
 * - `idle`: the request has no body, or one that fits in Node's buffer, so nothing is spooled;
 * - `collecting`: the body is being read;
 * - `complete`: the whole body was read;
 * - `unread`: the request is held and not read further: the disk or the budget is full, or the disk fails;
 * - `too-large`: the body exceeds `maxBody`: respond 413 and call `discard()`;
 * - `replaying`: the spooled body is being passed to the next handler;
 * - `done`: the request is an ordinary request again, or its client has disconnected.
 */
export type SpoolState =
  | 'idle'
  | 'collecting'
  | 'complete'
  | 'unread'
  | 'too-large'
  | 'replaying'
  | 'done';

export interface Spool {
  readonly state: SpoolState;
  /** Bytes that are spooled for this request now. */
  readonly bytes: number;
  /**
   * Passes the body to the next handler, which sees an ordinary request. Call it right before `next()`, in
   * the request's own async context.
   */
  release(): void;
  /** Deletes the spooled body. Call it when the client has disconnected or the request was rejected. */
  discard(): void;
}

/** Why a body that is held is not read further. */
export type SpoolOverflow = 'unread' | 'too-large';
