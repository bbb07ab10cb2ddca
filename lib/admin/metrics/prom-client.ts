/**
 * Loads prom-client, an optional peer dependency, when metrics are first needed. Its types are declared
 * here, so that the exported types do not depend on it.
 */
import { loadOptionalPackage } from '../../common/optional-package.ts';

/** The metrics of a `Registry`, to send to another process. */
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

export interface PromClient {
  readonly Registry: new () => MetricsRegister;
  readonly AggregatorRegistry: {
    /** Joins the metrics of several processes. */
    aggregate(all: readonly MetricsJson[], contentType?: string): MetricsRegister;
  };
}

/** @throws AntractError `ERR_ANTRACT_METRICS` if it is not installed. */
export function loadPromClient(): PromClient {
  return loadOptionalPackage({
    name: 'prom-client',
    subject: 'Metrics need',
    code: 'ERR_ANTRACT_METRICS',
    status: 501,
  }) as PromClient;
}
