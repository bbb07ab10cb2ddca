/**
 * Renders what a pause did.
 */
import { formatCount, formatMs } from '../../common/format.js';
import type { PauseReport } from '../../gate/pause-report.ts';
import { rendered, type Rendered } from './rendered.ts';

/** `report` is null in the JSON of an app that was never paused. */
export function renderReport(app: string, report: PauseReport | undefined): Rendered {
  const lines = report ? reportLines(app, report) : [`App ${app} has not been paused.`];
  return rendered(200, lines, { app, report: report ?? null, lines });
}

function reportLines(app: string, report: PauseReport): string[] {
  const { held, released, abandoned, rejected, waitingPages, longestHoldMs, medianHoldMs } = report;
  return [
    endLine(app, report),
    `Held: ${held}, released: ${released}, abandoned: ${abandoned}, rejected: ${rejected}`,
    ...(waitingPages === 0 ? [] : [`Waiting pages: ${waitingPages}`]),
    ...(longestHoldMs === null ? [] : [`Longest wait: ${formatMs(longestHoldMs)}`]),
    ...(medianHoldMs === null ? [] : [`Median wait: ${formatMs(medianHoldMs)}`]),
    ...drainLines(report),
  ];
}

const ENDED_BY = {
  resume: 'ended',
  maxTime: 'ended because `maxTime` was over,',
  lease: 'ended because its lease was not renewed,',
  stop: 'ended with a stop',
} as const satisfies Record<NonNullable<PauseReport['endedBy']>, string>;

export function endLine(app: string, report: PauseReport): string {
  const { endedBy, pausedForMs, carriedOver } = report;
  if (endedBy === null) return `App ${app} is still paused.`;
  const after = pausedForMs === null ? '' : ` after ${formatMs(pausedForMs)}`;
  const which = carriedOver === null ? 'The last' : 'An earlier';
  return `${which} pause of app ${app} ${ENDED_BY[endedBy]}${after}${openText(report)}.`;
}

function openText({ complete, stillHeld, carriedOver }: PauseReport): string {
  if (complete) return '';
  if (carriedOver === 0) return '; the next pause began before the backend answered';
  if (carriedOver !== null) {
    return `; ${formatCount(carriedOver, 'request')} ${carriedOver === 1 ? 'was' : 'were'} carried over to the next pause`;
  }
  if (stillHeld === 0) return '; the backend has not answered since';
  return `; ${formatCount(stillHeld, 'request')} ${stillHeld === 1 ? 'is' : 'are'} still held`;
}

function drainLines({ drainedAfterMs, stragglers }: PauseReport): string[] {
  if (drainedAfterMs === null) return ['Not drained.'];
  return [
    `Drained after: ${formatMs(drainedAfterMs)}`,
    ...stragglers.map(
      ({ method, path, ageMs }) => `  ${method} ${path} was ${formatMs(ageMs)} old when it began`,
    ),
  ];
}
