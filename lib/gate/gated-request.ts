/**
 * A request at a gate: what the gate can ask of it and do to it, which `http/` implements; what the gate notes on
 * it; and its place in the queue.
 */
import { ListEntry } from '../common/linked-list.ts';
import type { RequestLine } from '../common/request.ts';
import type { Verdict } from './phase.ts';

/** A request in flight that waits for its client. */
export interface ClientWait {
  /** `upload`: the request body is incomplete. `download`: the client has not taken the whole response. */
  readonly waitsFor: 'upload' | 'download';
  /** What the client has sent on this connection so far. */
  readonly bytes: number;
}

/**
 * A request at one gate, listed while it is in flight. One object, because `pause()` took a fifth longer with
 * three.
 */
export abstract class GatedRequest extends ListEntry {
  // Only the gate writes these fields.
  /** The last place of the request in the queue. */
  declare ticket: Ticket | undefined;
  /** When the request passed the gate. If it was not held, it arrived then. */
  declare since: number;
  /** Its place in the order of arrival. */
  declare order: number;
  /** The list that it is in while it is in flight. Undefined until it passes. */
  declare owner: object | undefined;
  /** The same request at another gate, or at another mount of this one, which it passed before. */
  declare earlier: GatedRequest | undefined;

  constructor() {
    super();
    this.ticket = undefined;
    this.since = 0;
    this.order = 0;
    this.owner = undefined;
    this.earlier = undefined;
  }

  abstract readonly request: RequestLine;
  /** `executionAsyncId()` of the callback in which the request arrived. Its handler runs there too. */
  declare readonly asyncId?: number;
  /** The status of the response that has begun; 0 if there is none, or if it is not known. */
  get status(): number {
    return 0;
  }

  /**
   * Whether the request stays open until one side ends it: a WebSocket, an event stream, a long poll.
   * Asked only during a drain, because for most requests only the response shows it.
   */
  abstract isLongLived(): boolean;
  /**
   * Whether a pause affects this request, by the user's own rule. Asked when the request arrives during
   * a pause, and for requests in flight during a drain.
   */
  isAffectedByPause(): boolean {
    return true;
  }

  /** Whether a browser shows the response as a page. Asked when the request is held. */
  isNavigation(): boolean {
    return false;
  }

  /** Ends a long-lived request in a way that makes its client reconnect. */
  abstract end(): void;
  /** Set if the request waits for its client. Asked only during a drain. */
  clientWait(): ClientWait | undefined {
    return undefined;
  }

  /**
   * Asked when the request has ended. Returns a test for held requests that can't succeed any more,
   * because they depend on this one.
   */
  dependentRequests(): ((request: RequestLine) => boolean) | undefined {
    return undefined;
  }

  /** Ends a request with a slow client, so that neither side takes the message for complete. */
  endSlow(): void {}

  /** Calls back when the response begins. After that {@link isLongLived} may change. */
  onResponseStart(_callback: () => void): void {}

  /** Whether a response has begun whose status shows a working backend. */
  hasGoodResponse(): boolean {
    return false;
  }

  /** Whether a response with 502 or 504 has begun. */
  isBadGateway(): boolean {
    return false;
  }

  /** Sends a sign of life to the client of a held request. */
  sendHeartbeat(): void {}
}

/** When a request arrived at its gate. `order` separates requests that arrived at the same time. */
export interface Arrival {
  readonly since: number;
  readonly order: number;
}

/** The place of a held request in the queue, and the promise of its verdict. */
export class Ticket extends ListEntry {
  /** Whether the request was released and its next handler has been called. */
  passed = false;
  /** Keeps the body of the request. */
  spool: { readonly bytes: number } | undefined = undefined;
  /** Set if a browser gets the waiting page after some time. */
  navigation: Navigation | undefined = undefined;

  readonly gated: GatedRequest;
  readonly since: number;
  readonly order: number;
  /** Resolves once. The held request awaits it, so it continues in its own async context. */
  readonly verdict: Promise<Verdict>;
  readonly settle: (verdict: Verdict) => void;

  constructor(gated: GatedRequest, arrival: Arrival) {
    super();
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

/** A held request whose browser gets the waiting page at `pageAt`. */
export class Navigation extends ListEntry {
  readonly ticket: Ticket;
  readonly pageAt: number;

  constructor(ticket: Ticket, pageAt: number) {
    super();
    this.ticket = ticket;
    this.pageAt = pageAt;
  }
}
