/**
 * What this process reports: the present state of its gates.
 */
import type { Clock } from '../common/clock.ts';
import type { Gate } from '../gate/gate.ts';
import type { Straggler } from '../gate/in-flight.ts';
import type { PauseReports, SharedPauseReport } from '../gate/pause-report.ts';
import { sumCounts } from '../gate/status.ts';
import { trafficOf } from '../gate/traffic-report.ts';
import { MAX_VALUE } from '../stores/store.ts';
import type { GateSource } from './gate-source.ts';
import type { Peer } from './peers.ts';
import {
  NOTHING,
  type AppReport,
  type ReportedTraffic,
  type SilentReport,
} from './process-report.ts';

interface GateReportDeps {
  readonly clock: Clock;
  readonly reports: Pick<PauseReports, 'of'>;
}

export interface ReportDeps extends GateReportDeps {
  readonly gates: GateSource;
}

/** Limits for stragglers; their paths come from clients. */
const MAX_STRAGGLERS = 5;
const MAX_PATH = 200;
/** How long the report of a pause is sent after its end. */
const KEEP_PAUSE_MS = 60_000;
/** The share of a value that the apps and silent processes get. */
const MAX_LENGTH = MAX_VALUE - 1024;
/** The part of it for silent processes; the apps get the rest. */
const MAX_SILENT_LENGTH = MAX_VALUE / 4;
/** The part of it for the drained apps of one silent process. */
const MAX_DRAINED_LENGTH = 1024;

/** @param version the acknowledged version of the app. */
export function reportApp(gate: Gate, version: number, deps: GateReportDeps): AppReport {
  const status = gate.status();
  const { phase, oldestHoldMs, heldDelta, backend } = status;
  return {
    version,
    phase,
    ...sumCounts([status]),
    oldestHoldMs,
    heldDelta,
    isDrained: gate.drain.isDrained,
    ...(backend.state !== 'unknown' && { backend }),
    isOpen: gate.releaser.isDone,
    sharesPace: gate.releaser.sharesPace,
    answers: gate.backend.answers,
    ...(gate.backend.answeredMs !== null && { answeredMs: gate.backend.answeredMs }),
    stragglers: gate.desiredKind === 'running' ? [] : shorten(gate.drain.stragglers()),
    traffic: reportTraffic(gate, deps.clock.now()),
    pause: reportPause(gate, deps),
  };
}

/**
 * Builds one report: first the silent processes, then as many apps as fit.
 *
 * @param versions the acknowledged version of each app that is shared.
 * @param silent the processes that don't report, the latest last.
 */
export function reportContents(
  versions: ReadonlyMap<string, number>,
  silent: readonly Peer[],
  deps: ReportDeps,
): { silent: SilentReport[]; apps: Record<string, AppReport> } {
  const now = deps.clock.now();
  const reports: SilentReport[] = [];
  let length = 0;
  for (const one of silent.toReversed()) {
    const report = reportSilent(one, now);
    length += JSON.stringify(report).length + 1;
    if (length > MAX_SILENT_LENGTH) break;
    reports.push(report);
  }
  const left = MAX_LENGTH - Math.min(length, MAX_SILENT_LENGTH);
  return { silent: reports, apps: reportApps(versions, deps, left) };
}

function reportSilent(peer: Peer, now: number): SilentReport {
  const {
    id,
    host,
    pid,
    address,
    worker,
    leaving,
    startedAt,
    at,
    onStoreError,
    beat,
    apps,
    heardAt,
  } = peer;
  const drained: Record<string, number> = {};
  let left = MAX_DRAINED_LENGTH;
  // An app without an entry counts as not drained there, which rejects a drain rather than completes it.
  for (const [app, { version, isDrained }] of Object.entries(apps)) {
    left -= app.length + 20;
    if (isDrained && version > 0 && left > 0) drained[app] = version;
  }
  const silentForMs = Math.round(now - heardAt);
  return {
    id,
    host,
    pid,
    address,
    worker,
    leaving,
    startedAt,
    at,
    onStoreError,
    beat,
    silentForMs,
    drained,
  };
}

/** Reports as many apps as fit into one value. Apps that are not just running come first. */
function reportApps(
  versions: ReadonlyMap<string, number>,
  deps: ReportDeps,
  maxLength: number,
): Record<string, AppReport> {
  const gates = [...deps.gates].toSorted((a, b) => rank(a) - rank(b));
  const reports = new Map<string, AppReport>();
  let left = maxLength;
  const add = (app: string, report: AppReport): void => {
    left -= JSON.stringify([app, report]).length;
    if (left >= 0) reports.set(app, report);
  };
  for (const gate of gates) {
    if (left > 0) add(gate.app, reportApp(gate, versions.get(gate.app) ?? 0, deps));
  }
  for (const [app, version] of versions) {
    if (!reports.has(app) && left > 0) add(app, { ...NOTHING, version });
  }
  return Object.fromEntries(reports);
}

function reportTraffic(gate: Gate, now: number): ReportedTraffic {
  const { windowMs, requestsPerSecond, slowestMs } = trafficOf(gate, now);
  const minute = gate.traffic.lastMinute(now);
  return { windowMs, requestsPerSecond, slowestMs, ...(minute.ended > 0 && { minute }) };
}

function rank(gate: Gate): number {
  if (!gate.isOpen) return 0;
  return gate.isIdle ? 2 : 1;
}

function reportPause(
  { app, desiredKind, state }: Gate,
  { reports, clock }: GateReportDeps,
): SharedPauseReport | null {
  const report = reports.of(app);
  const isOld =
    report?.complete && desiredKind === 'running' && clock.now() - state.since > KEEP_PAUSE_MS;
  return report && !isOld ? { ...report, stragglers: shorten(report.stragglers) } : null;
}

function shorten(stragglers: readonly Straggler[]): Straggler[] {
  return stragglers
    .slice(0, MAX_STRAGGLERS)
    .map(({ path, ...rest }) => ({ ...rest, path: path.slice(0, MAX_PATH) }));
}
