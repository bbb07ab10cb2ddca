/** The report of one `antract run`: its figures, added up over all attempts to drain, and its text. */
import { formatCount, formatMs } from '../../common/format.js';
import type { Clock } from '../../common/clock.ts';
import type { Straggler } from '../../gate/in-flight.ts';
import { isPlainObject } from '../../common/validate.ts';
import type { AdminClient, Body } from '../client/admin-client.ts';
import { CommandFailure } from '../cli-error.ts';
import { delay } from '../delay.ts';
import {
  readNumber,
  readSnapshot,
  readStragglers,
  readText,
  type AppSnapshot,
} from '../client/snapshot.ts';
import { nameAll } from '../format-status.ts';

export type RunOutcome =
  | 'done'
  | 'command failed'
  | 'not drained'
  | 'probe timed out'
  | 'pause lost'
  | 'store lost'
  | 'interrupted'
  | 'failed';

/** Durations are whole milliseconds. Null: not applicable, or the server did not report it. */
export interface RunReport {
  app: string;
  /** Without its arguments, which may hold secrets. */
  command: string;
  startedAt: string;
  outcome: RunOutcome;
  exitCode: number;
  /** Null if the command was not run. */
  commandExitCode: number | null;
  commandMs: number | null;
  drainTries: number;
  /** Of the last attempt. */
  drainedAfterMs: number | null;
  /** The requests that the drain waited for. */
  stragglers: readonly Straggler[];
  /** Over all attempts, like the counts and the longest wait. */
  pausedForMs: number | null;
  held: number | null;
  released: number | null;
  abandoned: number | null;
  rejected: number | null;
  /** Held browsers that got the waiting page, and came back as new requests. */
  waitingPages: number;
  longestHoldMs: number | null;
  /** The requests that are still held at the end of a failed run. Null if unknown. */
  stillHeld: number | null;
  /** Of the last attempt that held a request. */
  medianHoldMs: number | null;
  /** Everything that went wrong, one sentence each. */
  problems: string[];
}

export function createRunReport(app: string, command: string, clock: Clock): RunReport {
  return {
    app,
    command,
    // oxlint-disable-next-line no-restricted-globals -- Formats a given time.
    startedAt: new Date(clock.date()).toISOString(),
    outcome: 'failed',
    exitCode: 1,
    commandExitCode: null,
    commandMs: null,
    drainTries: 0,
    drainedAfterMs: null,
    stragglers: [],
    pausedForMs: 0,
    held: 0,
    released: 0,
    abandoned: 0,
    rejected: 0,
    waitingPages: 0,
    longestHoldMs: null,
    stillHeld: 0,
    medianHoldMs: null,
    problems: [],
  };
}

/** The time that the server gets to count the last released requests. */
const COMPLETION_MS = 2000;
const POLL_MS = 100;

/** The report of the server on a pause. Undefined if it has none, or does not answer. */
export async function fetchReport(
  client: AdminClient,
  app: string,
  pauseId: string,
  clock: Clock,
): Promise<Body | undefined> {
  const end = clock.now() + COMPLETION_MS;
  try {
    for (;;) {
      const { report } = (await client.call('report', { app }, { timeout: COMPLETION_MS })).body;
      if (!isPlainObject(report) || report['pauseId'] !== pauseId) return undefined;
      // The report of a pause that is still in force (--on-failure keep) can't become complete.
      const isFinal = report['complete'] === true || report['endedBy'] === null;
      if (isFinal || clock.now() >= end) return report;
      await delay(clock, POLL_MS);
    }
  } catch (error) {
    // The report then lacks these figures, and the run is not affected.
    if (error instanceof CommandFailure) return undefined;
    throw error;
  }
}

/**
 * The report of a pause that another pause has followed. Undefined if several processes have held its
 * requests: then the server has complete numbers of the last pause only.
 */
export async function fetchPastReport(
  client: AdminClient,
  app: string,
  pauseId: string,
): Promise<Body | undefined> {
  const now = await fetchStatus(client, app);
  if (now === undefined || now.processCount > 1) return undefined;
  try {
    const { pauses } = (await client.call('history', { app }, { timeout: COMPLETION_MS })).body;
    const known = Array.isArray(pauses) ? pauses.filter(isPlainObject) : [];
    return known.find((one) => one['pauseId'] === pauseId);
  } catch (error) {
    if (error instanceof CommandFailure) return undefined;
    throw error;
  }
}

const STATUS_TIMEOUT_MS = 2000;

/** The state of the app. Undefined if the server does not answer. */
export async function fetchStatus(
  client: AdminClient,
  app: string,
): Promise<AppSnapshot | undefined> {
  try {
    return readSnapshot(
      (await client.call('status', { app }, { timeout: STATUS_TIMEOUT_MS })).body,
    );
  } catch (error) {
    if (error instanceof CommandFailure) return undefined;
    throw error;
  }
}

/**
 * @param pause the report of the server. Without it the sums are unknown, too.
 * @param stillHeld how many of its held requests the report of the next pause counts again.
 */
export function addPauseToReport(report: RunReport, pause: Body | undefined, stillHeld = 0): void {
  for (const name of ['pausedForMs', 'held', 'released', 'abandoned', 'rejected'] as const) {
    const [sum, value] = [report[name], readNumber(pause?.[name])];
    report[name] = sum === null || value === null ? null : sum + value;
  }
  if (report.held !== null) report.held -= stillHeld;
  if (!pause) return;
  report.waitingPages += readNumber(pause['waitingPages']) ?? 0;
  const longest = readNumber(pause['longestHoldMs']);
  if (longest !== null) report.longestHoldMs = Math.max(report.longestHoldMs ?? 0, longest);
  report.medianHoldMs = readNumber(pause['medianHoldMs']) ?? report.medianHoldMs;
  report.drainedAfterMs = readNumber(pause['drainedAfterMs']);
  if (report.stragglers.length === 0) report.stragglers = readStragglers(pause['stragglers']);
}

const ENDED_BY: Readonly<Record<string, string>> = {
  resume: 'another command resumed the app',
  maxTime: 'it reached its maximum duration (--max-time)',
  lease: 'its lease was not renewed in time',
  stop: 'another command stopped the app',
};

/** Why a pause ended although this run did not end it. */
export function endReasonText(pause: Body | undefined, isStoreLost: boolean): string {
  const reason =
    ENDED_BY[readText(pause?.['endedBy']) ?? ''] ??
    'another command ended it and paused the app again, or the server was restarted';
  // With `onStoreError: 'open'` the server resumes the app when the store is lost.
  return isStoreLost ? `the store does not answer (--on-store-error), or ${reason}` : reason;
}

export function reportLines(report: RunReport): string[] {
  const { app, outcome, pausedForMs, drainedAfterMs, commandMs, stragglers } = report;
  const parts = [
    ...(pausedForMs === null ? [] : [`${app} was paused for ${formatMs(pausedForMs)}`]),
    ...(drainedAfterMs === null ? [] : [`drained after ${formatMs(drainedAfterMs)}`]),
    ...(commandMs === null ? [] : [`the command took ${formatMs(commandMs)}`]),
  ];
  // The message of a failed run, which follows the report, says what happened.
  const what = outcome === 'done' ? [outcome] : [];
  const figures = parts.length === 0 ? [] : [parts.join(', ')];
  return [
    ...(what.length + figures.length === 0 ? [] : [`${[...what, ...figures].join(': ')}.`]),
    countsLine(report),
    ...(stragglers.length === 0 || outcome === 'not drained'
      ? []
      : [`The drain waited for ${nameAll(stragglers)}.`]),
  ];
}

function countsLine(report: RunReport): string {
  const { held, released, abandoned, rejected, waitingPages, stillHeld } = report;
  const { longestHoldMs, medianHoldMs } = report;
  if (held === null)
    return 'The number of held requests is unknown, because the server gave no complete report of this pause.';
  const waits =
    longestHoldMs === null
      ? ''
      : `; longest wait ${formatMs(longestHoldMs)}${medianHoldMs === null ? '' : `, median ${formatMs(medianHoldMs)}`}`;
  const still = stillHeld ? `, ${stillHeld} still held` : '';
  const pages = waitingPages === 0 ? '' : `, ${formatCount(waitingPages, 'waiting page')}`;
  return `${held} held, ${released} released, ${abandoned} abandoned, ${rejected} rejected${pages}${still}${waits}.`;
}
