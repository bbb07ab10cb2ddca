/**
 * Requests whose body is announced and has not begun. They get a connection to the backend only when
 * it begins: until then nothing of them is sent, so that they can still be requeued, and a connection
 * chosen now might be closed by then.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { DeadlineTimer } from '../../common/deadline-timer.ts';
import { systemClock } from '../../common/clock.ts';
import { isDisconnected } from '../../http/disconnect.ts';
import { isBodyFramed } from './proxy-headers.ts';

/**
 * A client may wait for a response before it sends its body, so the request is sent without its body
 * after this time.
 */
const LONGEST_WAIT_MS = 3000;

interface LateBody {
  readonly res: ServerResponse;
  readonly deadline: number;
  readonly send: () => void;
  /** Stops the wait. */
  readonly stop: () => void;
}

/** Of one backend. */
export class LateBodies {
  /** The earliest deadline first. */
  readonly #waiting = new Map<IncomingMessage, LateBody>();
  /** Requests that are sent without waiting any longer. */
  readonly #overdue = new WeakSet<IncomingMessage>();
  readonly #alarm = new DeadlineTimer(systemClock, () => this.#onAlarm());

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
    const deadline = systemClock.now() + LONGEST_WAIT_MS;
    this.#waiting.set(req, { res, deadline, send, stop });
    req.on('readable', onReadable);
    res.on('close', stop);
    this.#alarm.set(deadline);
  }

  /** Whether the backend is to get the headers now, as the body may never begin. */
  isOverdue(req: IncomingMessage): boolean {
    return this.#overdue.has(req);
  }

  /** Hands over requests that wait to `take`, and forgets those that it returns true for. */
  requeue(take: (req: IncomingMessage, res: ServerResponse) => boolean): void {
    // A copy, because a request that keeps waiting is added again.
    const waiting = [...this.#waiting];
    for (const [req, { res, send, stop }] of waiting) {
      stop();
      if (!take(req, res)) this.wait(req, res, send);
    }
  }

  close(): void {
    this.#alarm.set(Infinity);
  }

  #onAlarm(): void {
    const now = systemClock.now();
    for (const [req, { res, deadline, send, stop }] of this.#waiting) {
      if (deadline > now) return this.#alarm.set(deadline);
      stop();
      // Node 22 and older don't close a pipelined response whose client disconnects before its turn.
      if (isDisconnected(req, res)) continue;
      this.#overdue.add(req);
      send();
    }
  }
}

/** Whether a request has a body of which nothing has arrived. */
export function isBodyLate(req: IncomingMessage): boolean {
  return isBodyFramed(req.headers) && req.readableLength === 0 && !req.complete;
}
