/**
 * Reads a server's status of an app without trusting its shape, because the server may have another
 * version. All text is safe to print from here on.
 */
import { actorText, parseActor } from '../../gate/actor.ts';
import type { Straggler } from '../../gate/in-flight.ts';
import type { Phase } from '../../gate/phase.ts';
import { isPlainObject } from '../../common/validate.ts';
import type { Body } from './admin-client.ts';
import { CommandFailure } from '../cli-error.ts';
import { printable } from '../../common/printable.ts';
import { processName } from '../../gate/status-text.ts';

export interface AppSnapshot {
  readonly app: string;
  /** The server's sentences. */
  readonly summary: string;
  readonly details: readonly string[];
  readonly phase: Phase;
  readonly held: number;
  readonly inFlight: number;
  readonly oldestHoldMs: number | null;
  readonly pausedForMs: number | null;
  readonly stoppedForMs: number | null;
  readonly endsInMs: number | null;
  readonly pauseId: string | null;
  /** Which requests the pause is limited to; null if all are held. */
  readonly only: string | null;
  readonly reason: string | null;
  readonly message: string | null;
  readonly stragglers: readonly Straggler[];
  /** What the server's probe last saw of the backend. */
  readonly lastSeen: string | null;
  /** How much longer the server waits for the backend. */
  readonly probeEndsInMs: number | null;
  /** Silent processes that may still send requests to the backend. */
  readonly missing: readonly string[];
  /** Silent processes that were not seen to end. */
  readonly silent: readonly string[];
  /** Processes that have not acknowledged the last command. */
  readonly unacknowledged: readonly string[];
  /** How many processes report through a store; 0 without a store. */
  readonly processCount: number;
  /** Whether processes share the app through a store. */
  readonly hasStore: boolean;
  /** Whether a pause outlives the gateway. */
  readonly isDurable: boolean;
  /** The store does not answer: commands reach one process alone. */
  readonly isStoreLost: boolean;
  /** A problem that the command did not fail of. */
  readonly warning: string | null;
  readonly backend: BackendSnapshot;
  /** Null if the server is older. */
  readonly traffic: TrafficSnapshot | null;
  /** Who paused or stopped the app, such as `ada@laptop (10.0.0.7)`. */
  readonly by: string | null;
}

/** The traffic of the last minute. */
export interface TrafficSnapshot {
  readonly requestsPerSecond: number;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly errorShare: number | null;
}

/** As the server words it. All null where nothing is wrong, or the server is older. */
export interface BackendSnapshot {
  readonly state: 'up' | 'down' | null;
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
    throw new CommandFailure(
      'The answer has no phase, so the server is not antract. Check the address (--url).',
    );
  }
  const app = readText(body['app']) ?? 'default';
  const { details } = body;
  return {
    app,
    summary: readText(body['summary']) ?? `App ${app} is ${phase}.`,
    details: Array.isArray(details) ? details.flatMap((line) => readText(line) ?? []) : [],
    phase: phase as Phase,
    held: readNumber(body['held']) ?? 0,
    inFlight: readNumber(body['inFlight']) ?? 0,
    oldestHoldMs: readNumber(body['oldestHoldMs']),
    pausedForMs: readNumber(body['pausedForMs']),
    stoppedForMs: readNumber(body['stoppedForMs']),
    endsInMs: readNumber(body['endsInMs']),
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
    processCount: readPeers(body).length,
    hasStore: readText(body['store']) !== null,
    // Older servers don't say, and most stores are durable.
    isDurable: readText(body['store']) !== null && body['durable'] !== false,
    isStoreLost: body['store'] === 'lost' || body['shared'] === false,
    warning: readText(body['warning']),
    backend: readBackend(body['backend']),
    traffic: readTraffic(body['traffic']),
    by: printable(actorText(parseActor(body['by']))) || null,
  };
}

function readBackend(value: unknown): BackendSnapshot {
  const { state, summary, next, forMs } = isPlainObject(value) ? value : {};
  return {
    state: state === 'up' || state === 'down' ? state : null,
    summary: readText(summary),
    next: readText(next),
    downForMs: state === 'down' ? readNumber(forMs) : null,
  };
}

function readTraffic(value: unknown): TrafficSnapshot | null {
  if (!isPlainObject(value)) return null;
  return {
    requestsPerSecond: readNumber(value['requestsPerSecond']) ?? 0,
    p50Ms: readNumber(value['p50Ms']),
    p95Ms: readNumber(value['p95Ms']),
    errorShare: readNumber(value['errorShare']),
  };
}

function readPeers({ processes }: Body): Record<string, unknown>[] {
  return Array.isArray(processes) ? processes.filter(isPlainObject) : [];
}

function readLost({ lostProcesses }: Body): Record<string, unknown>[] {
  return Array.isArray(lostProcesses) ? lostProcesses.filter(isPlainObject) : [];
}

function nameProcess({ host, pid }: Record<string, unknown>): string {
  return processName({ host: readText(host) ?? '?', pid: readNumber(pid) ?? '?' });
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
