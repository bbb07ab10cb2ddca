/**
 * `Expect: 100-continue` (RFC 9110, 10.1.1): the client waits for a word before it sends a body. Node
 * gives it before any handler runs; here it is given when the request may pass, so that a big upload
 * waits where it costs nothing. Knows no gate.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';

interface Expectation {
  readonly res: ServerResponse;
  held: boolean;
}

const expectations = new WeakMap<IncomingMessage, Expectation>();

/** A server of `node:http`, `node:https` or `node:http2`. */
export type ContinueServer = Pick<Server, 'on' | 'emit'> & { maxHeadersCount?: number | null };

/** Takes over from Node for every request of this server. */
export function delayContinue(server: ContinueServer): void {
  server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
    const expectation: Expectation = { res, held: false };
    expectations.set(req, expectation);
    server.emit('request', req, res);
    // Handlers that no gate is ahead of need the body just as well.
    if (!expectation.held) sendContinue(req);
  });
}

/** The body is not wanted yet. */
export function withholdContinue(req: IncomingMessage): void {
  const expectation = expectations.get(req);
  if (expectation) expectation.held = true;
}

/** The body is wanted, unless an answer has begun. */
export function sendContinue(req: IncomingMessage): void {
  const expectation = expectations.get(req);
  if (!expectation) return;
  expectations.delete(req);
  if (!expectation.res.headersSent && !expectation.res.destroyed) expectation.res.writeContinue();
}

/** Whether the client still waits for the word; its connection can't be used after a refusal. */
export function isWaiting(req: IncomingMessage): boolean {
  return expectations.has(req);
}
