/** The gate of one app, as its proxy uses it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { RejectionResponse } from '../../http/rejection-response.ts';
import { isGatewayFault, codeOf } from './backend-error.ts';

export interface ProxyGate {
  /**
   * Requeues a request of which nothing was read, because no connection could be made. Returns whether
   * the gate will send it again, with `AppProxy.request()`.
   */
  requeue(req: IncomingMessage, res: ServerResponse): boolean;
  /** The same for an upgrade and `AppProxy.upgrade()`. */
  requeueUpgrade(req: IncomingMessage, socket: Socket, head: Buffer): boolean;
  /** Responds in place of the backend. Does nothing if a response has begun. */
  reject(req: IncomingMessage, res: ServerResponse, rejection: RejectionResponse): void;
  /** The same for an upgrade, whose connection is then closed. */
  rejectUpgrade(req: IncomingMessage, rejection: RejectionResponse): void;
  /** The backend has begun to respond to this request, `afterMs` after it was sent. */
  onResponse(req: IncomingMessage, status: number, afterMs: number): void;
  /** The backend did not respond, and the client still waits. Called before any requeue. */
  onFailure(req: IncomingMessage, reason: string): void;
  /** The backend closed the connection of this request before it responded. */
  noteDrop(req: IncomingMessage): void;
  /** Whether the request, which the gate let pass, would be held if it arrived now. */
  wouldHold(req: IncomingMessage): boolean;
  /** Whether the backend may fail at any moment, as during a release. */
  needsAcceptCheck(): boolean;
}

/** Tells the gate of an error, unless it tells nothing about the backend. */
export function reportFailure(gate: ProxyGate, req: IncomingMessage, error: Error): void {
  if (!isGatewayFault(error)) gate.onFailure(req, codeOf(error));
}
