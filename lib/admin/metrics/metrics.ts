/**
 * The registry as Prometheus metrics (https://prometheus.io/docs/practices/naming/): counters from
 * its events, gauges from its snapshots at the moment of a scrape. Knows no HTTP.
 */
import type { AntractEvents } from '../../gate/events.ts';
import type { RegistryCore } from '../../registry/registry-core.ts';
import type { StatusFields } from '../../gate/status.ts';
import { AppLabels } from './app-labels.ts';
import { loadPromClient, type MetricsRegister, type PromClient } from './prom-client.ts';

/** Options of the metrics. */
export interface MetricsOptions {
  /**
   * A `Registry` of prom-client for antract's metrics to join; `metrics` then answers with all that
   * is in it. Default: one of its own.
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

/** What became of a request: let through at once, or what its wait ended in. */
const OUTCOMES = ['passed', 'released', 'abandoned', 'rejected'] as const;

/** What kind of reason a pause has. */
const REASONS = ['asked', 'lease', 'unplanned'] as const;

type Reason = (typeof REASONS)[number];

const BACKEND_UP = { up: 1, down: 0, unknown: undefined } as const;

/** From what a person may lose in a page's loading time to the longest pauses. */
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
  // A gauge of the whole process: what is spooled is limited as a whole.
  const spooled = new client.Gauge({
    ...named('antract_spooled_bytes', "Bytes of held requests' bodies that are kept.", []),
    collect: () => spooled.set({}, spooledBytes()),
  });
  const stop = addCounters(core, client, named, labels);
  core.closed.addEventListener('abort', () => {
    stop();
    // A joined register lives on; gauges of a registry that is closed would only mislead.
    for (const name of names) register.removeSingleMetric(name);
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
   * @param aggregator what those of several processes come to.
   * @param read undefined where there is no value.
   * @param join what two apps that share a label come to.
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
        // An app that was forgotten has no value any more, rather than its last one for ever.
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
    'Whether requests are held for a backend that refuses connections with nobody having paused: 1, else 0.',
    ({ probe }) => (probe?.unplanned ? 1 : 0),
    'max',
  );
  add(
    'antract_backend_up',
    'Whether the backend answers, as all processes see it: 1, else 0; no value while that is unknown.',
    ({ app }) => BACKEND_UP[statusOf(core, app).backend.state],
    'min',
    Math.min,
  );
  add('antract_held', 'Requests that wait here.', ({ held }) => held);
  add(
    'antract_in_flight',
    'Requests that were let through and whose response has not ended.',
    ({ inFlight }) => inFlight,
  );
  add(
    'antract_oldest_hold_seconds',
    'How long the request that has waited longest has done so; 0 where none waits.',
    ({ oldestHoldMs }) => (oldestHoldMs ?? 0) / 1000,
    'max',
    Math.max,
  );
}

/** Returns what takes the listeners off again. */
function addCounters(
  core: MeasuredCore,
  client: PromClient,
  named: Named,
  labels: AppLabels,
): () => void {
  /** How many of each app have been counted. */
  const passed = new Map<string, number>();
  const begun = new Set<string>();
  /** Each series is there from the start: a rate can't be had of one whose first value is 1. */
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
    ...named('antract_requests_total', 'Requests, by what became of them.', ['app', 'outcome']),
    collect,
  });
  const holds = new client.Histogram({
    ...named('antract_hold_duration_seconds', 'How long requests waited, however it ended.'),
    buckets: HOLD_BUCKETS,
    collect,
  });
  const pauses = new client.Counter({
    ...named(
      'antract_pauses_total',
      'Pauses, and unplanned holds, by what kind of reason began them.',
      ['app', 'reason'],
    ),
    collect,
  });

  const end = (outcome: 'released' | 'abandoned' | 'rejected') => {
    return ({ app: name, heldMs }: { app: string; heldMs: number }): void => {
      const app = labelOf(name);
      requests.inc({ app, outcome });
      // 0 is one that was refused at once and never waited.
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
      // Of several processes that see the same, one counts it, so that they can be added up.
      if (core.isLeader) begin(app, kindOfPause(statusOf(core, app)));
    },
    // Nobody has paused, and yet requests are held.
    unreachable: ({ app }) => begin(app, 'unplanned'),
    // Should it come back, it counts from 0 again.
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
 * What kind of reason a pause has, as what an operator types is without bounds: a lease is how a
 * deploy asks, all else somebody asked for.
 */
function kindOfPause({ leaseEndsInMs }: StatusFields): Reason {
  return leaseEndsInMs === null ? 'asked' : 'lease';
}
