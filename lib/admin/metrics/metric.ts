/**
 * A metric whose values are read at each scrape, in the shape that a `Registry` of prom-client takes. The classes
 * of prom-client can't be used: their counters and histograms only count themselves.
 */
import type { Histogram } from '../../common/histogram.ts';
import type { MetricsRegister } from './prom-client.ts';

type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** The name of the series, if it is not the metric's. */
  readonly metricName?: string;
}

export interface MetricDefinition {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** How the values of several processes are joined. */
  readonly aggregator: 'sum' | 'max' | 'min';
  readonly read: () => Sample[];
}

/** Returns a function that removes the metrics. */
export function registerMetrics(
  register: MetricsRegister,
  definitions: readonly MetricDefinition[],
): () => void {
  const metrics = definitions.map(({ read, ...fields }) => ({
    ...fields,
    // The register may have changed the name: in OpenMetrics, counters have no `_total` there.
    async get() {
      const { name, help, type, aggregator } = this;
      return { name, help, type, aggregator, values: read() };
    },
    /** For `Registry.resetMetrics()`. What was counted stays. */
    reset: () => undefined,
  }));
  for (const metric of metrics) register.registerMetric(metric as never);
  return () => {
    for (const { name } of metrics) register.removeSingleMetric(name);
  };
}

/** The series of one histogram. */
export function histogramSamples(name: string, labels: Labels, histogram: Histogram): Sample[] {
  const { bounds, counts, sum } = histogram;
  let count = 0;
  const buckets = counts.map((own, i) => {
    count += own;
    const le = String(bounds[i] ?? '+Inf');
    return { labels: { le, ...labels }, value: count, metricName: `${name}_bucket` };
  });
  return [
    ...buckets,
    { labels, value: sum, metricName: `${name}_sum` },
    { labels, value: count, metricName: `${name}_count` },
  ];
}
