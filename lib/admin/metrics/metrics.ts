/**
 * Prometheus metrics (https://prometheus.io/docs/practices/naming/). They only read: the counting does not depend
 * on a scrape.
 */
import { readVersion } from '../../common/version.ts';
import { counters } from './counters.ts';
import { gauges, type MeasuredCore } from './gauges.ts';
import { registerMetrics, type MetricDefinition } from './metric.ts';
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

/** @internal @throws AntractError `ERR_ANTRACT_METRICS` where prom-client is not installed. */
export function createMetrics(
  core: MeasuredCore,
  { register: joined }: MetricsOptions = {},
  { spooledBytes = () => 0, client = loadPromClient() }: MetricsSources = {},
): MetricsRegister {
  const register = joined ?? new client.Registry();
  const remove = registerMetrics(register, [
    ...gauges(core),
    ...counters(core),
    ofProcess(spooledBytes),
    buildInfo(),
  ]);
  // A register of the user continues to exist, and gauges of a closed registry would mislead. The own
  // register has the last counts of a worker that exits.
  if (joined) core.closed.addEventListener('abort', remove);
  return register;
}

/** Without an app label, because the limit `spool.maxTotal` applies to the whole process. */
function ofProcess(spooledBytes: () => number): MetricDefinition {
  return {
    name: 'antract_spooled_bytes',
    help: "Bytes of held requests' bodies that are kept.",
    type: 'gauge',
    aggregator: 'sum',
    read: () => [{ labels: {}, value: spooledBytes() }],
  };
}

function buildInfo(): MetricDefinition {
  const version = readVersion();
  return {
    name: 'antract_build_info',
    help: 'Always 1; the label has the version of antract.',
    type: 'gauge',
    aggregator: 'max',
    read: () => [{ labels: { version }, value: 1 }],
  };
}
