/**
 * What this folder remembers about a request until its response ends. Only requests that were held,
 * rejected or ended here, or that sent `Expect: 100-continue`, have a context: passing costs nothing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RejectionResponse } from './rejection-response.ts';

export interface RequestContext {
  /** How long the request was held, in milliseconds. */
  heldMs?: number;
  /** The response to an `EventSource` has another status. */
  rejection?: Pick<RejectionResponse, 'status' | 'code'>;
  /** The response was ended below its handler. */
  isEndedHere?: boolean;
  /** The client waits for `100 Continue`. */
  expectation?: { readonly res: ServerResponse; isHeld: boolean } | undefined;
}

// Module-wide although instances share nothing: an entry belongs to one request, and `heldMs(req)` is
// public and gets no instance.
const contexts = new WeakMap<IncomingMessage, RequestContext>();

export function findContext(req: IncomingMessage): RequestContext | undefined {
  return contexts.get(req);
}

/** Creates the context if there is none. */
export function contextOf(req: IncomingMessage): RequestContext {
  const known = contexts.get(req);
  if (known) return known;
  const context: RequestContext = {};
  contexts.set(req, context);
  return context;
}
