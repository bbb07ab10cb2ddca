/**
 * The report of a process, and its text in the store.
 */
import type { Straggler } from '../gate/in-flight.ts';
import type { SharedPauseReport } from '../gate/pause-report.ts';
import type { Settings } from '../options/settings.ts';
import { sumCounts, type Counts, type StatusFields, type BackendStatus } from '../gate/status.ts';
import type { TrafficReport } from '../gate/traffic-report.ts';
import type { MinuteCounts } from '../gate/traffic-stats.ts';
import { isPlainObject } from '../common/validate.ts';

type Policy = Settings['onStoreError'];

/** Identifies a process. */
export interface ProcessIdentity {
  /** Unique for each run of a process, because a pid is used again. */
  readonly id: string;
  readonly host: string;
  readonly pid: number;
}

/** The report of one app in one process. */
export interface AppReport
  extends Counts, Pick<StatusFields, 'phase' | 'oldestHoldMs' | 'heldDelta'> {
  /** The version of the desired state that the process has acknowledged. */
  readonly version: number;
  /** No request is in flight that a drain waits for. */
  readonly isDrained: boolean;
  /** How the process sees the backend. Missing if that is unknown. */
  readonly backend?: BackendStatus;
  /** No request is held, the backend answers as far as it is known, and no probe is running. */
  readonly isOpen: boolean;
  /** The process releases requests, or waits for their responses. It takes part in the pace. */
  readonly sharesPace: boolean;
  /** How often the backend has answered its probe after a failure. Older versions don't report it. */
  readonly answers?: number;
  /** How long ago the backend last answered this process. Missing if it never did. */
  readonly answeredMs?: number;
  readonly stragglers: readonly Straggler[];
  readonly traffic: ReportedTraffic;
  /** The report of the last pause in this process. */
  readonly pause: SharedPauseReport | null;
}

export interface ReportedTraffic extends Pick<
  TrafficReport,
  'windowMs' | 'requestsPerSecond' | 'slowestMs'
> {
  /** Missing if no request ended in the last minute. Older versions don't report it. */
  readonly minute?: MinuteCounts;
}

/** What distinguishes the successor of a process from other processes on the same host. */
export interface ProcessOrigin extends ProcessIdentity {
  /** Where it listens, such as `0.0.0.0:8080`; null if that is unknown. */
  readonly address: string | null;
  /** Its number among the workers of a cluster, which only grows; null if it is not a worker. */
  readonly worker: number | null;
  /** The number of its generation, if later processes at the same address replace it; else null. */
  readonly leaving: number | null;
  /** When it started, by the clock of its host. */
  readonly startedAt: number;
}

/** The report of an app without requests: acknowledged, drained and open. */
export const NOTHING: Omit<AppReport, 'version'> = Object.freeze({
  phase: 'running',
  ...sumCounts([]),
  oldestHoldMs: null,
  heldDelta: null,
  isDrained: true,
  isOpen: true,
  sharesPace: false,
  stragglers: [],
  traffic: { windowMs: 0, requestsPerSecond: 0, slowestMs: 0 },
  pause: null,
});

interface ReportHead extends ProcessOrigin {
  /** When the report was written, by the same clock as {@link startedAt}. */
  readonly at: number;
  /** What the process does while it can't reach the store. */
  readonly onStoreError: Policy;
  /** See {@link PROTOCOL}. */
  readonly protocol?: number;
  /** Grows with each report, so that an old report that is read again does not count. */
  readonly beat: number;
}

export interface ProcessReport extends ReportHead {
  readonly apps: Readonly<Record<string, AppReport>>;
  /**
   * Processes that don't report and may still run. A process that starts later learns of them from here,
   * even if the store has lost their own reports.
   */
  readonly silent: readonly SilentReport[];
}

/** The last report of a silent process, passed on by another process. */
export interface SilentReport extends ReportHead {
  readonly silentForMs: number;
  /** The apps that were drained there, each with the version that the process had acknowledged. */
  readonly drained: Readonly<Record<string, number>>;
}

export function writeReport(report: ProcessReport): string {
  return JSON.stringify(report);
}

/** Returns undefined if the text is not a valid report: another version may have written it. */
export function readReport(text: string): ProcessReport | undefined {
  const report = parse(text);
  if (!report) return undefined;
  const { apps, silent } = report;
  const head = readHead(report);
  const isWhole = head && isPlainObject(apps) && Object.values(apps).every(isAppReport);
  if (!isWhole) return undefined;
  return {
    ...head,
    apps: apps as ProcessReport['apps'],
    silent: Array.isArray(silent) ? silent.flatMap((one) => readSilent(one) ?? []) : [],
  };
}

/** @returns undefined if the entry is not valid. */
function readSilent(entry: unknown): SilentReport | undefined {
  if (!isPlainObject(entry)) return undefined;
  const head = readHead(entry);
  const { silentForMs, drained } = entry;
  const isWhole =
    head &&
    typeof silentForMs === 'number' &&
    isPlainObject(drained) &&
    Object.values(drained).every((version) => typeof version === 'number');
  return isWhole
    ? { ...head, silentForMs, drained: drained as SilentReport['drained'] }
    : undefined;
}

function readHead(report: Record<string, unknown>): ReportHead | undefined {
  const { id, host, pid, beat, address, worker, leaving, startedAt, at, onStoreError } = report;
  const isWhole =
    typeof id === 'string' &&
    typeof host === 'string' &&
    typeof pid === 'number' &&
    typeof beat === 'number';
  if (!isWhole) return undefined;
  // Another version may not report these. Then the process replaces no other, and never keeps a pause.
  return {
    id,
    host,
    pid,
    beat,
    address: typeof address === 'string' ? address : null,
    worker: typeof worker === 'number' ? worker : null,
    leaving: typeof leaving === 'number' ? leaving : null,
    startedAt: typeof startedAt === 'number' ? startedAt : NaN,
    at: typeof at === 'number' ? at : NaN,
    onStoreError: typeof onStoreError === 'string' ? (onStoreError as Policy) : 'open',
  };
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return isPlainObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

const NUMBERS = ['version', 'held', 'inFlight', 'longLived'] as const;
const FLAGS = ['isDrained', 'isOpen', 'sharesPace'] as const;

function isBackend(backend: unknown): boolean {
  if (backend === undefined) return true;
  return (
    isPlainObject(backend) &&
    (backend['state'] === 'up' || backend['state'] === 'down') &&
    typeof backend['forMs'] === 'number' &&
    typeof backend['seenMs'] === 'number'
  );
}

function isTraffic(traffic: unknown): boolean {
  if (!isPlainObject(traffic)) return false;
  const { minute } = traffic;
  if (minute === undefined) return true;
  if (!isPlainObject(minute)) return false;
  const { latest, durations } = minute;
  return (
    isCounts(minute) &&
    isPlainObject(latest) &&
    isCounts(latest) &&
    Array.isArray(durations) &&
    durations.every((one) => typeof one === 'number')
  );
}

function isCounts(counts: Record<string, unknown>): boolean {
  return ['windowMs', 'ended', 'errors'].every((name) => typeof counts[name] === 'number');
}

function isAppReport(app: unknown): boolean {
  return (
    isPlainObject(app) &&
    NUMBERS.every((name) => typeof app[name] === 'number') &&
    FLAGS.every((name) => typeof app[name] === 'boolean') &&
    Array.isArray(app['stragglers']) &&
    isTraffic(app['traffic']) &&
    (app['answeredMs'] === undefined || typeof app['answeredMs'] === 'number') &&
    isBackend(app['backend'])
  );
}
