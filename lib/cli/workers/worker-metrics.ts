/** Runs in a worker: gets the metrics of the other workers from the primary, and sends its own. */
import type { Worker } from 'node:cluster';
import type { MetricsPeers } from '../../admin/metrics/metrics-peers.ts';
import type { MetricsJson } from '../../admin/metrics/prom-client.ts';
import { systemClock } from '../../common/clock.ts';
import { onPrimaryMessage, sendToPrimary } from './worker-messages.ts';

/** Longer than the primary waits for the other workers. */
const RESPONSE_TIMEOUT_MS = 4000;

export class WorkerMetrics implements MetricsPeers {
  readonly #warn: (message: string) => void;
  readonly #pending = new Map<number, (others: readonly MetricsJson[]) => void>();
  #lastId = 0;
  /** Counting begins with the first scrape. */
  #isScraped = false;
  #readOwn: () => Promise<MetricsJson> = async () => [];

  constructor(worker: Worker, warn: (message: string) => void) {
    this.#warn = warn;
    onPrimaryMessage(worker, (message) => {
      if (message.type === 'own metrics') void this.#sendOwn(message.id);
      if (message.type === 'metrics') this.#pending.get(message.id)?.(message.others);
    });
  }

  ask(own: MetricsJson): Promise<readonly MetricsJson[]> {
    this.#isScraped = true;
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      const respond = (others: readonly MetricsJson[]): void => {
        timer.cancel();
        this.#pending.delete(id);
        resolve(others);
      };
      const timer = systemClock.after(RESPONSE_TIMEOUT_MS, () => {
        this.#warn(
          `WRN_ANTRACT_METRICS: the primary did not answer; this scrape covers only worker ${process.pid}.`,
        );
        respond([]);
      });
      this.#pending.set(id, respond);
      sendToPrimary({ type: 'metrics', id, own });
    });
  }

  /** Sends what this worker has counted since the last scrape, before it exits. Resolves when it is sent. */
  async sendLast(): Promise<void> {
    if (!this.#isScraped) return;
    const own = await this.#readOwn().catch(() => []);
    await new Promise<void>((resolve) => sendToPrimary({ type: 'last metrics', own }, resolve));
  }

  answer(readOwn: () => Promise<MetricsJson>): void {
    this.#readOwn = readOwn;
  }

  async #sendOwn(id: number): Promise<void> {
    this.#isScraped = true;
    try {
      sendToPrimary({ type: 'own metrics', id, own: await this.#readOwn() });
    } catch (error) {
      this.#warn(`WRN_ANTRACT_METRICS: worker ${process.pid}: ${String(error)}`);
    }
  }
}
