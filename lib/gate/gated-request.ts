/**
 * A request at a gate: what the gate can ask of it and do to it, which `http/` implements; and its
 * place in the queue.
 */
import type { RequestLine } from '../common/request.ts';
import type { Queued } from './hold-queue.ts';
import type { Verdict } from './phase.ts';

/** A request in flight that waits for its client. */
export interface ClientWait {
  /** `upload`: the request body is incomplete. `download`: the client has not taken the whole response. */
  readonly waitsFor: 'upload' | 'download';
  /** What the client has sent on this connection so far. */
  readonly bytes: number;
}

export interface GatedRequest {
  readonly request: RequestLine;
  /** `executionAsyncId()` of the callback in which the request arrived. Its handler runs there too. */
  readonly asyncId?: number;
  /** The status of the response that has begun; 0 if there is none, or if it is not known. */
  readonly status?: number;
  /** The last place of the request in the queue. Only the gate writes it. */
  ticket?: Ticket;
  /**
   * Whether the request stays open until one side ends it: a WebSocket, an event stream, a long poll.
   * Asked only during a drain, because for most requests only the response shows it.
   */
  isLongLived(): boolean;
  /**
   * Whether a pause affects this request, by the user's own rule. Asked when the request arrives during
   * a pause, and for requests in flight during a drain.
   */
  isAffectedByPause?(): boolean;
  /** Whether a browser shows the response as a page. Asked when the request is held. */
  isNavigation?(): boolean;
  /** Ends a long-lived request in a way that makes its client reconnect. */
  end(): void;
  /** Set if the request waits for its client. Asked only during a drain. */
  clientWait?(): ClientWait | undefined;
  /**
   * Asked when the request has ended. Returns a test for held requests that can't succeed any more,
   * because they depend on this one.
   */
  dependentRequests?(): ((request: RequestLine) => boolean) | undefined;
  /** Ends a request with a slow client, so that neither side takes the message for complete. */
  endSlow?(): void;
  /** Calls back when the response begins. After that {@link isLongLived} may change. */
  onResponseStart?(callback: () => void): void;
  /** Whether a response has begun whose status shows a working backend. */
  hasGoodResponse?(): boolean;
  /** Whether the response was 502 or 504. A backend that limits its load responds 503. */
  isBadGateway?(): boolean;
  /** Sends a sign of life to the client of a held request. */
  sendHeartbeat?(): void;
}

/** When a request arrived at its gate. `order` separates requests that arrived at the same time. */
export interface Arrival {
  readonly since: number;
  readonly order: number;
}

/** The place of a held request in the queue, and the promise of its verdict. */
export class Ticket implements Queued {
  previous: this | undefined = undefined;
  next: this | undefined = undefined;
  queued = false;
  /** Whether the request was released and its next handler has been called. */
  passed = false;
  /** Keeps the body of the request. */
  spool: { readonly bytes: number } | undefined = undefined;

  readonly gated: GatedRequest;
  readonly since: number;
  readonly order: number;
  /** Resolves once. The held request awaits it, so it continues in its own async context. */
  readonly verdict: Promise<Verdict>;
  readonly settle: (verdict: Verdict) => void;

  constructor(gated: GatedRequest, arrival: Arrival) {
    this.gated = gated;
    this.since = arrival.since;
    this.order = arrival.order;
    let settle!: (verdict: Verdict) => void;
    this.verdict = new Promise((resolve) => {
      settle = resolve;
    });
    this.settle = settle;
  }

  get request(): RequestLine {
    return this.gated.request;
  }
}
