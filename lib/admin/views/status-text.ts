/**
 * What the admin endpoints say, as text and as JSON, of results and snapshots. Pure: knows no
 * request and no registry.
 *
 * The first line of each text is read by scripts written for the OpenResty original, and stands word
 * for word as it was there ("1 requests" included). What follows is for whoever is on call.
 */
import { formatMs } from '../../common/format.js';
import type { Straggler } from '../../gate/in-flight.ts';
import { printable } from '../../common/printable.ts';
import type {
  AppStatus,
  CommandResult,
  DrainResult,
  ProbeStatus,
  LostProcessStatus,
  ProcessStatus,
  ReleaseResult,
} from '../../gate/status.ts';

/** The same thing twice, for either kind of reader. */
export interface Rendered {
  readonly status: number;
  readonly text: string;
  readonly json: object;
  /** For a browser, where there is something to see. */
  readonly html?: () => Page;
}

/** An answer of one kind, whatever was asked for. */
export interface Page {
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Where the router is mounted, so that the next step can be named. */
export type Base = string;

export function renderEnable(result: CommandResult, base: Base): Rendered {
  const summary = enableLine(result.changed, result.held);
  return rendered(200, [summary, ...details(result.status, base)], commandJson(result, summary));
}

/** `enable` with `wait`: `status` is the state after the wait. */
export function renderEnableAndDrain(
  { changed, shared }: CommandResult,
  drain: DrainResult,
  status: AppStatus,
  base: Base,
): Rendered {
  const summary = enableLine(changed, status.held);
  const lines = [summary, drainLine(drain, status), ...details(status, base)];
  const done = { changed, ...(shared !== undefined && { shared }), summary };
  return rendered(drainStatus(drain), lines, { ...status, ...done, ...drainJson(drain) });
}

export function renderDrain(drain: DrainResult, status: AppStatus, base: Base): Rendered {
  const summary = drainLine(drain, status);
  const lines = [summary, ...details(status, base)];
  return rendered(drainStatus(drain), lines, { ...status, summary, ...drainJson(drain) });
}

export function renderDisable(result: CommandResult, base: Base): Rendered {
  const summary = disableLine(result);
  return rendered(200, [summary, ...details(result.status, base)], commandJson(result, summary));
}

/** `disable` with `wait`: `status` is the state after the wait. */
export function renderDisableAndRelease(
  result: CommandResult,
  release: ReleaseResult,
  status: AppStatus,
  base: Base,
): Rendered {
  const summary = disableLine(result);
  const released = release.outcome === 'reopened';
  const lines = [summary, releaseLine(release, status), ...details(status, base)];
  const { waitedMs } = release;
  const json = { ...commandJson({ ...result, status }, summary), released, waitedMs };
  return rendered(released ? 200 : 202, lines, json);
}

export function renderStop(result: CommandResult, base: Base): Rendered {
  const summary = result.changed
    ? 'App is stopped: requests are answered 503.'
    : 'App is already stopped.';
  const refused = result.changed
    ? [`${count(result.held, 'held request')} got that answer now.`]
    : [];
  const lines = [summary, ...refused, ...details(result.status, base)];
  return rendered(200, lines, commandJson(result, summary));
}

export function renderStatus(status: AppStatus, base: Base): Rendered {
  return rendered(200, [statusLine(status), ...details(status, base)], status);
}

/** `main` is the app whose lines come first, where the original had its only one. */
export function renderList(apps: readonly AppStatus[], main: AppStatus, base: Base): Rendered {
  const others = apps.filter(({ app }) => app !== main.app).map(listLine);
  return rendered(200, [statusLine(main), ...details(main, base), ...others], { apps });
}

export function rendered(status: number, lines: readonly string[], json: object): Rendered {
  return { status, text: lines.map((line) => `${printable(line)}\n`).join(''), json };
}

// ---- JSON -------------------------------------------------------------------------------------

function commandJson({ status, changed, held, shared }: CommandResult, summary: string): object {
  return { ...status, changed, heldBefore: held, ...(shared !== undefined && { shared }), summary };
}

function drainJson({ outcome, waitedMs, stragglers }: DrainResult): object {
  return { drained: outcome === 'drained', waitedMs, stragglers };
}

function drainStatus({ outcome }: DrainResult): number {
  return outcome === 'drained' ? 200 : 202;
}

// ---- The first lines --------------------------------------------------------------------------

function enableLine(changed: boolean, held: number): string {
  return changed
    ? 'Pause is enabled.'
    : `Pause is already enabled, ${held} requests are currently paused.`;
}

function disableLine({ changed, held }: CommandResult): string {
  if (!changed) return 'Pause is already disabled.';
  return held === 0
    ? 'Pause is disabled. No requests were held.'
    : `Pause is disabled. ${held} requests were held in-flight.`;
}

function statusLine({ phase, held, probe }: AppStatus): string {
  if (phase === 'pausing' || phase === 'paused') {
    return `Pause is enabled, ${held} requests are currently paused.`;
  }
  const left = waitLeft(probe);
  if (held === 0 || left === null) return 'Pause is disabled.';
  const wait = `${count(held, 'request')} ${held === 1 ? 'waits' : 'wait'} for the backend`;
  return `Pause is disabled. ${wait}, for another ${formatMs(left)} at most.`;
}

/** How much longer requests wait for the backend; null where they don't. */
function waitLeft(probe: ProbeStatus | null): number | null {
  return probe !== null && probe.endsInMs > 0 ? probe.endsInMs : null;
}

function drainLine(drain: DrainResult, { inFlight, only }: AppStatus): string {
  const { outcome, waitedMs, missing = [], store } = drain;
  const after = `after ${formatMs(waitedMs)}`;
  if (outcome === 'lost' && store === 'lost') {
    return `Not drained ${after}: the store does not answer, so other processes may still send requests to the backend.`;
  }
  if (outcome === 'lost') {
    const names = missing.map(({ host, pid }) => `process ${pid} on ${host}`).join(', ');
    return `Not drained ${after}: ${names} can't be heard, and may still send requests to the backend.`;
  }
  // Of those in flight some may be reads then.
  const [none, some] = only
    ? ['no write is', 'writes']
    : ['nothing is', count(inFlight, 'request')];
  if (outcome === 'drained') return `Drained ${after}: ${none} in flight.`;
  const cause = store === 'lost' ? ', and the store does not answer' : '';
  return `Not drained ${after}: ${some} still in flight${cause}.`;
}

function releaseLine(
  { outcome, waitedMs }: ReleaseResult,
  { held, probe, backend, store }: AppStatus,
): string {
  const after = `after ${formatMs(waitedMs)}`;
  if (outcome === 'reopened') return `Released ${after}: nobody is held, and the backend answers.`;
  const asked = probe ? ', and the backend does not answer yet' : '';
  const why = backend.summary === null ? asked : `; ${clause(backend.summary)}`;
  const others = store === 'lost' ? '; the store does not answer, so others may hold more' : '';
  return `Not released ${after}: ${count(held, 'request')} still held${others}${why}.`;
}

// ---- The lines after it -----------------------------------------------------------------------

function details(status: AppStatus, base: Base): string[] {
  const app = `App ${status.app}`;
  const others = [
    ...probeLines(status),
    ...backendLines(status),
    ...holdLines(status),
    ...inFlightLines(status),
    ...processLines(status),
  ];
  switch (status.phase) {
    case 'running':
      return [`${app} is running.`, ...others];
    case 'releasing':
      return [`${app} is ${releasingLine(status)}`, ...trendLines(status), ...others];
    case 'stopped':
      return [
        `${app} is stopped: requests are answered 503.`,
        ...stopLines(status),
        ...(status.message === null ? [] : [`Clients are told: ${status.message}`]),
        ...others,
        `Next: ${link(base, 'disable', status)} lets requests through, ${link(base, 'enable', status)} holds them.`,
      ];
    case 'pausing':
      return [
        `${app} is draining.`,
        ...pauseLines(status),
        ...others,
        ...missingLines(status, base),
        `Next: ${link(base, 'drain', status)} answers once nothing is in flight.`,
      ];
    case 'paused':
      return [
        status.store === 'lost' ? `${app} is drained here; ${UNASKED}` : `${app} is drained.`,
        ...pauseLines(status),
        ...others,
        `Next: do the work, then ${link(base, 'disable', status)} lets requests through.`,
      ];
    default:
      return status.phase satisfies never;
  }
}

function stopLines({ stoppedForMs, endsInMs }: AppStatus): string[] {
  return [
    ...(stoppedForMs === null ? [] : [`Stopped for: ${formatMs(stoppedForMs)}`]),
    endsInMs === null ? 'Does not end by itself.' : `Ends by itself in: ${formatMs(endsInMs)}`,
  ];
}

function pauseLines({ pausedForMs, endsInMs, leaseEndsInMs, only, reason }: AppStatus): string[] {
  return [
    ...(pausedForMs === null ? [] : [`Paused for: ${formatMs(pausedForMs)}`]),
    ...(endsInMs === null ? [] : [`Ends by itself in: ${formatMs(endsInMs)}`]),
    ...(leaseEndsInMs === null
      ? []
      : [`Ends unless its lease is renewed in: ${formatMs(leaseEndsInMs)}`]),
    ...(only === null ? [] : ['GET, HEAD, OPTIONS and TRACE pass; all other methods are held.']),
    ...(reason === null ? [] : [`Reason: ${reason}`]),
  ];
}

/** Of a release that is slower than what arrives, an operator must know. */
function trendLines({ heldDelta, probe }: AppStatus): string[] {
  return heldDelta && !probe
    ? [`Since it began: ${heldDelta > 0 ? '+' : ''}${heldDelta} held`]
    : [];
}

function releasingLine({ held, probe, backend }: AppStatus): string {
  const requests = count(held, 'held request');
  if (!probe && backend.state === 'down') return `releasing: ${requests}.`;
  if (!probe) return `releasing: ${requests} still going out.`;
  const waiting = held === 0 ? 'no request is held yet' : `${requests} until then`;
  return probe.unplanned
    ? `not paused, but its backend is not available, so requests wait until it answers: ${waiting}.`
    : `releasing as soon as the backend answers: ${waiting}.`;
}

function backendLines({ backend }: AppStatus): string[] {
  const { state, summary, next, forMs, seenMs } = backend;
  const isDown = state === 'down' && forMs !== null;
  const isOld = seenMs !== null && seenMs >= STALE_MS;
  const seen = isOld ? `, last seen ${formatMs(seenMs)} ago` : '';
  return [
    ...(summary === null ? [] : [summary]),
    ...(isDown ? [`Backend down for: ${formatMs(forMs)}${seen}`] : []),
    ...(next === null ? [] : [next]),
  ];
}

/** What the probe sees; also while requests are let through to fail, as a cover was over. */
function probeLines({ probe }: AppStatus): string[] {
  if (!probe) return [];
  const asked = `Backend, asked for ${formatMs(probe.forMs)}: ${probe.lastSeen ?? 'no answer yet'}`;
  return waitLeft(probe) === null ? [asked] : [asked, endLine(probe)];
}

function endLine({ endsInMs, unplanned }: ProbeStatus): string {
  const what = unplanned
    ? 'Requests that wait for the backend are rejected in'
    : 'The wait for the backend ends in';
  return `${what}: ${formatMs(endsInMs)}`;
}

function holdLines({ oldestHoldMs }: AppStatus): string[] {
  return oldestHoldMs === null ? [] : [`Longest held: ${formatMs(oldestHoldMs)}`];
}

function inFlightLines({ inFlight, stragglers = [], only }: AppStatus): string[] {
  // Of a pause of writes, the others may be reads, which nobody waits for.
  const more = only === null ? inFlight - stragglers.length : 0;
  return [
    `In flight: ${inFlight}`,
    ...stragglers.map(stragglerLine),
    ...(stragglers.length > 0 && more > 0 ? [`  and ${more} more`] : []),
  ];
}

function stragglerLine({ method, path, ageMs, waitsFor }: Straggler): string {
  return `  ${method} ${path} for ${formatMs(ageMs)}${clientWaitText(waitsFor)}`;
}

/** Why a straggler is still in flight, where its client is the reason. */
export function clientWaitText(waitsFor: Straggler['waitsFor']): string {
  switch (waitsFor) {
    case 'upload':
      return ' (its client still sends the body)';
    case 'download':
      return ' (its client still reads the response)';
    case undefined:
      return '';
    default:
      return waitsFor satisfies never;
  }
}

/** With a store: who else there is, and how far. */
function processLines({ processes = [], lostProcesses = [], store }: AppStatus): string[] {
  return [
    ...(processes.length > 1 ? [`Processes: ${processes.length}`] : []),
    ...(processes.length > 1 ? processes.map(processLine) : []),
    ...lostProcesses.map(lostLine),
    ...(store === 'lost' ? [STORE_LOST] : []),
  ];
}

function lostLine(lost: LostProcessStatus): string {
  const { host, pid, lostForMs, silentForMs, ended, fenced, blocksDrain } = lost;
  const name = `  ${host} ${pid}`;
  if (ended) return `${name}: ended ${formatMs(lostForMs)} ago; the requests it held are lost`;
  const silent = `${name}: not heard of for ${formatMs(silentForMs)}`;
  if (!blocksDrain) return `${silent}; it had drained, and holds requests`;
  return fenced
    ? `${silent}; it holds new requests, but earlier ones may still be in flight`
    : `${silent}; it may still send requests to the backend`;
}

/** What an operator can do about a process that a drain can't be done without. */
function missingLines(status: AppStatus, base: Base): string[] {
  const drain = link(base, 'drain', status);
  const ignore = `${drain}${drain.includes('?') ? '&' : '?'}lost=ignore`;
  if (status.store === 'lost') {
    return [
      `Next: make the store answer again. If all other processes have ended, ${ignore} goes on without them.`,
    ];
  }
  if (!status.lostProcesses?.some(({ blocksDrain }) => blocksDrain)) return [];
  return [
    `Next: restart a process that is not heard of, or its connection to the store. If it has ended, ${ignore} goes on without it.`,
  ];
}

/** Processes report every second. What is older is marked as such. */
const STALE_MS = 3000;

const UNASKED = "the others can't be asked, as the store does not answer.";

const STORE_LOST =
  'The store does not answer: commands reach this process alone, and the others are not known to follow.';

function processLine({ host, pid, held, inFlight, acknowledged, seenMs }: ProcessStatus): string {
  const counts = `${held} held, ${inFlight} in flight`;
  const isStale = seenMs >= STALE_MS;
  const behind = acknowledged ? '' : ', has not acknowledged yet';
  const seen = acknowledged && !isStale ? '' : `, seen ${formatMs(seenMs)} ago`;
  const since = isStale ? ' and not heard of since' : '';
  return `  ${host} ${pid}: ${counts}${behind}${seen}${since}`;
}

function listLine(status: AppStatus): string {
  const { app, phase, held, inFlight, stoppedForMs, endsInMs, reason, probe, backend } = status;
  const asked = probe ? `, its backend: ${probe.lastSeen ?? 'no answer yet'}` : '';
  const seen = backend.summary === null ? asked : `, ${clause(backend.summary)}`;
  const since = stoppedForMs === null ? '' : ` for ${formatMs(stoppedForMs)}`;
  const isEndless = phase === 'stopped' && endsInMs === null;
  const end = endsInMs === null ? '' : `, ends by itself in ${formatMs(endsInMs)}`;
  const left = waitLeft(probe);
  const wait =
    left === null ? '' : `, requests wait for the backend for another ${formatMs(left)} at most`;
  const endless = isEndless ? ', does not end by itself' : '';
  const why = reason === null ? '' : `, reason: ${reason}`;
  return `App ${app} is ${phase}${since}: ${held} held, ${inFlight} in flight${end}${endless}${wait}${seen}${why}.`;
}

/** A sentence as a part of another. */
export function clause(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1).replace(/\.$/, '');
}

function link(base: Base, endpoint: string, { app }: AppStatus): string {
  return `${base}/${endpoint}${app === 'default' ? '' : `?app=${encodeURIComponent(app)}`}`;
}

/** `1 request`, `2 requests`. */
function count(n: number, noun: string): string {
  return n === 1 ? `1 ${noun}` : `${n} ${noun}s`;
}
