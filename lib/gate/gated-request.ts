/**
 * A request on its way through a gate: what a gate knows of it, and can do to it. Types only; the
 * HTTP edges make them.
 */
import type { RequestLine } from '../common/request.ts';

/** The client is what a request in flight waits for. */
export interface ClientWait {
  /** `upload`: for more of the request body. `download`: until the client takes more of the response. */
  readonly waitsFor: 'upload' | 'download';
  /** What the client has sent on this connection so far. */
  readonly bytes: number;
}

export interface GatedRequest {
  readonly request: RequestLine;
  /** `executionAsyncId()` of the callback in which the request arrived, which runs its handler too. */
  readonly asyncId?: number;
  /**
   * Whether it stays open until somebody ends it: a WebSocket, an event stream, a long poll. Asked
   * while draining only, as for most it shows in the response alone.
   */
  isLongLived(): boolean;
  /**
   * Whether it has to wait for a pause at all, by the user's own rule. Asked when it arrives during one,
   * and of those in flight while draining.
   */
  isAffectedByPause?(): boolean;
  /** Ends a long-lived one in a way that makes its client come back. */
  end(): void;
  /** What a request in flight waits for, where that is its client. Asked while draining only. */
  clientWait?(): ClientWait | undefined;
  /** Of a WebSocket to which an engine.io client has not moved yet: its session. */
  unfinishedSession?(): string | undefined;
  /** Ends a request whose client is too slow, so that neither side takes it for complete. */
  endSlow?(): void;
  /** Calls back when the response begins, after which {@link isLongLived} may say otherwise. */
  onResponseStart?(callback: () => void): void;
  /** Whether its response has begun, and is none that a backend in trouble would give. */
  hasGoodResponse?(): boolean;
  /** Whether it was answered that a backend is down: 502 or 504. A backend that limits its load answers 503. */
  isBadGateway?(): boolean;
  /** Sends a sign of life while the request is held. */
  sendHeartbeat?(): void;
}
