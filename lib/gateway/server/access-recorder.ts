/** Follows each request to its end: for the shutdown, which waits for it, and for the access log. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { systemClock } from '../../common/clock.ts';
import { isEndedHere } from '../../http/gated-http-request.ts';
import { rejectionStatus } from '../../http/rejection-response.ts';
import type { Exchanges } from '../proxy/exchange.ts';
import { plainAddress } from '../../common/address.ts';
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
    const measure = startMeasure(req);
    this.#connections.track(req, res, () => {
      const error = this.#exchanges.find(req)?.error;
      // Not the status of the response: a long poll that was ended is answered on its socket, and an
      // `EventSource` is rejected with a 200.
      const rejected = rejectionStatus(req);
      const status = rejected ?? (res.headersSent ? res.statusCode : null);
      const outcome = rejected === undefined ? this.#outcomeOf(req, res, error) : 'answered';
      log.write({ req, app, status, error, outcome, ...measure() });
    });
  }

  watchUpgrade(req: IncomingMessage, socket: Socket, app: string | null): void {
    const log = this.#log;
    if (!log) return;
    const measure = startMeasure(req);
    socket.once('close', () => {
      const { error, upgradeStatus } = this.#exchanges.find(req) ?? {};
      const status = upgradeStatus ?? rejectionStatus(req) ?? null;
      const outcome = status === null ? 'left' : 'answered';
      log.write({ req, app, status, error, outcome, ...measure() });
    });
  }

  #outcomeOf(req: IncomingMessage, res: ServerResponse, error: string | undefined): Outcome {
    if (res.writableFinished) return 'answered';
    if (isEndedHere(req)) return req.socket.writableFinished ? 'answered' : 'cut-off';
    return error !== undefined || this.#connections.isEnding ? 'cut-off' : 'left';
  }
}

function ignore(): void {}

/** Reads the address at the start, because a closed socket has none. */
function startMeasure({ socket }: IncomingMessage) {
  const start = systemClock.now();
  const bytesBefore = socket.bytesWritten;
  const remote = plainAddress(socket.remoteAddress);
  return () => ({
    remote,
    bytes: socket.bytesWritten - bytesBefore,
    durationMs: systemClock.now() - start,
  });
}
