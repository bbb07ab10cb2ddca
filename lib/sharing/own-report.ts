/**
 * What this process tells of itself: what its gates are like now. Knows no store.
 */
import type { Clock } from '../common/clock.ts';
import type { Gate } from '../gate/gate.ts';
import type { Straggler } from '../gate/in-flight.ts';
import type { SharedPauseReport } from '../gate/pause-report.ts';
import { MAX_VALUE } from '../stores/store.ts';
import type { TrafficReport } from '../gate/traffic-stats.ts';
import type { AppReport } from './process-report.ts';

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

/** Of one that this process has nothing of: it has understood what is asked, and has nothing to do. */
const NOTHING: Omit<AppReport, 'version'> = Object.freeze({
  phase: 'running',
  held: 0,
  inFlight: 0,
  longLived: 0,
  oldestHoldMs: null,
  heldDelta: null,
  isDrained: true,
  isOpen: true,
  sharesPace: false,
  stragglers: [],
  traffic: { windowMs: 0, requestsPerSecond: 0, slowestMs: 0 },
  pause: null,
});

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
    stragglers: gate.desiredKind === 'running' ? [] : shorten(gate.stragglers()),
    traffic: { windowMs, requestsPerSecond, slowestMs },
    pause: reportPause(gate, context),
  };
}

/**
 * As many apps as fit into one value, those that are not just running first.
 *
 * @param versions what is understood of each app that is shared.
 */
export function reportApps(
  versions: ReadonlyMap<string, number>,
  context: OwnReportContext,
): Record<string, AppReport> {
  const gates = [...context.gates()].toSorted((a, b) => rank(a) - rank(b));
  const reports = new Map<string, AppReport>();
  let left = MAX_LENGTH;
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
