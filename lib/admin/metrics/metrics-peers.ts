/**
 * Adds the metrics of several processes together, because a scrape reaches only one of them, at random.
 */
import { loadPromClient, type MetricsJson, type MetricsRegister } from './prom-client.ts';

/** The other processes. */
export interface MetricsPeers {
  /** Resolves with their metrics; processes that do not answer in time are left out. Never rejects. */
  ask(own: MetricsJson): Promise<readonly MetricsJson[]>;
  /** Sets the function that answers other processes; called once. */
  answer(tell: () => Promise<MetricsJson>): void;
}

export type MetricsText = Pick<MetricsRegister, 'contentType' | 'metrics'>;

/** Sums, unless a metric has another aggregator. */
export function withPeers(register: MetricsRegister, peers: MetricsPeers): MetricsText {
  const { contentType } = register;
  return {
    contentType,
    async metrics() {
      const own = await register.getMetricsAsJSON();
      const others = await peers.ask(own);
      return loadPromClient()
        .AggregatorRegistry.aggregate([own, ...others], contentType)
        .metrics();
    },
  };
}
