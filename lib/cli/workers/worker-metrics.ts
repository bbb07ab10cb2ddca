/**
 * A worker's part in a scrape of all workers: asks the primary for the others' metrics, and tells its
 * own. Knows no metric.
 */
import type { Worker } from 'node:cluster';
import type { MetricsPeers } from '../../admin/metrics/metrics-peers.ts';
import type { MetricsJson } from '../../admin/metrics/prom-client.ts';
import { systemClock } from '../../common/clock.ts';
import { onPrimaryMessage, sendToPrimary } from './worker-messages.ts';

/** More than the primary gives the others. */
const ANSWER_MS = 4000;

export class WorkerMetrics implements MetricsPeers {
  readonly #warn: (message: string) => void;
  readonly #pending = new Map<number, (others: readonly MetricsJson[]) => void>();
  #last = 0;
  #tell: () => Promise<MetricsJson> = async () => [];

  constructor(worker: Worker, warn: (message: string) => void) {
    this.#warn = warn;
    onPrimaryMessage(worker, (message) => {
      if (message.type === 'own metrics') void this.#answer(message.id);
      if (message.type === 'metrics') this.#pending.get(message.id)?.(message.others);
    });
  }

  ask(own: MetricsJson): Promise<readonly MetricsJson[]> {
    const id = ++this.#last;
    return new Promise((resolve) => {
      const settle = (others: readonly MetricsJson[]): void => {
        timer.cancel();
        this.#pending.delete(id);
        resolve(others);
      };
      const timer = systemClock.after(ANSWER_MS, () => {
        this.#warn(
          `WRN_ANTRACT_METRICS: the primary did not answer; metrics are those of worker ${process.pid} alone.`,
        );
        settle([]);
      });
      this.#pending.set(id, settle);
      sendToPrimary({ type: 'metrics', id, own });
    });
  }

  answer(tell: () => Promise<MetricsJson>): void {
    this.#tell = tell;
  }

  async #answer(id: number): Promise<void> {
    try {
      sendToPrimary({ type: 'own metrics', id, own: await this.#tell() });
    } catch (error) {
      this.#warn(`WRN_ANTRACT_METRICS: worker ${process.pid}: ${String(error)}`);
    }
  }
}
