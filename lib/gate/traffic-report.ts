/** Reports the traffic of one app, also as the sum over several processes. */
import { addSparse, BUCKETS, percentile } from './duration-counts.ts';
import type { MinuteCounts, TrafficStats, TrafficSummary } from './traffic-stats.ts';

/** The traffic of an app in the last minute. */
export interface TrafficStatus {
  /** The time that the figures cover: a minute, or less for a younger app. */
  windowMs: number;
  /** Requests that ended per second, on average. */
  requestsPerSecond: number;
  /** The median duration of a request, from when it passed to the end of its response; null without requests. */
  p50Ms: number | null;
  /** The duration that 95 % of the requests did not exceed; null without requests. */
  p95Ms: number | null;
  /** The share of responses with a status of 500 or more, from 0 to 1; null without requests. */
  errorShare: number | null;
  /** Requests that ended per second in the last 5 s. */
  latestPerSecond: number;
  /** Responses with a status of 500 or more per second in the last 5 s. */
  latestErrorsPerSecond: number;
}

/** The traffic of an app, which shows what to expect of a pause that begins now. */
export interface TrafficReport {
  /** The name of the app. */
  readonly app: string;
  /** The time that the figures cover: five minutes, or less for a younger app. */
  readonly windowMs: number;
  /** Requests that ended per second, on average. */
  readonly requestsPerSecond: number;
  /** Requests in flight now. */
  readonly inFlight: number;
  /** The longest duration of a request, ended or not: a drain may take as long. */
  readonly slowestMs: number;
  /** How many requests would be held after 30 s. */
  readonly expectedHeldIn30s: number;
  /** The figures of the last minute. */
  readonly lastMinute: TrafficStatus;
}

/** What {@link trafficOf} asks of a gate. */
interface MeasuredGate {
  readonly app: string;
  readonly traffic: TrafficStats;
  readonly inFlight: number;
  readonly drain: { stragglers(): readonly { readonly ageMs: number }[] };
}

/** Returns the traffic of an app in this process. */
export function trafficOf(gate: MeasuredGate, now: number): TrafficReport {
  const oldestMs = gate.drain.stragglers()[0]?.ageMs ?? 0;
  return reportTraffic(
    gate.app,
    gate.traffic.summary(now),
    gate.inFlight,
    oldestMs,
    trafficStatus([gate.traffic.lastMinute(now)]),
  );
}

export function reportTraffic(
  app: string,
  { windowMs, ended, slowestMs }: TrafficSummary,
  inFlight: number,
  oldestInFlightMs: number,
  lastMinute: TrafficStatus,
): TrafficReport {
  const perSecond = rate(ended, windowMs);
  return {
    app,
    windowMs: Math.round(windowMs),
    requestsPerSecond: hundredths(perSecond),
    inFlight,
    slowestMs: Math.round(Math.max(slowestMs, oldestInFlightMs)),
    expectedHeldIn30s: Math.round(perSecond * 30),
    lastMinute,
  };
}

/** Adds up the counts of all processes. */
export function trafficStatus(processes: readonly MinuteCounts[]): TrafficStatus {
  const durations = new Float64Array(BUCKETS);
  let [requests, latest, latestErrors, ended, errors, windowMs] = [0, 0, 0, 0, 0, 0];
  for (const one of processes) {
    addSparse(durations, one.durations);
    requests += rate(one.ended, one.windowMs);
    latest += rate(one.latest.ended, one.latest.windowMs);
    latestErrors += rate(one.latest.errors, one.latest.windowMs);
    ended += one.ended;
    errors += one.errors;
    windowMs = Math.max(windowMs, one.windowMs);
  }
  return {
    windowMs: Math.round(windowMs),
    requestsPerSecond: hundredths(requests),
    p50Ms: roundedPercentile(durations, 0.5),
    p95Ms: roundedPercentile(durations, 0.95),
    errorShare: ended === 0 ? null : Math.round((errors / ended) * 10_000) / 10_000,
    latestPerSecond: hundredths(latest),
    latestErrorsPerSecond: hundredths(latestErrors),
  };
}

function roundedPercentile(durations: Float64Array, share: number): number | null {
  const ms = percentile(durations, share);
  return ms === null ? null : Math.round(ms);
}

/** A window of less than a second has no rate: use the count. */
function rate(count: number, windowMs: number): number {
  return count / Math.max(1, windowMs / 1000);
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}
