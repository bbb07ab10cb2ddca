/** The gauges: what is true at the time of a scrape. */
import type { RegistryCore } from '../../registry/registry-core.ts';
import { PHASES, type Phase } from '../../gate/phase.ts';
import type { StatusFields } from '../../gate/status.ts';
import type { MetricDefinition, Sample } from './metric.ts';

/** @internal */
export type MeasuredCore = Pick<
  RegistryCore,
  'listOwn' | 'gates' | 'statusOf' | 'settings' | 'clock' | 'totals' | 'closed' | 'appNames'
>;

const BACKEND_UP = { up: 1, down: 0, unknown: undefined } as const;

const sum = (a: number, b: number): number => a + b;

export function gauges(core: MeasuredCore): MetricDefinition[] {
  /** Returns the status of an app, aggregated over all processes. */
  const statusOf = (app: string): StatusFields => core.statusOf(core.gates.peek(app));
  /**
   * @param aggregator joins the values of several processes.
   * @param join joins the values of two apps that share a label.
   * @param read returns undefined if there is no value.
   */
  const gauge = (
    name: string,
    help: string,
    read: (status: StatusFields) => number | undefined,
    aggregator: MetricDefinition['aggregator'] = 'sum',
    join = sum,
  ): MetricDefinition => ({
    name,
    help,
    type: 'gauge',
    aggregator,
    read: () => samplesByApp(core, read, join),
  });
  return [
    phases(core, statusOf),
    gauge(
      'antract_outage',
      'Whether requests are held because the backend refuses connections, without a pause: 1, else 0.',
      ({ probe }) => (probe?.unplanned ? 1 : 0),
      'max',
    ),
    gauge(
      'antract_backend_up',
      'Whether the backend answers, as all processes see it: 1, else 0; no value while unknown.',
      ({ app }) => BACKEND_UP[statusOf(app).backend.state],
      'min',
      Math.min,
    ),
    gauge('antract_held', 'Held requests.', ({ held }) => held),
    gauge(
      'antract_held_limit',
      'How many requests may be held at once (maxQueue).',
      ({ app }) => (core.settings.apps.get(app) ?? core.settings).maxQueue,
    ),
    gauge(
      'antract_in_flight',
      'Requests that were let through and whose response has not ended.',
      ({ inFlight }) => inFlight,
    ),
    gauge(
      'antract_oldest_hold_seconds',
      'How long the oldest held request has waited; 0 without held requests.',
      ({ oldestHoldMs }) => (oldestHoldMs ?? 0) / 1000,
      'max',
      Math.max,
    ),
    gauge(
      'antract_pause_end_timestamp_seconds',
      'When the pause ends by itself, in Unix time; no value without a pause.',
      ({ pausedForMs, endsInMs }) =>
        pausedForMs === null || endsInMs === null
          ? undefined
          : Math.round((core.clock.date() + endsInMs) / 1000),
      'max',
      Math.min,
    ),
  ];
}

/** One series for each phase, so that a query can name it. Exactly one of them is 1 for each app. */
function phases(core: MeasuredCore, statusOf: (app: string) => StatusFields): MetricDefinition {
  return {
    name: 'antract_phase',
    help: 'The phase of the app, as all processes see it: 1 for the present phase, else 0.',
    type: 'gauge',
    // For a moment, two processes may see different phases.
    aggregator: 'max',
    read() {
      const apps = core.appNames.map((name) => ({
        app: core.totals.labels.of(name),
        phase: statusOf(name).phase,
      }));
      const count = (app: string, phase: Phase): number =>
        apps.filter((each) => each.app === app && each.phase === phase).length;
      return [...new Set(apps.map(({ app }) => app))].flatMap((app) =>
        PHASES.map((phase) => ({ labels: { app, phase }, value: count(app, phase) })),
      );
    },
  };
}

function samplesByApp(
  core: MeasuredCore,
  read: (status: StatusFields) => number | undefined,
  join: (a: number, b: number) => number,
): Sample[] {
  const values = new Map<string, number>();
  for (const status of core.listOwn()) {
    const value = read(status);
    if (value === undefined) continue;
    const app = core.totals.labels.of(status.app);
    const before = values.get(app);
    values.set(app, before === undefined ? value : join(before, value));
  }
  return [...values].map(([app, value]) => ({ labels: { app }, value }));
}
