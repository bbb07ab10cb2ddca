/**
 * One line for each finished request: JSON, or something to read on a terminal. Knows no route; is
 * told when a request has ended.
 *
 * Queries are left out, as they hold secrets and what people searched for.
 */
import type { IncomingMessage } from 'node:http';
import { systemClock } from '../../common/clock.ts';
import { heldMs } from '../../http/admission.ts';
import { formatMs } from '../../common/format.js';
import { escapeUnprintable } from '../../common/printable.ts';
import { describe } from '../../common/request.ts';
import type { AccessLogFormat, LineStream } from '../config/config.ts';

/** How a request ended. `left`: its client went away. `cut-off`: the answer broke off on this side. */
export type Outcome = 'answered' | 'left' | 'cut-off';

export interface FinishedRequest {
  readonly req: IncomingMessage;
  /** Null for the admin endpoints, and for what no app is responsible for. */
  readonly app: string | null;
  /** The peer's address. */
  readonly remote: string | undefined;
  /** Null when nothing was answered. */
  readonly status: number | null;
  readonly outcome: Outcome;
  /** What went wrong towards the backend, such as `ECONNREFUSED`. */
  readonly error?: string | undefined;
  /** On the wire, headers included. */
  readonly bytes: number;
  readonly durationMs: number;
}

export interface AccessLog {
  write(finished: FinishedRequest): void;
  /** Writes what is left, and lets go of the stream. */
  close(): void;
}

/** What may wait for a stream that does not take it. Beyond it lines are dropped, and counted. */
const MAX_WAITING_BYTES = 4 * 2 ** 20;

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
    const lines = finished.map(toLine);
    if (dropped > 0) lines.push(`${JSON.stringify({ time: timeNow(), droppedLines: dropped })}\n`);
    dropped = 0;
    stream.write(lines.join(''));
  };
  // Whoever read the lines has gone (`antract serve | head`): that is no reason to stop serving.
  const onError = (): void => {
    broken = true;
  };
  stream.on?.('error', onError);

  return {
    write(finished) {
      // One write for all that finish at about the same time; and by then it is known for how long
      // a request was held whose client left.
      if (waiting.push(finished) === 1) systemClock.after(0, flush);
    },
    close() {
      flush();
      stream.off?.('error', onError);
    },
  };
}

function jsonLine(finished: FinishedRequest): string {
  const { req, app, remote, status, outcome, error, bytes, durationMs } = finished;
  const { method, path } = describe(req);
  const line = JSON.stringify({
    time: timeNow(),
    app,
    remote,
    method,
    host: cut(req.headers.host),
    path: cut(path),
    status,
    ...(outcome !== 'answered' && { outcome }),
    ...(error !== undefined && { error }),
    bytes,
    durationMs: Math.round(durationMs),
    heldMs: Math.round(heldMs(req) ?? 0),
    userAgent: cut(req.headers['user-agent']),
  });
  return `${escapeUnprintable(line)}\n`;
}

function prettyLine({ req, app, status, outcome, error, durationMs }: FinishedRequest): string {
  const { method, path } = describe(req);
  const held = heldMs(req);
  const parts = [
    timeNow().slice(11, 19),
    String(status ?? '---'),
    method.padEnd(4),
    cut(path),
    formatMs(durationMs),
    held === undefined ? '' : `(held ${formatMs(held)})`,
    outcome === 'answered' ? '' : outcome,
    error ?? '',
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

function timeNow(): string {
  // oxlint-disable-next-line no-restricted-globals -- Formats a time, and asks for none.
  return new Date(systemClock.date()).toISOString();
}
