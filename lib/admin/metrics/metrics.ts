/**
 * Prometheus metrics (https://prometheus.io/docs/practices/naming/): counters from the registry's events,
 * gauges from its status at the time of a scrape.
 */
import type { AntractEvents } from '../../gate/events.ts';
import type { RegistryCore } from '../../registry/registry-core.ts';
import type { StatusFields } from '../../gate/status.ts';
import { AppLabels } from './app-labels.ts';
import { loadPromClient, type MetricsRegister, type PromClient } from './prom-client.ts';

/** Options of the metrics. */
export interface MetricsOptions {
  /**
   * The prom-client `Registry` that antract adds its metrics to. The `metrics` endpoint then returns all
   * metrics in it.
   *
   * @default a new `Registry`
   */
  register?: MetricsRegister | undefined;
}

export interface MetricsSources {
  /** Bytes of held requests' bodies that are kept. */
  spooledBytes?: () => number;
  /** Replaced in tests. */
  client?: PromClient;
}

/** @internal */
export type MeasuredCore = Pick<
  RegistryCore,
  'listOwn' | 'gates' | 'statusOf' | 'isLeader' | 'events' | 'closed'
>;

/** The outcome of a request: passed at once, or the end of its wait. */
const OUTCOMES = ['passed', 'released', 'abandoned', 'rejected'] as const;

/** Why requests are held. */
const REASONS = ['asked', 'lease', 'unplanned'] as const;

type Reason = (typeof REASONS)[number];

const BACKEND_UP = { up: 1, down: 0, unknown: undefined } as const;

/** From a delay that users barely notice to the longest pauses. */
const HOLD_BUCKETS = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

/** @internal @throws AntractError `ERR_ANTRACT_METRICS` where prom-client is not installed. */
export function createMetrics(
  core: MeasuredCore,
  { register: joined }: MetricsOptions = {},
  { spooledBytes = () => 0, client = loadPromClient() }: MetricsSources = {},
): MetricsRegister {
  const register = joined ?? new client.Registry();
  const names: string[] = [];
  const named = (name: string, help: string, labelNames: readonly string[] = ['app']) => {
    names.push(name);
    return { name, help, labelNames, registers: [register] };
  };
  const labels = new AppLabels((app) => core.gates.isDeclared(app));

  addGauges(core, client, named, labels);
  // Without an app label, because the limit `spool.maxTotal` applies to the whole process.
  const spooled = new client.Gauge({
    ...named('antract_spooled_bytes', "Bytes of held requests' bodies that are kept.", []),
    collect: () => spooled.set({}, spooledBytes()),
  });
  const stop = addCounters(core, client, named, labels);
  core.closed.addEventListener('abort', () => {
    stop();
    // A register of the user continues to exist, and gauges of a closed registry would mislead. The own
    // register has the last counts of a worker that exits.
    if (joined) for (const name of names) register.removeSingleMetric(name);
  });
  return register;
}

type Named = (
  name: string,
  help: string,
  labelNames?: readonly string[],
) => { name: string; help: string; labelNames: readonly string[]; registers: MetricsRegister[] };

function addGauges(core: MeasuredCore, client: PromClient, named: Named, labels: AppLabels): void {
  /**
   * @param read returns undefined if there is no value.
   * @param aggregator joins the values of several processes.
   * @param join joins the values of two apps that share a label.
   */
  const add = (
    name: string,
    help: string,
    read: (status: StatusFields) => number | undefined,
    aggregator: 'sum' | 'max' | 'min' = 'sum',
    join = (a: number, b: number) => a + b,
  ): void => {
    const gauge = new client.Gauge({
      ...named(name, help),
      aggregator,
      collect() {
        const values = new Map<string, number>();
        for (const status of core.listOwn()) {
          const app = labels.of(status.app);
          const before = values.get(app);
          const value = read(status);
          if (value !== undefined) {
            values.set(app, before === undefined ? value : join(before, value));
          }
        }
        // Otherwise an evicted app would keep its last value.
        gauge.reset();
        for (const [app, value] of values) gauge.set({ app }, value);
      },
    });
  };
  add(
    'antract_paused',
    'Whether the app is paused: 1, else 0.',
    ({ phase }) => (phase === 'pausing' || phase === 'paused' ? 1 : 0),
    'max',
  );
  add(
    'antract_stopped',
    'Whether the app is stopped, so that requests are answered 503: 1, else 0.',
    ({ phase }) => (phase === 'stopped' ? 1 : 0),
    'max',
  );
  add(
    'antract_outage',
    'Whether requests are held because the backend refuses connections, without a pause: 1, else 0.',
    ({ probe }) => (probe?.unplanned ? 1 : 0),
    'max',
  );
  add(
    'antract_backend_up',
    'Whether the backend answers, as all processes see it: 1, else 0; no value while unknown.',
    ({ app }) => BACKEND_UP[statusOf(core, app).backend.state],
    'min',
    Math.min,
  );
  add('antract_held', 'Held requests.', ({ held }) => held);
  add(
    'antract_in_flight',
    'Requests that were let through and whose response has not ended.',
    ({ inFlight }) => inFlight,
  );
  add(
    'antract_oldest_hold_seconds',
    'How long the oldest held request has waited; 0 without held requests.',
    ({ oldestHoldMs }) => (oldestHoldMs ?? 0) / 1000,
    'max',
    Math.max,
  );
}

/** Returns a function that removes the listeners. */
function addCounters(
  core: MeasuredCore,
  client: PromClient,
  named: Named,
  labels: AppLabels,
): () => void {
  /** How many passed requests of each app have been counted. */
  const passed = new Map<string, number>();
  const begun = new Set<string>();
  /** Creates each series with 0, because a series whose first value is 1 has no rate. */
  const labelOf = (name: string): string => {
    const app = labels.of(name);
    if (begun.has(app)) return app;
    begun.add(app);
    for (const outcome of OUTCOMES) requests.inc({ app, outcome }, 0);
    for (const reason of REASONS) pauses.inc({ app, reason }, 0);
    holds.zero({ app });
    return app;
  };
  const collect = (): void => {
    for (const { app } of core.listOwn())
      countPassed(app, core.gates.find(app)?.traffic.passed ?? 0);
  };
  const countPassed = (name: string, total: number): void => {
    requests.inc({ app: labelOf(name), outcome: 'passed' }, total - (passed.get(name) ?? 0));
    passed.set(name, total);
  };
  const requests = new client.Counter({
    ...named('antract_requests_total', 'Requests, by outcome.', ['app', 'outcome']),
    collect,
  });
  const holds = new client.Histogram({
    ...named('antract_hold_duration_seconds', 'How long requests were held, with any outcome.'),
    buckets: HOLD_BUCKETS,
    collect,
  });
  const pauses = new client.Counter({
    ...named('antract_pauses_total', 'Pauses and unplanned holds, by reason.', ['app', 'reason']),
    collect,
  });

  const end = (outcome: 'released' | 'abandoned' | 'rejected') => {
    return ({ app: name, heldMs }: { app: string; heldMs: number }): void => {
      const app = labelOf(name);
      requests.inc({ app, outcome });
      // 0 means that the request was rejected at once and never held.
      if (outcome !== 'rejected' || heldMs > 0) holds.observe({ app }, heldMs / 1000);
    };
  };
  const begin = (name: string, reason: Reason): void => {
    pauses.inc({ app: labelOf(name), reason });
  };
  const listeners: { [K in keyof AntractEvents]?: (event: AntractEvents[K][0]) => void } = {
    released: end('released'),
    abandoned: end('abandoned'),
    rejected: end('rejected'),
    paused: ({ app }) => {
      // All processes get this event. Only the leader counts it, so that sums are right.
      if (core.isLeader) begin(app, kindOfPause(statusOf(core, app)));
    },
    unreachable: ({ app }) => begin(app, 'unplanned'),
    // If the app returns, its count starts at 0 again.
    evicted: ({ app, passed: total }) => {
      countPassed(app, total);
      passed.delete(app);
    },
  };
  const all = Object.entries(listeners) as [keyof AntractEvents, () => void][];
  for (const [event, listener] of all) core.events.on(event, listener);
  return () => {
    for (const [event, listener] of all) core.events.off(event, listener);
  };
}

/** Returns the status of an app, aggregated over all processes. */
function statusOf(core: MeasuredCore, app: string): StatusFields {
  return core.statusOf(core.gates.peek(app));
}

/**
 * The label must have few values, so it can't be the operator's text. Deploys use a lease; a pause without
 * a lease is one that an operator asked for.
 */
function kindOfPause({ leaseEndsInMs }: StatusFields): Reason {
  return leaseEndsInMs === null ? 'asked' : 'lease';
}
