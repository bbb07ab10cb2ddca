/**
 * Renders what a command did, and then the status. The JSON has the command's own sentences as
 * `result`.
 *
 * Scripts written for the OpenResty original read the first line of each text, so its wording is kept,
 * except for the singular.
 */
import { formatCount, formatMs } from '../../common/format.js';
import { actorText, isSameActor, type Actor } from '../../gate/actor.ts';
import { processName } from '../../gate/status-text.ts';
import type { AppStatus, CommandResult, DrainResult, ReleaseResult } from '../../gate/status.ts';
import type { ReloadResult } from '../access/access-check.ts';
import type { RequestParameters } from '../params.ts';
import { rendered, type Base, type Rendered } from './rendered.ts';
import { answerLines, currentlyPaused } from './status-lines.ts';

/** The parameters of a command that name terms of the pause or the stop. */
type TermParameters = Pick<
  Partial<RequestParameters>,
  'max_time' | 'expect' | 'reason' | 'message'
>;

/** A command as its client gave it, and the client. */
export interface GivenCommand {
  readonly parameters: TermParameters;
  readonly by: Actor | null;
  readonly base: Base;
}

export function renderEnable(
  result: CommandResult,
  { parameters, by, base }: GivenCommand,
): Rendered {
  const lines = [
    enableLine(result.changed, result.held),
    ...otherOperatorLines(result, by),
    ...termsLines(result, parameters),
    ...warningLines(result),
  ];
  return renderResult(200, lines, commandJson(result), base);
}

/** `enable` with `wait`: `status` is the state after the wait. */
export function renderEnableAndDrain(
  result: CommandResult,
  drain: DrainResult,
  status: AppStatus,
  { parameters, by, base }: GivenCommand,
): Rendered {
  const lines = [
    enableLine(result.changed, status.held),
    ...otherOperatorLines(result, by),
    ...termsLines(result, parameters),
    drainLine(drain, status),
    ...warningLines(result),
  ];
  const json = { ...status, ...doneJson(result), ...drainJson(drain) };
  return renderResult(drainStatus(drain), lines, json, base);
}

export function renderDrain(drain: DrainResult, status: AppStatus, base: Base): Rendered {
  const json = { ...status, ...drainJson(drain) };
  return renderResult(drainStatus(drain), [drainLine(drain, status)], json, base);
}

export function renderDisable(result: CommandResult, base: Base): Rendered {
  return renderResult(
    200,
    [disableLine(result), ...warningLines(result)],
    commandJson(result),
    base,
  );
}

/** `disable` with `wait`: `status` is the state after the wait. */
export function renderDisableAndRelease(
  result: CommandResult,
  release: ReleaseResult,
  status: AppStatus,
  base: Base,
): Rendered {
  const released = release.outcome === 'reopened';
  const lines = [disableLine(result), releaseLine(release, status), ...warningLines(result)];
  const json = { ...commandJson({ ...result, status }), released, waitedMs: release.waitedMs };
  return renderResult(released ? 200 : 202, lines, json, base);
}

export function renderStop(result: CommandResult, terms: TermParameters, base: Base): Rendered {
  const { changed, held } = result;
  const lines = changed
    ? [
        'App is stopped: requests are answered 503.',
        `${formatCount(held, 'held request')} got that answer now.`,
      ]
    : ['App is already stopped.', ...termsLines(result, terms)];
  return renderResult(200, [...lines, ...warningLines(result)], commandJson(result), base);
}

export function renderReload(result: ReloadResult): Rendered {
  const started = formatCount(result.started, 'new worker');
  const leaving = formatCount(result.leaving, 'old worker');
  const text = `Reloaded: ${started} took over. ${leaving} will exit after the last request.`;
  return rendered(200, [text], { ...result, result: text });
}

function renderResult(
  status: number,
  lines: readonly string[],
  json: AppStatus,
  base: Base,
): Rendered {
  return rendered(status, [...lines, ...answerLines(json, base)], {
    ...json,
    result: lines.join(' '),
  });
}

// ---- JSON -------------------------------------------------------------------------------------

function commandJson(result: CommandResult): AppStatus {
  const done = { heldBefore: result.held, ...doneJson(result) };
  return { ...result.status, ...done };
}

function doneJson({
  changed,
  shared,
  warning,
}: CommandResult): Pick<CommandResult, 'changed' | 'shared' | 'warning'> {
  return {
    changed,
    ...(shared !== undefined && { shared }),
    ...(warning !== undefined && { warning }),
  };
}

function drainJson({ outcome, waitedMs, stragglers }: DrainResult): {
  drained: boolean;
} & Pick<DrainResult, 'waitedMs' | 'stragglers'> {
  return { drained: outcome === 'drained', waitedMs, stragglers };
}

function drainStatus({ outcome }: DrainResult): number {
  return outcome === 'drained' ? 200 : 202;
}

// ---- Sentences --------------------------------------------------------------------------------

function warningLines({ warning }: CommandResult): string[] {
  return warning === undefined ? [] : [warning];
}

function enableLine(changed: boolean, held: number): string {
  return changed ? 'Pause is enabled.' : `Pause is already enabled, ${currentlyPaused(held)}`;
}

/** Warns an operator who changes a pause on which another operator relies. */
function otherOperatorLines({ changed, status }: CommandResult, by: Actor | null): string[] {
  const { by: other, pausedForMs } = status;
  if (changed || other === null || (by !== null && isSameActor(by, other))) return [];
  return [`Another operator began it ${formatMs(pausedForMs ?? 0)} ago: ${actorText(other)}.`];
}

/** A repeated command changes only the terms that it names. */
function termsLines({ changed }: CommandResult, terms: TermParameters): string[] {
  const { max_time: maxTime, expect, reason, message } = terms;
  const list = [
    ...(maxTime === undefined ? [] : [`ends by itself in ${formatMs(maxTime)}`]),
    ...(expect === undefined ? [] : [expectText(expect)]),
    ...(reason === undefined ? [] : [`reason "${reason}"`]),
    ...(message === undefined ? [] : [`message "${message}"`]),
  ];
  return changed || list.length === 0 ? [] : [`Terms changed: ${list.join(', ')}.`];
}

function expectText(ms: number): string {
  return ms === 0 ? 'no expected end' : `expected to end in ${formatMs(ms)}`;
}

function disableLine({ changed, held }: CommandResult): string {
  if (!changed) return 'Pause is already disabled.';
  if (held === 0) return 'Pause is disabled. No requests were held.';
  const were = held === 1 ? 'request was' : 'requests were';
  return `Pause is disabled. ${held} ${were} held in-flight.`;
}

function drainLine(drain: DrainResult, { inFlight, only }: AppStatus): string {
  const { outcome, waitedMs, missing = [], store } = drain;
  const after = `after ${formatMs(waitedMs)}`;
  if (outcome === 'lost' && store === 'lost') {
    return `Not drained ${after}: the store does not answer, so other processes may still send requests to the backend.`;
  }
  if (outcome === 'lost') {
    const names = missing.map(processName).join(', ');
    return `Not drained ${after}: ${names} can't be heard, and may still send requests to the backend.`;
  }
  // With a pause of writes, some requests in flight may be reads.
  const [none, some] = only
    ? ['no write is', 'writes']
    : ['nothing is', formatCount(inFlight, 'request')];
  if (outcome === 'drained') return `Drained ${after}: ${none} in flight.`;
  const cause = store === 'lost' ? ', and the store does not answer' : '';
  return `Not drained ${after}: ${some} still in flight${cause}.`;
}

function releaseLine({ outcome, waitedMs }: ReleaseResult, { held, store }: AppStatus): string {
  const after = `after ${formatMs(waitedMs)}`;
  if (outcome === 'reopened') {
    return `Released ${after}: no request is held, and the backend answers.`;
  }
  const others = store === 'lost' ? '; the store does not answer, so others may hold more' : '';
  return `Not released ${after}: ${formatCount(held, 'request')} still held${others}.`;
}
