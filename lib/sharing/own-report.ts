/**
 * What this process tells of itself: what its gates are like now. Knows no store.
 */
import type { Gate } from '../gate.ts';
import type { SharedPauseReport } from '../pause-report.ts';
import type { TrafficReport } from '../traffic-stats.ts';
import type { AppReport } from './process-report.ts';

export interface OwnReportContext {
  readonly gates: () => Iterable<Gate>;
  readonly pauseReport: (app: string) => SharedPauseReport | undefined;
  readonly traffic: (gate: Gate) => TrafficReport;
}

/** There is a limit to what can be told. */
const MAX_APPS = 200;

/** Of one that this process has nothing of: it has understood what is asked, and has nothing to do. */
const NOTHING: Omit<AppReport, 'version'> = Object.freeze({
  phase: 'running',
  held: 0,
  inFlight: 0,
  longLived: 0,
  oldestHoldMs: null,
  trend: null,
  isDrained: true,
  isOpen: true,
  sharesPace: false,
  stragglers: [],
  traffic: { windowMs: 0, requestsPerSecond: 0, slowestMs: 0 },
  pause: null,
});

/** @param version what is understood of the app. */
export function reportApp(
  gate: Gate,
  version: number,
  { pauseReport, traffic }: OwnReportContext,
): AppReport {
  const { phase, held, inFlight, longLived, oldestHoldMs, trend } = gate.status();
  const { windowMs, requestsPerSecond, slowestMs } = traffic(gate);
  return {
    version,
    phase,
    held,
    inFlight,
    longLived,
    oldestHoldMs,
    trend,
    isDrained: gate.isDrained,
    isOpen: gate.isOpen,
    sharesPace: gate.sharesPace,
    stragglers: gate.intent === 'running' ? [] : gate.stragglers(),
    traffic: { windowMs, requestsPerSecond, slowestMs },
    pause: pauseReport(gate.app) ?? null,
  };
}

/** @param versions what is understood of each app that is shared. */
export function reportApps(
  versions: ReadonlyMap<string, number>,
  context: OwnReportContext,
): Record<string, AppReport> {
  const reports = new Map<string, AppReport>();
  for (const [app, version] of versions) reports.set(app, { ...NOTHING, version });
  // Those that are not just running first.
  const gates = [...context.gates()].toSorted((a, b) => rank(a) - rank(b));
  for (const gate of gates.slice(0, MAX_APPS)) {
    reports.set(gate.app, reportApp(gate, versions.get(gate.app) ?? 0, context));
  }
  return Object.fromEntries(reports);
}

function rank(gate: Gate): number {
  if (!gate.isOpen) return 0;
  return gate.isIdle ? 2 : 1;
}
