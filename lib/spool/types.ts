/**
 * What the spool of one request looks like to those who hold requests. Knows no implementation.
 */
import type { ServerResponse } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';

export type SpoolResponse = ServerResponse | Http2ServerResponse;

/**
 * - `idle`: nothing to be done for this request: it has no body, or one that fits in Node's buffer;
 * - `collecting`: its body is being read;
 * - `complete`: all of it has been;
 * - `unread`: it is held, but not read further: the disk or the budget is full, or the disk fails;
 * - `too-large`: its body exceeds `maxBody`; to be refused with 413 and discarded;
 * - `replaying`: what was collected is on its way to the next handler;
 * - `done`: the request is an ordinary one again, or gone.
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
   * Call it right before `next()`, in the request's own async context: the next handler sees an
   * ordinary request.
   */
  release(): void;
  /** The client has left or the request was refused: nothing of it stays. */
  discard(): void;
}
