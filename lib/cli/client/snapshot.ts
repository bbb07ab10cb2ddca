/**
 * Reads what a server says of an app, without trusting its shape: it may be of another version. All
 * text is fit for a terminal from here on. Knows no command.
 */
import { formatMs } from '../../common/format.js';
import type { Straggler } from '../../gate/in-flight.ts';
import type { Phase } from '../../gate/phase.ts';
import { isPlainObject } from '../../common/validate.ts';
import type { Body } from './admin-client.ts';
import { CommandFailure } from '../cli-error.ts';
import { printable } from '../../common/printable.ts';

export interface AppSnapshot {
  readonly app: string;
  readonly phase: Phase;
  readonly held: number;
  readonly inFlight: number;
  readonly oldestHoldMs: number | null;
  readonly pausedForMs: number | null;
  readonly stoppedForMs: number | null;
  readonly endsInMs: number | null;
  readonly leaseEndsInMs: number | null;
  readonly pauseId: string | null;
  /** Which requests alone wait; null where all do. */
  readonly only: string | null;
  readonly reason: string | null;
  readonly message: string | null;
  readonly stragglers: readonly Straggler[];
  /** What the server last saw of the backend, where it looks. */
  readonly lastSeen: string | null;
  /** How much longer the server waits for the backend, where it does. */
  readonly probeEndsInMs: number | null;
  /** Processes that are not heard of, and may still send requests to the backend. */
  readonly missing: readonly string[];
  /** Processes that are not heard of, and were not seen to end. */
  readonly silent: readonly string[];
  /** Processes that have not acknowledged the last command. */
  readonly unacknowledged: readonly string[];
  /** Whether processes share the app through a store. */
  readonly hasStore: boolean;
  /** The store does not answer: commands reach one process alone. */
  readonly isStoreLost: boolean;
  readonly backend: BackendSnapshot;
  /** What there is to know of other processes that share the app, a line each. */
  readonly processes: readonly string[];
}

/** As the server words it. All null where nothing is wrong, or the server is older. */
export interface BackendSnapshot {
  readonly summary: string | null;
  readonly next: string | null;
  /** How long it has been down. */
  readonly downForMs: number | null;
}

const PHASES: readonly string[] = [
  'running',
  'pausing',
  'paused',
  'releasing',
  'stopped',
] satisfies Phase[];

export function readSnapshot(body: Body): AppSnapshot {
  const { phase, probe } = body;
  if (typeof phase !== 'string' || !PHASES.includes(phase)) {
    throw new CommandFailure('What answers there does not tell a phase; it is not antract.');
  }
  return {
    app: readText(body['app']) ?? 'default',
    phase: phase as Phase,
    held: readNumber(body['held']) ?? 0,
    inFlight: readNumber(body['inFlight']) ?? 0,
    oldestHoldMs: readNumber(body['oldestHoldMs']),
    pausedForMs: readNumber(body['pausedForMs']),
    stoppedForMs: readNumber(body['stoppedForMs']),
    endsInMs: readNumber(body['endsInMs']),
    leaseEndsInMs: readNumber(body['leaseEndsInMs']),
    pauseId: readText(body['pauseId']),
    only: readText(body['only']),
    reason: readText(body['reason']),
    message: readText(body['message']),
    stragglers: readStragglers(body['stragglers']),
    lastSeen: isPlainObject(probe) ? readText(probe['lastSeen']) : null,
    probeEndsInMs: isPlainObject(probe) ? readNumber(probe['endsInMs']) : null,
    missing: readLost(body)
      .filter(({ blocksDrain }) => blocksDrain === true)
      .map(nameProcess),
    silent: readLost(body)
      .filter(({ ended }) => ended !== true)
      .map(nameProcess),
    unacknowledged: readPeers(body)
      .filter(({ acknowledged }) => acknowledged === false)
      .map(nameProcess),
    hasStore: readText(body['store']) !== null,
    isStoreLost: body['store'] === 'lost' || body['shared'] === false,
    backend: readBackend(body['backend']),
    processes: readProcesses(body),
  };
}

function readBackend(value: unknown): BackendSnapshot {
  const { state, summary, next, forMs } = isPlainObject(value) ? value : {};
  return {
    summary: readText(summary),
    next: readText(next),
    downForMs: state === 'down' ? readNumber(forMs) : null,
  };
}

function readPeers({ processes }: Body): Record<string, unknown>[] {
  return Array.isArray(processes) ? processes.filter(isPlainObject) : [];
}

function readLost({ lostProcesses }: Body): Record<string, unknown>[] {
  return Array.isArray(lostProcesses) ? lostProcesses.filter(isPlainObject) : [];
}

function nameProcess({ host, pid }: Record<string, unknown>): string {
  return `process ${readNumber(pid) ?? '?'} on ${readText(host) ?? '?'}`;
}

function lostText(one: Record<string, unknown>): string {
  const name = nameProcess(one);
  if (one['ended'] === true) return `${name} has ended; the requests it held are lost`;
  const silent = `${name} has not been heard of for ${formatMs(readNumber(one['silentForMs']) ?? 0)}`;
  if (one['blocksDrain'] !== true) return `${silent}; it had drained, and holds requests`;
  return one['fenced'] === true
    ? `${silent}; it holds new requests, but earlier ones may still be in flight`
    : `${silent}; it may still send requests to the backend`;
}

function readProcesses(body: Body): string[] {
  return [
    ...readPeers(body)
      .filter(({ acknowledged }) => acknowledged === false)
      .map((one) => `${nameProcess(one)} has not acknowledged yet`),
    ...readLost(body).map(lostText),
    ...(body['store'] === 'lost'
      ? ['the store does not answer: commands reach one process alone, and others may not follow']
      : []),
  ];
}

export function readList(body: Body): AppSnapshot[] {
  const { apps } = body;
  return Array.isArray(apps) ? apps.filter(isPlainObject).map(readSnapshot) : [readSnapshot(body)];
}

export function readStragglers(value: unknown): Straggler[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isPlainObject).map(({ method, path, ageMs, waitsFor }) => ({
    method: readText(method) ?? '?',
    path: readText(path) ?? '?',
    ageMs: readNumber(ageMs) ?? 0,
    ...((waitsFor === 'upload' || waitsFor === 'download') && { waitsFor }),
  }));
}

export function readNumber(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

export function readText(value: unknown): string | null {
  return typeof value === 'string' ? printable(value) : null;
}
