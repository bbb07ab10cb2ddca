/**
 * `Expect: 100-continue` (RFC 9110, 10.1.1): the client waits for `100 Continue` before it sends a body.
 * Node sends it before any handler runs. Here it is sent when the request may pass, so that a large
 * upload waits at the client, where it costs nothing.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { contextOf, findContext, type RequestContext } from './request-context.ts';

/** A server of `node:http`, `node:https` or `node:http2`. */
export type ContinueServer = Pick<Server, 'on' | 'emit'> & { maxHeadersCount?: number | null };

/** Takes over from Node for every request of this server. */
export function delayContinue(server: ContinueServer): void {
  server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
    const expectation: RequestContext['expectation'] = { res, isHeld: false };
    contextOf(req).expectation = expectation;
    server.emit('request', req, res);
    // Handlers that are not behind a gate need the body, too.
    if (!expectation.isHeld) sendContinue(req);
  });
}

/** The request is held: the client is to keep the body. */
export function withholdContinue(req: IncomingMessage): void {
  const expectation = findContext(req)?.expectation;
  if (expectation) expectation.isHeld = true;
}

/** Asks the client for the body, unless a response has begun. */
export function sendContinue(req: IncomingMessage): void {
  const context = findContext(req);
  if (!context?.expectation) return;
  const { res } = context.expectation;
  context.expectation = undefined;
  if (!res.headersSent && !res.destroyed) res.writeContinue();
}

/** Whether the client still waits for `100 Continue`. After a rejection its connection is unusable. */
export function awaitsContinue(req: IncomingMessage): boolean {
  return findContext(req)?.expectation !== undefined;
}
