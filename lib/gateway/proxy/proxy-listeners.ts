/**
 * Removes the listeners that http-proxy-middleware has added to a request and its response, after an
 * attempt that failed: they would end the next attempt.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { EventEmitter } from 'node:events';

/** How many listeners there were before an attempt. They stay. */
export interface ListenerCounts {
  readonly requestErrors: number;
  readonly responseErrors: number;
  readonly responseCloses: number;
}

export function countListeners(req: IncomingMessage, res: ServerResponse): ListenerCounts {
  return {
    requestErrors: req.listenerCount('error'),
    responseErrors: res.listenerCount('error'),
    responseCloses: res.listenerCount('close'),
  };
}

/** Call it only before any byte of the request body was read. */
export function removeAddedListeners(
  req: IncomingMessage,
  res: ServerResponse,
  before: ListenerCounts,
): void {
  removeAfter(req, 'error', before.requestErrors);
  removeAfter(res, 'error', before.responseErrors);
  removeAfter(res, 'close', before.responseCloses);
}

function removeAfter(emitter: EventEmitter, event: string, count: number): void {
  const added = emitter.rawListeners(event).slice(count);
  for (const listener of added) emitter.off(event, listener as () => void);
}
