/**
 * Takes off what the proxy has hung on a request and its response, when its try came to nothing and
 * another one follows: each leaves listeners behind that would end the next. Knows no connection.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { EventEmitter } from 'node:events';

interface Marks {
  readonly requestErrors: number;
  readonly responseErrors: number;
  readonly responseCloses: number;
}

export class AttemptCleanup {
  readonly #marks = new WeakMap<IncomingMessage, Marks>();

  /** A try begins: whoever listens by now stays. */
  begin(req: IncomingMessage, res: ServerResponse): void {
    this.#marks.set(req, {
      requestErrors: req.listenerCount('error'),
      responseErrors: res.listenerCount('error'),
      responseCloses: res.listenerCount('close'),
    });
  }

  /** It came to nothing, before a byte of the request was read. */
  undo(req: IncomingMessage, res: ServerResponse): void {
    const marks = this.#marks.get(req);
    if (!marks) return;
    removeAfter(req, 'error', marks.requestErrors);
    removeAfter(res, 'error', marks.responseErrors);
    removeAfter(res, 'close', marks.responseCloses);
  }
}

function removeAfter(emitter: EventEmitter, event: string, count: number): void {
  const added = emitter.rawListeners(event).slice(count);
  for (const listener of added) emitter.off(event, listener as () => void);
}
