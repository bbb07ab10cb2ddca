/**
 * What is going on in an app, in words for whoever is on call. Pure.
 */
import { clause, clientWaitText } from '../admin/views/status-text.ts';
import { formatMs } from '../common/format.js';
import type { Straggler } from '../gate/in-flight.ts';
import type { BackendSnapshot, AppSnapshot } from './client/snapshot.ts';

/** How many stragglers are named where there is little room. */
const NAMED = 5;

/** All on one line: phase, held, in flight, oldest wait, time left. */
export function oneLine(snapshot: AppSnapshot): string {
  const { app, phase, held, inFlight, oldestHoldMs, endsInMs, lastSeen, backend } = snapshot;
  const waitLeft = snapshot.probeEndsInMs ?? 0;
  return [
    `${app} is ${phaseText(snapshot)}`,
    `${held} held`,
    `${inFlight} in flight`,
    ...(oldestHoldMs === null ? [] : [`oldest wait ${formatMs(oldestHoldMs)}`]),
    ...(endsInMs === null ? [] : [`ends by itself in ${formatMs(endsInMs)}`]),
    ...(waitLeft > 0
      ? [`requests wait for the backend for another ${formatMs(waitLeft)} at most`]
      : []),
    ...(backend.summary === null && lastSeen !== null && phase === 'releasing'
      ? [`backend: ${lastSeen}`]
      : []),
    ...backendParts(backend),
  ].join(', ');
}

function backendParts({ summary, downForMs }: BackendSnapshot): string[] {
  if (summary === null) return [];
  return [downForMs === null ? clause(summary) : `${clause(summary)}, for ${formatMs(downForMs)}`];
}

/** Who is told that an app is paused must not take a pause of writes for one of all. */
export function phaseText({ phase, only }: AppSnapshot): string {
  return only === null ? phase : `${phase} for ${only}`;
}

/** The same, with what a drain waits for below it. */
export function liveLines(snapshot: AppSnapshot): string[] {
  return [
    oneLine(snapshot),
    ...stragglerLines(snapshot),
    ...snapshot.processes.map((line) => `  ${line}`),
  ];
}

/** Everything, a line each. */
export function fullLines(snapshot: AppSnapshot): string[] {
  const { phase, leaseEndsInMs, pausedForMs, stoppedForMs, endsInMs, reason, message, backend } =
    snapshot;
  const isEndless = phase === 'stopped' && endsInMs === null;
  return [
    `${oneLine(snapshot)}.`,
    ...(backend.next === null ? [] : [`  ${backend.next}`]),
    ...(pausedForMs === null ? [] : [`  paused for ${formatMs(pausedForMs)}`]),
    ...(stoppedForMs === null ? [] : [`  stopped for ${formatMs(stoppedForMs)}`]),
    ...(isEndless ? ['  does not end by itself: `antract resume` ends it'] : []),
    ...(leaseEndsInMs === null
      ? []
      : [`  ends in ${formatMs(leaseEndsInMs)} unless its lease is renewed`]),
    ...(reason === null ? [] : [`  reason: ${reason}`]),
    ...(message === null ? [] : [`  clients are told: ${message}`]),
    ...stragglerLines(snapshot),
    ...snapshot.processes.map((line) => `  ${line}`),
  ];
}

export function stragglerLines({ stragglers, inFlight, only }: AppSnapshot): string[] {
  const named = stragglers.slice(0, NAMED);
  // Of a pause of writes, those in flight may be reads, which nobody waits for.
  const more = (only === null ? inFlight : stragglers.length) - named.length;
  return [
    ...named.map((one) => `  ${stragglerText(one)}`),
    ...(named.length > 0 && more > 0 ? [`  and ${more} more`] : []),
  ];
}

/** Why a drain is not done, and what the operator can do. */
export function missingText(missing: readonly string[]): string {
  return (
    `${missing.join(', ')} can't be heard, and may still send requests to the backend. ` +
    'Restart it or its connection to the store, then try again; if it has ended, --ignore-lost goes on without it.'
  );
}

/** Why a drain can't be done without the store, and what the operator can do. */
export const STORE_LOST_DRAIN =
  'the store does not answer, so other gateways may still send requests to the backend. ' +
  'Bring the store back, then try again; --ignore-lost does not help here.';

/** Why a command may not have reached every gateway; undefined where it has. */
export function behindText({
  isStoreLost,
  silent,
  unacknowledged,
}: AppSnapshot): string | undefined {
  if (isStoreLost) {
    return 'The store does not answer, so other gateways may not follow, and may still hold requests.';
  }
  const behind = [...silent, ...unacknowledged];
  if (behind.length === 0) return undefined;
  return `Not known to follow, and may still hold requests: ${behind.join(', ')}.`;
}

export function stragglerText({ method, path, ageMs, waitsFor }: Straggler): string {
  return `${method} ${path} for ${formatMs(ageMs)}${clientWaitText(waitsFor)}`;
}

export function nameAll(stragglers: readonly Straggler[]): string {
  const named = stragglers.slice(0, NAMED).map(stragglerText).join(', ');
  const more = stragglers.length - NAMED;
  return more > 0 ? `${named} and ${more} more` : named;
}

/** `1 request`, `2 requests`. */
export function count(n: number, noun: string): string {
  return n === 1 ? `1 ${noun}` : `${n} ${noun}s`;
}
