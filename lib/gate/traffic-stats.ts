/**
 * The traffic of one app in the last minutes, in memory of a fixed size. A request costs two additions at
 * most; the rest is computed when the traffic is reported.
 */

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
}

export interface TrafficSummary {
  readonly windowMs: number;
  readonly ended: number;
  readonly slowestMs: number;
}

const SECONDS = 300;

export class TrafficStats {
  /** How many requests passed without being held, since the gate was created. */
  passed = 0;

  readonly #begun: number;
  #second: number;
  // Allocated when the first request ends, because up to a thousand apps may never have one.
  #counts: Uint32Array | undefined;
  #slowest: Float64Array | undefined;

  /** Times are milliseconds on a monotonic clock. */
  constructor(now: number) {
    this.#begun = now;
    this.#second = secondOf(now);
  }

  /** A request has ended that passed `durationMs` ago. */
  record(now: number, durationMs: number): void {
    this.#counts ??= new Uint32Array(SECONDS);
    this.#slowest ??= new Float64Array(SECONDS);
    const second = secondOf(now);
    if (second > this.#second) this.#turnTo(second);
    const bucket = second % SECONDS;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    if (durationMs > (this.#slowest[bucket] as number)) this.#slowest[bucket] = durationMs;
  }

  summary(now: number): TrafficSummary {
    const second = secondOf(now);
    if (second > this.#second) this.#turnTo(second);
    const start = Math.max(this.#begun, (second - SECONDS + 1) * 1000);
    return {
      windowMs: Math.max(0, now - start),
      ended: this.#counts?.reduce((sum, count) => sum + count, 0) ?? 0,
      slowestMs: this.#slowest?.reduce((most, ms) => Math.max(most, ms), 0) ?? 0,
    };
  }

  /** Empties the buckets of the seconds since the last one: their counts are too old. */
  #turnTo(second: number): void {
    const since = Math.max(this.#second, second - SECONDS) + 1;
    for (let each = since; each <= second; each++) {
      if (this.#counts) this.#counts[each % SECONDS] = 0;
      if (this.#slowest) this.#slowest[each % SECONDS] = 0;
    }
    this.#second = second;
  }
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
  return reportTraffic(gate.app, gate.traffic.summary(now), gate.inFlight, oldestMs);
}

export function reportTraffic(
  app: string,
  { windowMs, ended, slowestMs }: TrafficSummary,
  inFlight: number,
  oldestInFlightMs: number,
): TrafficReport {
  // A window of less than a second has no rate: use the count.
  const perSecond = ended / Math.max(1, windowMs / 1000);
  return {
    app,
    windowMs: Math.round(windowMs),
    requestsPerSecond: Math.round(perSecond * 100) / 100,
    inFlight,
    slowestMs: Math.round(Math.max(slowestMs, oldestInFlightMs)),
    expectedHeldIn30s: Math.round(perSecond * 30),
  };
}

function secondOf(now: number): number {
  return Math.floor(now / 1000);
}
