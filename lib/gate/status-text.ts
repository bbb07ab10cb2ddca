/**
 * Writes the sentences of an app's status. Text answers, the command line and the dashboard show them
 * as they are.
 */
import { formatBytes, formatCount, formatMs, formatNumber } from '../common/format.js';
import { actorText } from './actor.ts';
import type { Straggler } from './in-flight.ts';
import type {
  AppStatus,
  BackendStatus,
  ProbeStatus,
  LostProcessStatus,
  ProcessStatus,
  StatusFields,
} from './status.ts';

/** Processes report every second. Older figures are marked as such. */
export const STALE_MS = 3000;

export function describeStatus(fields: StatusFields, target: string | null = null): AppStatus {
  return { ...fields, target, summary: summaryOf(fields), details: detailsOf(fields) };
}

/** `paused for writes`: an operator must not take it for a pause of all requests. */
export function phaseText({ phase, only }: { phase: string; only: string | null }): string {
  return only === null ? phase : `${phase} for ${only}`;
}

/** How much longer requests wait for the backend; null if they don't. */
export function waitLeft(probe: ProbeStatus | null): number | null {
  return probe !== null && probe.endsInMs > 0 ? probe.endsInMs : null;
}

export function processName({ host, pid }: { host: string; pid: number | string }): string {
  return `process ${pid} on ${host}`;
}

// ---- The summary ------------------------------------------------------------------------------

function summaryOf(status: StatusFields): string {
  const { app, held, inFlight, oldestHoldMs, probe, backend } = status;
  const { expectedEndInMs, endsInMs, leaseEndsInMs } = status;
  const wait = waitLeft(probe);
  const figures = [
    `${formatNumber(held)} held`,
    `${formatNumber(inFlight)} in flight`,
    ...time('oldest wait', oldestHoldMs),
    ...expectedFigures(expectedEndInMs),
    ...time('ends by itself in', endsInMs),
    ...time('its lease ends in', leaseEndsInMs),
    ...time('requests wait for the backend for another', wait).map((text) => `${text} at most`),
    ...backendFigures(backend),
    ...time('paused for', status.pausedForMs),
    ...time('stopped for', status.stoppedForMs),
  ];
  return `App ${app} is ${phaseText(status)}: ${figures.join(', ')}.`;
}

function time(label: string, ms: number | null): string[] {
  return ms === null ? [] : [`${label} ${formatMs(ms)}`];
}

function expectedFigures(ms: number | null): string[] {
  if (ms === null) return [];
  return ms > 0
    ? time('expected to end in', ms)
    : time('expected to end', -ms).map((text) => `${text} ago`);
}

function backendFigures({ state, forMs, seenMs }: BackendStatus): string[] {
  if (state !== 'down') return [];
  const isStale = seenMs !== null && seenMs >= STALE_MS;
  return [
    ...time('backend down for', forMs),
    ...(isStale ? [`last seen ${formatMs(seenMs)} ago`] : []),
  ];
}

// ---- The details ------------------------------------------------------------------------------

function detailsOf(status: StatusFields): string[] {
  const { reason, message, leaseEndsInMs, backend, store, spooledBytes } = status;
  const { processes = [], lostProcesses = [] } = status;
  return [
    ...phaseSentences(status),
    ...bySentence(status),
    ...(reason === null ? [] : [`Reason: ${reason}`]),
    ...(message === null ? [] : [`Clients are told: ${message}`]),
    ...expectedSentences(status),
    ...(leaseEndsInMs === null ? [] : ['The pause ends unless its lease is renewed.']),
    ...(spooledBytes === 0
      ? []
      : [`Bodies of held requests: ${formatBytes(spooledBytes)}, in memory and on disk.`]),
    ...(backend.summary === null ? [] : [backend.summary]),
    ...(backend.next === null ? [] : [backend.next]),
    ...processes.filter(({ acknowledged }) => !acknowledged).map(behindSentence),
    ...lostProcesses.map(lostSentence),
    ...(store === 'lost' ? [STORE_LOST] : []),
  ];
}

function bySentence({ by, phase }: StatusFields): string[] {
  if (by === null) return [];
  return [`${phase === 'stopped' ? 'Stopped' : 'Paused'} by: ${actorText(by)}`];
}

/** What happens to requests. A running app without trouble needs no sentence. */
function phaseSentences(status: StatusFields): string[] {
  switch (status.phase) {
    case 'running':
      return [];
    case 'pausing':
      return [`Draining: ${drainState(status)} ${holding(status)}`];
    case 'paused':
      return [`${drainedState(status)} ${holding(status)}`];
    case 'releasing':
      return [...releaseSentences(status), ...trendSentences(status)];
    case 'stopped':
      return [
        `Requests are answered 503.${status.endsInMs === null ? ' The stop does not end by itself.' : ''}`,
      ];
    default:
      return status.phase satisfies never;
  }
}

/** The operator's two times contradict each other. */
function expectedSentences({ expectedEndInMs, endsInMs }: StatusFields): string[] {
  if (expectedEndInMs === null || endsInMs === null || expectedEndInMs <= endsInMs) return [];
  return ['It ends by itself before its expected end. For more time, set a longer `maxTime`.'];
}

function drainState({ inFlight, only, stragglers = [] }: StatusFields): string {
  // With a pause of writes, the requests in flight may be reads.
  const count = only === null ? inFlight : stragglers.length;
  if (count === 0) return 'not every process has confirmed yet.';
  return only === null
    ? `${formatCount(count, 'request')} still in flight.`
    : 'writes still in flight.';
}

function drainedState({ only, store }: StatusFields): string {
  if (store === 'lost') {
    return "Drained in this process; the others can't be asked, because the store does not answer.";
  }
  return only === null ? 'Drained: nothing is in flight.' : 'Drained: no write is in flight.';
}

function holding({ only }: StatusFields): string {
  return only === null
    ? 'New requests are held.'
    : 'GET, HEAD, OPTIONS and TRACE pass; all other methods are held.';
}

function releaseSentences({ probe, backend }: StatusFields): string[] {
  if (probe?.unplanned) {
    return ['The app is not paused: requests are held because the backend does not answer.'];
  }
  // Then the sentences about the backend say what held requests wait for.
  if (backend.summary !== null) return [];
  return [
    waitLeft(probe) === null
      ? 'Held requests are released, in order.'
      : 'Held requests are released as soon as the backend answers.',
  ];
}

/** An operator must know when more requests arrive than are released. */
function trendSentences({ heldDelta, probe }: StatusFields): string[] {
  if (!heldDelta || probe) return [];
  const change = `${formatNumber(Math.abs(heldDelta))} ${heldDelta > 0 ? 'more' : 'fewer'}`;
  return [`Held now: ${change} than when the release began.`];
}

function behindSentence(process: ProcessStatus): string {
  const { seenMs } = process;
  const seen = seenMs >= STALE_MS ? `; last heard from ${formatMs(seenMs)} ago` : '';
  return `${capitalized(processName(process))} has not acknowledged the last command yet${seen}.`;
}

function lostSentence(lost: LostProcessStatus): string {
  const { silentForMs, ended, fenced, blocksDrain } = lost;
  const name = capitalized(processName(lost));
  if (ended) return `${name} has ended. The requests it held are lost.`;
  const silent = `${name} has not been heard from for ${formatMs(silentForMs)}.`;
  if (!blocksDrain) return `${silent} It had drained, and holds requests.`;
  return fenced
    ? `${silent} It holds new requests, but earlier ones may still be in flight.`
    : `${silent} It may still send requests to the backend.`;
}

const STORE_LOST =
  'The store does not answer: commands reach this process alone, and other processes may not follow.';

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// ---- Stragglers -------------------------------------------------------------------------------

/**
 * The requests that a drain waits for, one a line.
 *
 * @param max how many are named; the others are counted.
 */
export function stragglerLines(
  {
    stragglers = [],
    inFlight,
    only,
  }: { stragglers?: readonly Straggler[]; inFlight: number; only: string | null },
  max = Infinity,
): string[] {
  const named = stragglers.slice(0, max);
  // With a pause of writes, the other requests in flight may be reads, which the drain ignores.
  const more = (only === null ? inFlight : stragglers.length) - named.length;
  return [
    ...named.map((straggler) => `  ${stragglerText(straggler)}`),
    ...(named.length > 0 && more > 0 ? [`  and ${formatNumber(more)} more`] : []),
  ];
}

export function stragglerText({ method, path, ageMs, waitsFor }: Straggler): string {
  return `${method} ${path} for ${formatMs(ageMs)}${clientWaitText(waitsFor)}`;
}

/** The client is the reason why the request is still in flight. */
function clientWaitText(waitsFor: Straggler['waitsFor']): string {
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
