/**
 * What came of one `antract run`: added up over its tries to drain, and put into words. Knows how a
 * server is asked, and nothing of how the run went on.
 */
import { formatMs } from '../../common/format.js';
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
  | 'health timed out'
  | 'pause lost'
  | 'store lost'
  | 'interrupted'
  | 'failed';

/** Durations are whole milliseconds; null where there is nothing to measure, or nobody tells. */
export interface RunReport {
  app: string;
  /** Without its arguments, which may be secret. */
  command: string;
  startedAt: string;
  outcome: RunOutcome;
  exitCode: number;
  /** Null where it was not run. */
  commandExitCode: number | null;
  commandMs: number | null;
  drainTries: number;
  /** Of the last try. */
  drainedAfterMs: number | null;
  /** What the drain waited for. */
  stragglers: readonly Straggler[];
  /** Over all tries, as are the counts and the longest wait. */
  pausedForMs: number | null;
  held: number | null;
  released: number | null;
  abandoned: number | null;
  rejected: number | null;
  longestHoldMs: number | null;
  /** Requests that still wait at the end of a run that failed; null where the server could not tell. */
  stillHeld: number | null;
  /** Of the last try in which somebody waited. */
  medianHoldMs: number | null;
  /** All that went otherwise than it should. */
  problems: string[];
}

export function createRunReport(app: string, command: string, clock: Clock): RunReport {
  return {
    app,
    command,
    // oxlint-disable-next-line no-restricted-globals -- Formats a time, and asks for none.
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
    longestHoldMs: null,
    stillHeld: 0,
    medianHoldMs: null,
    problems: [],
  };
}

/** How long the last of those released may take to be counted. */
const COUNTING_TIME = 2000;
const EVERY = 100;

/** The server's report on a pause; undefined where it has none, or no longer. */
export async function fetchReport(
  client: AdminClient,
  app: string,
  pauseId: string,
  clock: Clock,
): Promise<Body | undefined> {
  const end = clock.now() + COUNTING_TIME;
  try {
    for (;;) {
      const { report } = (await client.call('report', { app }, { timeout: COUNTING_TIME })).body;
      if (!isPlainObject(report) || report['pauseId'] !== pauseId) return undefined;
      // A pause that goes on, as it was asked to, is not going to be complete.
      const isAll = report['complete'] === true || report['endedBy'] === null;
      if (isAll || clock.now() >= end) return report;
      await delay(clock, EVERY);
    }
  } catch (error) {
    // The figures are missing then; what matters has been done and said.
    if (error instanceof CommandFailure) return undefined;
    throw error;
  }
}

const ANSWER_TIME = 2000;

/** The app's state; undefined where the server does not answer. */
export async function fetchStatus(
  client: AdminClient,
  app: string,
): Promise<AppSnapshot | undefined> {
  try {
    return readSnapshot((await client.call('status', { app }, { timeout: ANSWER_TIME })).body);
  } catch (error) {
    if (error instanceof CommandFailure) return undefined;
    throw error;
  }
}

/** @param pause undefined where the server did not tell: then the sums are not known either. */
export function addPause(report: RunReport, pause: Body | undefined): void {
  for (const name of ['pausedForMs', 'held', 'released', 'abandoned', 'rejected'] as const) {
    const [sum, more] = [report[name], readNumber(pause?.[name])];
    report[name] = sum === null || more === null ? null : sum + more;
  }
  if (!pause) return;
  const longest = readNumber(pause['longestHoldMs']);
  if (longest !== null) report.longestHoldMs = Math.max(report.longestHoldMs ?? 0, longest);
  report.medianHoldMs = readNumber(pause['medianHoldMs']) ?? report.medianHoldMs;
  report.drainedAfterMs = readNumber(pause['drainedAfterMs']);
  if (report.stragglers.length === 0) report.stragglers = readStragglers(pause['stragglers']);
}

const ENDED_BY: Readonly<Record<string, string>> = {
  resume: 'somebody resumed the app',
  maxTime: 'its longest time was over (--max-time)',
  lease: 'its lease was not renewed in time',
  stop: 'somebody stopped the app',
};

/** Why a pause has ended that should not have. */
export function endReasonText(pause: Body | undefined, isStoreLost: boolean): string {
  const why =
    ENDED_BY[readText(pause?.['endedBy']) ?? ''] ??
    'somebody ended it and began another, or the server was restarted';
  // With `onStoreError: 'open'` the server resumes by itself then.
  return isStoreLost ? `the store does not answer (--on-store-error), or ${why}` : why;
}

export function reportLines(report: RunReport): string[] {
  const { app, outcome, pausedForMs, drainedAfterMs, commandMs, stragglers } = report;
  const parts = [
    ...(pausedForMs === null ? [] : [`${app} was paused for ${formatMs(pausedForMs)}`]),
    ...(drainedAfterMs === null ? [] : [`drained after ${formatMs(drainedAfterMs)}`]),
    ...(commandMs === null ? [] : [`the command took ${formatMs(commandMs)}`]),
  ];
  // Of a failure it is said at the very end what happened.
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
  const { held, released, abandoned, rejected, stillHeld, longestHoldMs, medianHoldMs } = report;
  if (held === null) return 'How many waited is not known: the server could not tell.';
  const waits =
    longestHoldMs === null
      ? ''
      : `; longest wait ${formatMs(longestHoldMs)}${medianHoldMs === null ? '' : `, median ${formatMs(medianHoldMs)}`}`;
  const still = stillHeld ? `, ${stillHeld} still held` : '';
  return `${held} held, ${released} released, ${abandoned} abandoned, ${rejected} rejected${still}${waits}.`;
}
