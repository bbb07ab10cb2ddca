/**
 * What this process tells of itself: what its gates are like now. Knows no store.
 */
import type { Clock } from '../common/clock.ts';
import type { Gate } from '../gate/gate.ts';
import type { Straggler } from '../gate/in-flight.ts';
import type { SharedPauseReport } from '../gate/pause-report.ts';
import { MAX_VALUE } from '../stores/store.ts';
import type { TrafficReport } from '../gate/traffic-stats.ts';
import type { Peer } from './peers.ts';
import { NOTHING, type AppReport, type SilentReport } from './process-report.ts';

export interface OwnReportContext {
  readonly gates: () => Iterable<Gate>;
  readonly pauseReport: (app: string) => SharedPauseReport | undefined;
  readonly traffic: (gate: Gate) => TrafficReport;
  readonly clock: Clock;
}

/** What others name of those in the way; their paths come from clients. */
const MAX_STRAGGLERS = 5;
const MAX_PATH = 200;
/** For how long what came of a pause is told after its end. */
const TELL_MS = 60_000;
/** What is left of a value for the apps in it. */
const MAX_LENGTH = MAX_VALUE - 1024;
/** What is left of a value for silent processes; the apps get the rest. */
const MAX_SILENT_LENGTH = MAX_VALUE / 4;
/** What is left of that for the drained apps of one process. */
const MAX_DRAINED_LENGTH = 1024;

/** @param version what is understood of the app. */
export function reportApp(gate: Gate, version: number, context: OwnReportContext): AppReport {
  const { phase, held, inFlight, longLived, oldestHoldMs, heldDelta, backend } = gate.status();
  const { windowMs, requestsPerSecond, slowestMs } = context.traffic(gate);
  return {
    version,
    phase,
    held,
    inFlight,
    longLived,
    oldestHoldMs,
    heldDelta,
    isDrained: gate.isDrained,
    ...(backend.state !== 'unknown' && { backend }),
    isOpen: gate.isReopened,
    sharesPace: gate.sharesPace,
    answers: gate.answers,
    ...(gate.answeredMs !== null && { answeredMs: gate.answeredMs }),
    stragglers: gate.desiredKind === 'running' ? [] : shorten(gate.stragglers()),
    traffic: { windowMs, requestsPerSecond, slowestMs },
    pause: reportPause(gate, context),
  };
}

/**
 * What one report says: first the silent processes, then as many apps as still fit.
 *
 * @param silent those that are not heard of, the latest last.
 */
export function reportContents(
  versions: ReadonlyMap<string, number>,
  silent: readonly Peer[],
  context: OwnReportContext,
): { silent: SilentReport[]; apps: Record<string, AppReport> } {
  const now = context.clock.now();
  const told: SilentReport[] = [];
  let length = 0;
  for (const one of silent.toReversed()) {
    const report = reportSilent(one, now);
    length += JSON.stringify(report).length + 1;
    if (length > MAX_SILENT_LENGTH) break;
    told.push(report);
  }
  const left = MAX_LENGTH - Math.min(length, MAX_SILENT_LENGTH);
  return { silent: told, apps: reportApps(versions, context, left) };
}

function reportSilent(peer: Peer, now: number): SilentReport {
  const { id, host, pid, address, worker, startedAt, at, onStoreError, beat, apps, heardAt } = peer;
  const drained: Record<string, number> = {};
  let left = MAX_DRAINED_LENGTH;
  // Without its entry, an app counts as one that this process did not drain: a drain is then refused.
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
    startedAt,
    at,
    onStoreError,
    beat,
    silentForMs,
    drained,
  };
}

/**
 * As many apps as fit into one value, those that are not just running first.
 *
 * @param versions what is understood of each app that is shared.
 */
function reportApps(
  versions: ReadonlyMap<string, number>,
  context: OwnReportContext,
  maxLength = MAX_LENGTH,
): Record<string, AppReport> {
  const gates = [...context.gates()].toSorted((a, b) => rank(a) - rank(b));
  const reports = new Map<string, AppReport>();
  let left = maxLength;
  const add = (app: string, report: AppReport): void => {
    left -= JSON.stringify([app, report]).length;
    if (left >= 0) reports.set(app, report);
  };
  for (const gate of gates) {
    if (left > 0) add(gate.app, reportApp(gate, versions.get(gate.app) ?? 0, context));
  }
  for (const [app, version] of versions) {
    if (!reports.has(app) && left > 0) add(app, { ...NOTHING, version });
  }
  return Object.fromEntries(reports);
}

function rank(gate: Gate): number {
  if (!gate.isOpen) return 0;
  return gate.isIdle ? 2 : 1;
}

/** Until nobody asks any more. */
function reportPause(
  { app, desiredKind, state }: Gate,
  { pauseReport, clock }: OwnReportContext,
): SharedPauseReport | null {
  const report = pauseReport(app);
  const isOver =
    report?.complete && desiredKind === 'running' && clock.now() - state.since > TELL_MS;
  return report && !isOver ? { ...report, stragglers: shorten(report.stragglers) } : null;
}

function shorten(stragglers: readonly Straggler[]): Straggler[] {
  return stragglers
    .slice(0, MAX_STRAGGLERS)
    .map(({ path, ...rest }) => ({ ...rest, path: path.slice(0, MAX_PATH) }));
}
