/** Follows each request to its end: for the shutdown, which waits for it, and for the access log. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { systemClock } from '../../common/clock.ts';
import { isEndedHere } from '../../http/gated-http-request.ts';
import { rejectionStatus } from '../../http/send-rejection.ts';
import type { Exchanges } from '../proxy/exchange.ts';
import type { AccessLog, Outcome } from './access-log.ts';
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

  /** @param app null for a request that belongs to no app. */
  watch(req: IncomingMessage, res: ServerResponse, app: string | null): void {
    const log = this.#log;
    if (!log) return this.#connections.track(req, res, ignore);
    const start = startOf(req);
    const exchange = this.#exchanges.of(req);
    this.#connections.track(req, res, () => {
      const { error, peer } = exchange;
      // Not the status of the response: a long poll that was ended is answered on its socket, and an
      // `EventSource` is rejected with a 200.
      const rejected = rejectionStatus(req);
      const status = rejected ?? (res.headersSent ? res.statusCode : null);
      const outcome = rejected === undefined ? this.#outcomeOf(req, res, error) : 'answered';
      log.write({ req, app, remote: peer, status, error, outcome, ...measure(req, start) });
    });
  }

  watchUpgrade(req: IncomingMessage, socket: Socket, app: string | null): void {
    const log = this.#log;
    if (!log) return;
    const start = startOf(req);
    const exchange = this.#exchanges.of(req);
    socket.once('close', () => {
      const { error, peer, upgradeStatus } = exchange;
      const status = upgradeStatus ?? rejectionStatus(req) ?? null;
      const outcome = status === null ? 'left' : 'answered';
      log.write({ req, app, remote: peer, status, error, outcome, ...measure(req, start) });
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
  return {
    bytes: socket.bytesWritten - start.bytes,
    durationMs: systemClock.now() - start.time,
  };
}
