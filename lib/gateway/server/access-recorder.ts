/** Follows each request to its end: for the shutdown, which waits for it, and for the access log. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { systemClock } from '../../common/clock.ts';
import { isEndedHere } from '../../http/gated-http-request.ts';
import { rejectionStatus } from '../../http/send-rejection.ts';
import type { Exchanges } from '../proxy/exchange.ts';
import type { AccessLog, Outcome } from './access-log.ts';
import type { Destination } from './app-route.ts';
import type { ConnectionTracker } from './connection-tracker.ts';

export interface AccessRecorderDeps {
  readonly connections: ConnectionTracker;
  /** Undefined if there is no access log. */
  readonly log: AccessLog | undefined;
  readonly exchanges: Exchanges;
}

export class AccessRecorder {
  readonly #connections: ConnectionTracker;
  readonly #log: AccessLog | undefined;
  readonly #exchanges: Exchanges;

  constructor({ connections, log, exchanges }: AccessRecorderDeps) {
    this.#connections = connections;
    this.#log = log;
    this.#exchanges = exchanges;
  }

  watch(req: IncomingMessage, res: ServerResponse, destination: Destination): void {
    const log = this.#log;
    if (!log) return this.#connections.track(req, res, ignore);
    const start = startOf(req);
    const exchange = this.#exchanges.of(req);
    this.#connections.track(req, res, (bytesIn) => {
      // Not the status of the response: a long poll that was ended is answered on its socket, and an
      // `EventSource` is rejected with a 200.
      const rejected = rejectionStatus(req);
      const status = rejected ?? (res.headersSent ? res.statusCode : null);
      if (status !== null && status < 400 && destination.isPoll(req)) return;
      const outcome =
        rejected === undefined ? this.#outcomeOf(req, res, exchange.error) : 'answered';
      const measured = measure(req, start);
      log.write({ req, destination, exchange, status, outcome, bytesIn, ...measured });
    });
  }

  watchUpgrade(req: IncomingMessage, socket: Socket, destination: Destination): void {
    const log = this.#log;
    if (!log) return;
    const start = startOf(req);
    const exchange = this.#exchanges.of(req);
    socket.once('close', () => {
      const status = exchange.upgradeStatus ?? rejectionStatus(req) ?? null;
      const outcome = status === null ? 'left' : 'answered';
      const bytesIn = this.#connections.bytesIn(socket);
      const measured = measure(req, start);
      log.write({ req, destination, exchange, status, outcome, bytesIn, ...measured });
    });
  }

  #outcomeOf(req: IncomingMessage, res: ServerResponse, error: string | undefined): Outcome {
    if (res.writableFinished) return 'answered';
    if (isEndedHere(req)) return req.socket.writableFinished ? 'answered' : 'cut-off';
    return error !== undefined || this.#connections.isEnding ? 'cut-off' : 'left';
  }
}

function ignore(): void {}

interface Start {
  readonly time: number;
  readonly bytes: number;
}

function startOf({ socket }: IncomingMessage): Start {
  return { time: systemClock.now(), bytes: socket.bytesWritten };
}

function measure({ socket }: IncomingMessage, start: Start) {
  const durationMs = systemClock.now() - start.time;
  // Not computed from `now()` later: `date()` has whole milliseconds, so lines could be 1 ms out of order.
  const endedAt = systemClock.date();
  return { bytes: socket.bytesWritten - start.bytes, durationMs, endedAt };
}
