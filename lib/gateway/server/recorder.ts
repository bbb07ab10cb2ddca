/**
 * Follows each request to its end: for the traffic that a shutdown waits for, and for its line in the
 * access log. Knows no route.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { systemClock } from '../../common/clock.ts';
import { isEndedHere } from '../../http/gated-http-request.ts';
import { rejectedWith } from '../../http/rejection-response.ts';
import type { AccessLog, Outcome } from './access-log.ts';
import { plainAddress } from '../proxy/proxy-headers.ts';
import type { ConnectionTracker } from './connection-tracker.ts';

/** What turned up about a request on its way. */
export interface Note {
  /** What went wrong towards the backend, such as `ECONNREFUSED`. */
  readonly error?: string | undefined;
  /** What an upgrade was answered with. */
  readonly status?: number;
}

export interface Recorder {
  watch(req: IncomingMessage, res: ServerResponse, app: string | null): void;
  watchUpgrade(req: IncomingMessage, socket: Socket, app: string | null): void;
  note(req: IncomingMessage, note: Note): void;
}

export function createRecorder(traffic: ConnectionTracker, log: AccessLog | undefined): Recorder {
  // Costs a request that goes well nothing: most have no note.
  const notes = new WeakMap<IncomingMessage, Note>();
  const note: Recorder['note'] = (req, more) => void notes.set(req, { ...notes.get(req), ...more });

  if (!log) {
    const ended = (): void => {};
    return { note, watch: (req, res) => traffic.track(req, res, ended), watchUpgrade: () => {} };
  }

  return {
    note,
    watch(req, res, app) {
      const measure = startMeasure(req);
      traffic.track(req, res, () => {
        const { error } = notes.get(req) ?? {};
        // A long poll that was ended is answered below its response, an `EventSource` with a 200.
        const refused = rejectedWith(req);
        const status = refused ?? (res.headersSent ? res.statusCode : null);
        log.write({
          req,
          app,
          status,
          error,
          outcome: refused === undefined ? outcomeOf(req, res, error, traffic) : 'answered',
          ...measure(),
        });
      });
    },
    watchUpgrade(req, socket, app) {
      const measure = startMeasure(req);
      socket.once('close', () => {
        const { error, status = rejectedWith(req) ?? null } = notes.get(req) ?? {};
        const outcome = status === null ? 'left' : 'answered';
        log.write({ req, app, status, error, outcome, ...measure() });
      });
    },
  };
}

/** Read at the start as well: a socket that is gone does not tell who was there. */
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

function outcomeOf(
  req: IncomingMessage,
  res: ServerResponse,
  error: string | undefined,
  traffic: ConnectionTracker,
): Outcome {
  if (res.writableFinished) return 'answered';
  if (isEndedHere(res)) return req.socket.writableFinished ? 'answered' : 'cut-off';
  return error !== undefined || traffic.isEnding ? 'cut-off' : 'left';
}
