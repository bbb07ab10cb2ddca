/**
 * Renders the status of one app, or of all.
 *
 * Scripts written for the OpenResty original read the first line of each text, so its wording is kept,
 * except for the singular. The other lines are the `summary` and the `details` of the status, and the
 * next step.
 */
import { formatCount, formatMs } from '../../common/format.js';
import { STALE_MS, stragglerLines, waitLeft } from '../../gate/status-text.ts';
import type { AppStatus, ProcessStatus } from '../../gate/status.ts';
import { rendered, type Base, type Rendered } from './rendered.ts';

export function renderStatus(status: AppStatus, base: Base): Rendered {
  return rendered(200, [firstLine(status), ...answerLines(status, base)], status);
}

/** @param main the app whose lines come first; the original had only one app. */
export function renderList(apps: readonly AppStatus[], main: AppStatus, base: Base): Rendered {
  const others = apps
    .filter(({ app }) => app !== main.app)
    .flatMap(({ summary, details }) => [summary, ...details.map((line) => `  ${line}`)]);
  return rendered(200, [firstLine(main), ...answerLines(main, base), ...others], { apps });
}

function firstLine({ phase, held, probe }: AppStatus): string {
  if (phase === 'pausing' || phase === 'paused') {
    return `Pause is enabled, ${currentlyPaused(held)}`;
  }
  const left = waitLeft(probe);
  if (held === 0 || left === null) return 'Pause is disabled.';
  const wait = `${formatCount(held, 'request')} ${held === 1 ? 'waits' : 'wait'} for the backend`;
  return `Pause is disabled. ${wait}, for another ${formatMs(left)} at most.`;
}

export function currentlyPaused(held: number): string {
  return `${held} ${held === 1 ? 'request is' : 'requests are'} currently paused.`;
}

export function answerLines(status: AppStatus, base: Base): string[] {
  const { summary, details, processes = [] } = status;
  return [
    summary,
    ...details,
    ...stragglerLines(status),
    ...(processes.length > 1
      ? [`Processes: ${processes.length}`, ...processes.map(processLine)]
      : []),
    ...nextLines(status, base),
  ];
}

function processLine({ host, pid, held, inFlight, seenMs }: ProcessStatus): string {
  const seen = seenMs < STALE_MS ? '' : `, last heard from ${formatMs(seenMs)} ago`;
  return `  ${host} ${pid}: ${held} held, ${inFlight} in flight${seen}`;
}

function nextLines(status: AppStatus, base: Base): string[] {
  const disable = link(base, 'disable', status);
  switch (status.phase) {
    case 'running':
    case 'releasing':
      return [];
    case 'stopped':
      return [
        `Next: ${disable} lets requests through, ${link(base, 'enable', status)} holds them.`,
      ];
    case 'pausing':
      return [
        ...missingLines(status, base),
        `Next: ${link(base, 'drain', status)} answers once nothing is in flight.`,
      ];
    case 'paused':
      return [`Next: do the work, then ${disable} lets requests through.`];
    default:
      return status.phase satisfies never;
  }
}

/** What an operator can do about processes that keep a drain from ending. */
function missingLines(status: AppStatus, base: Base): string[] {
  const drain = link(base, 'drain', status);
  const ignore = `${drain}${drain.includes('?') ? '&' : '?'}lost=ignore`;
  if (status.store === 'lost') {
    return [
      `Next: make the store answer again. If all other processes have ended, ${ignore} drains without them.`,
    ];
  }
  if (!status.lostProcesses?.some(({ blocksDrain }) => blocksDrain)) return [];
  return [
    `Next: restart each silent process, or its connection to the store. If a silent process has ended, ${ignore} drains without it.`,
  ];
}

function link(base: Base, endpoint: string, { app }: AppStatus): string {
  return `${base}/${endpoint}${app === 'default' ? '' : `?app=${encodeURIComponent(app)}`}`;
}
