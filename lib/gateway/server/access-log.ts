/**
 * Writes one line for each finished request: JSON, or text for a terminal. Leaves out query strings, because
 * they may contain secrets and personal data.
 */
import type { IncomingMessage } from 'node:http';
import { isoTime, systemClock } from '../../common/clock.ts';
import { heldMs } from '../../http/held-time.ts';
import { formatMs } from '../../common/format.js';
import { escapeUnprintable } from '../../common/printable.ts';
import { describe } from '../../common/request.ts';
import { requestIdOf } from '../../http/request-id.ts';
import { rejectionCodeOf } from '../../http/send-rejection.ts';
import type { Exchange } from '../proxy/exchange.ts';
import type { Destination } from './app-route.ts';
import type { AccessLogFormat, LineStream } from '../config/config.ts';

/**
 * How a request ended. `left`: its client disconnected. `cut-off`: the backend or the gateway broke off the
 * response.
 */
export type Outcome = 'answered' | 'left' | 'cut-off';

export interface FinishedRequest {
  readonly req: IncomingMessage;
  readonly destination: Pick<Destination, 'app' | 'target'>;
  readonly exchange: Pick<Exchange, 'peer' | 'error' | 'sentAt' | 'backendMs'>;
  /** Null if there was no response. */
  readonly status: number | null;
  readonly outcome: Outcome;
  /** Bytes of the request on the wire, including headers. */
  readonly bytesIn: number;
  /** The same for the response. */
  readonly bytes: number;
  readonly durationMs: number;
  /** When the request ended, in milliseconds since the epoch. */
  readonly endedAt: number;
}

export interface AccessLog {
  write(finished: FinishedRequest): void;
  /** Writes the remaining lines, and removes the listener from the stream. */
  close(): void;
}

/** How much may wait for a slow stream. Beyond it, lines are dropped and counted. */
const MAX_WAITING_BYTES = 4 * 2 ** 20;

/**
 * How long a line waits for others, to be written together. A write in each turn of the event loop, which also
 * wakes the primary process, would take about 5 % of the time of a request.
 */
const BATCH_MS = 20;

/** A full batch is written at once, so that it does not keep many requests in memory. */
const MAX_BATCH_LINES = 100;

export function createAccessLog(stream: LineStream, format: AccessLogFormat): AccessLog {
  const pretty = format === 'pretty' || (format === 'auto' && stream.isTTY === true);
  const toLine = pretty ? prettyLine : jsonLine;
  let waiting: FinishedRequest[] = [];
  let dropped = 0;
  let broken = false;

  const flush = (): void => {
    const finished = waiting;
    waiting = [];
    if (broken || finished.length === 0) return;
    if ((stream.writableLength ?? 0) > MAX_WAITING_BYTES) {
      dropped += finished.length;
      return;
    }
    const lines = finished.map((each) => toLine(each, isoTime(each.endedAt)));
    if (dropped > 0) {
      const time = isoTime(systemClock.date());
      lines.push(`${JSON.stringify({ time, droppedLines: dropped })}\n`);
    }
    dropped = 0;
    stream.write(lines.join(''));
  };
  // The reader of the lines has exited (`antract serve | head`). The gateway keeps serving.
  const onError = (): void => {
    broken = true;
  };
  stream.on?.('error', onError);

  return {
    write(finished) {
      // Not at once, because the held time of a request whose client disconnects is known a moment after its end.
      const count = waiting.push(finished);
      if (count === 1) systemClock.after(BATCH_MS, flush);
      if (count === MAX_BATCH_LINES) systemClock.after(0, flush);
    },
    close() {
      flush();
      stream.off?.('error', onError);
    },
  };
}

function jsonLine(finished: FinishedRequest, time: string): string {
  const { req, destination, exchange, status, outcome, bytesIn, bytes, durationMs } = finished;
  const { method, path } = describe(req);
  const { peer, error, sentAt, backendMs } = exchange;
  const line = JSON.stringify({
    time,
    requestId: requestIdOf(req),
    app: destination.app,
    remote: peer,
    method,
    host: cut(req.headers.host),
    path: cut(path),
    status,
    outcome: outcome === 'answered' ? undefined : outcome,
    error,
    code: rejectionCodeOf(req),
    bytesIn,
    bytes,
    durationMs: Math.round(durationMs),
    heldMs: Math.round(heldMs(req) ?? 0),
    backendMs: backendMs === undefined ? null : Math.round(backendMs),
    target: sentAt === undefined ? null : destination.target,
    userAgent: cut(req.headers['user-agent']),
  });
  return `${escapeUnprintable(line)}\n`;
}

function prettyLine(
  { req, destination, exchange, status, outcome, durationMs }: FinishedRequest,
  time: string,
): string {
  const { app } = destination;
  const { method, path } = describe(req);
  const held = heldMs(req);
  const parts = [
    time.slice(11, 19),
    String(status ?? '---'),
    method.padEnd(4),
    cut(path),
    formatMs(durationMs),
    held === undefined ? '' : `(held ${formatMs(held)})`,
    outcome === 'answered' ? '' : outcome,
    exchange.error ?? rejectionCodeOf(req) ?? '',
    app === null || app === 'default' ? '' : `[${app}]`,
  ];
  const line = parts.filter((part) => part !== '').join(' ');
  return `${escapeUnprintable(line)}\n`;
}

const MAX_FIELD = 512;

function cut(text: string): string;
function cut(text: string | undefined): string | undefined;
function cut(text: string | undefined): string | undefined {
  return text !== undefined && text.length > MAX_FIELD ? `${text.slice(0, MAX_FIELD)}…` : text;
}
