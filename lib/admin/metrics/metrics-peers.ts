/**
 * The metrics of several processes as one answer: of those between which a scrape chooses at random.
 * Knows no transport.
 */
import { loadPromClient, type MetricsJson, type MetricsRegister } from './prom-client.ts';

/** The others, of which each tells its own when it is asked. */
export interface MetricsPeers {
  /** Resolves with what they have; those that do not answer in time are left out. Never rejects. */
  ask(own: MetricsJson): Promise<readonly MetricsJson[]>;
  /** How they get those of this process; called once. */
  answer(tell: () => Promise<MetricsJson>): void;
}

export type MetricsText = Pick<MetricsRegister, 'contentType' | 'metrics'>;

/** Added up, or as each metric says. */
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
