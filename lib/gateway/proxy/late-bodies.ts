/**
 * Requests of one backend whose body is announced and has not begun. Such a request gets a connection to
 * the backend only when its body begins. Until then nothing of it is sent, so that it can be requeued,
 * and a connection that was chosen earlier might be closed by then.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { DeadlineTimer } from '../../common/deadline-timer.ts';
import { systemClock } from '../../common/clock.ts';
import { isDisconnected } from '../../http/disconnect.ts';
import type { Exchanges } from './exchange.ts';
import { isBodyFramed } from './proxy-headers.ts';

/**
 * A client may wait for a response before it sends its body, so the request is sent without its body
 * after this time.
 */
const MAX_WAIT_MS = 3000;

interface LateBody {
  readonly res: ServerResponse;
  readonly deadline: number;
  readonly send: () => void;
  /** Stops the wait. */
  readonly stop: () => void;
}

export class LateBodies {
  readonly #exchanges: Exchanges;
  /** The earliest deadline first. */
  readonly #waiting = new Map<IncomingMessage, LateBody>();
  readonly #timer = new DeadlineTimer(systemClock, () => this.#onDeadline());

  constructor(exchanges: Exchanges) {
    this.#exchanges = exchanges;
  }

  /** Calls `send` when the body begins or ends, or after the longest wait. Not if the client disconnects. */
  wait(req: IncomingMessage, res: ServerResponse, send: () => void): void {
    const onReadable = (): void => {
      stop();
      if (!isDisconnected(req, res)) send();
    };
    const stop = (): void => {
      this.#waiting.delete(req);
      req.off('readable', onReadable);
      res.off('close', stop);
    };
    const deadline = systemClock.now() + MAX_WAIT_MS;
    this.#waiting.set(req, { res, deadline, send, stop });
    req.on('readable', onReadable);
    res.on('close', stop);
    this.#timer.set(deadline);
  }

  /** Calls `tryRequeue` for each waiting request. One that it returns false for keeps waiting. */
  requeue(tryRequeue: (req: IncomingMessage, res: ServerResponse) => boolean): void {
    // A copy, because a request that keeps waiting is added again.
    const waiting = [...this.#waiting];
    for (const [req, { res, send, stop }] of waiting) {
      stop();
      if (!tryRequeue(req, res)) this.wait(req, res, send);
    }
  }

  close(): void {
    this.#timer.set(Infinity);
  }

  #onDeadline(): void {
    const now = systemClock.now();
    for (const [req, { res, deadline, send, stop }] of this.#waiting) {
      if (deadline > now) return this.#timer.set(deadline);
      stop();
      // Node 22 and older don't close a pipelined response whose client disconnects before its turn.
      if (isDisconnected(req, res)) continue;
      this.#exchanges.of(req).isBodyOverdue = true;
      send();
    }
  }
}

/** Whether a request has a body of which nothing has arrived. */
export function isBodyLate(req: IncomingMessage): boolean {
  return isBodyFramed(req.headers) && req.readableLength === 0 && !req.complete;
}
