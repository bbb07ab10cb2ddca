/**
 * prom-client, an optional peer dependency: loaded when metrics are asked for and not before.
 * Describes the little of it that is used, so that no type of it is part of what this package
 * exports. Knows no metric.
 */
import { loadOptionalPackage } from '../../common/optional-package.ts';

/** What a `Registry` has, to be sent to another process. */
export type MetricsJson = readonly MetricJson[];

/** One metric, as prom-client exports it. */
export interface MetricJson {
  /** The name of the metric, such as `antract_held`. */
  readonly name: string;
  /** The type of the metric, as prom-client names it. */
  readonly type: unknown;
}

/** A `Registry` of prom-client. */
export interface MetricsRegister {
  /** The value of `Content-Type` for the text of `metrics()`. */
  readonly contentType: string;
  /** Resolves with all metrics as text. */
  metrics(): Promise<string>;
  /** Resolves with all metrics, for another process. */
  getMetricsAsJSON(): Promise<MetricsJson>;
  /** Adds a metric. */
  registerMetric(metric: never): void;
  /** Removes the metric of this name. */
  removeSingleMetric(name: string): void;
}

export type Labels = Readonly<Record<string, string>>;

interface MetricOptions {
  name: string;
  help: string;
  labelNames?: readonly string[];
  registers: readonly MetricsRegister[];
  /** How those of several processes are joined. Default: by adding them up. */
  aggregator?: 'sum' | 'max' | 'min';
  /** Called before the metric is read. */
  collect?: () => void;
  /** Of a histogram. */
  buckets?: readonly number[];
}

export interface Gauge {
  reset(): void;
  set(labels: Labels, value: number): void;
}

export interface Counter {
  inc(labels: Labels, value?: number): void;
}

export interface Histogram {
  observe(labels: Labels, value: number): void;
  /** Makes the series; those that are there it sets back. */
  zero(labels: Labels): void;
}

export interface PromClient {
  readonly Registry: new () => MetricsRegister;
  readonly AggregatorRegistry: {
    /** Joins those of several processes. */
    aggregate(all: readonly MetricsJson[], contentType?: string): MetricsRegister;
  };
  readonly Gauge: new (options: MetricOptions) => Gauge;
  readonly Counter: new (options: MetricOptions) => Counter;
  readonly Histogram: new (options: MetricOptions) => Histogram;
}

/** @throws AntractError `ERR_ANTRACT_METRICS` where it is not installed. */
export function loadPromClient(): PromClient {
  return loadOptionalPackage({
    name: 'prom-client',
    subject: 'Metrics need',
    code: 'ERR_ANTRACT_METRICS',
    status: 501,
  }) as PromClient;
}
