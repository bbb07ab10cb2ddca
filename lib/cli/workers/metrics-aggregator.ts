/**
 * Runs in the primary: collects the metrics of all workers for a scrape, and keeps the counters of workers
 * that have exited.
 */
import { loadPromClient, type MetricsJson } from '../../admin/metrics/prom-client.ts';
import { systemClock } from '../../common/clock.ts';
import type { WorkerHandle } from './worker-handle.ts';
import { onWorkerMessage, sendToWorker, type FromWorker } from './worker-messages.ts';

/** Prometheus gives up a scrape after 10 s by default. */
const RESPONSE_TIMEOUT_MS = 2000;

type Respond = (own: MetricsJson | undefined) => void;

export class MetricsAggregator {
  readonly #warn: (message: string) => void;
  /** The last metrics of each worker. */
  readonly #lastMetrics = new Map<WorkerHandle, MetricsJson>();
  readonly #pending = new Map<number, { handle: WorkerHandle; respond: Respond }>();
  /** The counters of workers that have exited: a sum that shrinks would look like a counter reset. */
  #exited: readonly MetricsJson[] = [];
  #merging: Promise<void> = Promise.resolve();
  #lastId = 0;
  #isScraped = false;

  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  add(handle: WorkerHandle): void {
    this.#lastMetrics.set(handle, []);
    onWorkerMessage(handle.worker, (message) => {
      if (message.type === 'own metrics') this.#pending.get(message.id)?.respond(message.own);
      if (message.type === 'last metrics') this.#lastMetrics.set(handle, message.own);
      if (message.type === 'metrics') void this.#sendOthers(handle, message);
    });
    // A worker that was asked once sends its counts before it exits, which may be before the next scrape.
    const begin = async (): Promise<void> => {
      if (this.#isScraped) await this.#fetch(handle);
    };
    handle.listens.then(begin, () => undefined);
  }

  remove(handle: WorkerHandle): void {
    const counted = countersOf(this.#lastMetrics.get(handle) ?? []);
    this.#lastMetrics.delete(handle);
    for (const one of this.#pending.values()) if (one.handle === handle) one.respond(undefined);
    if (counted.length === 0) return;
    this.#exited = [...this.#exited, counted];
    this.#merging = this.#merging.then(() => this.#mergeExited());
  }

  /** Merges the counters, so that they don't grow with every exit. Workers with metrics have prom-client. */
  async #mergeExited(): Promise<void> {
    const exited = this.#exited;
    const merged = await loadPromClient().AggregatorRegistry.aggregate(exited).getMetricsAsJSON();
    this.#exited = [merged, ...this.#exited.slice(exited.length)];
  }

  async #sendOthers(
    requester: WorkerHandle,
    { id, own }: FromWorker & { type: 'metrics' },
  ): Promise<void> {
    this.#isScraped = true;
    this.#lastMetrics.set(requester, own);
    const others = [...this.#lastMetrics.keys()].filter(
      (handle) => handle !== requester && handle.isListening,
    );
    const collected = await Promise.all(others.map((handle) => this.#fetch(handle)));
    sendToWorker(requester.worker, {
      type: 'metrics',
      id,
      others: [...collected, ...this.#exited],
    });
  }

  /** If the worker does not answer, returns the counters of its last answer. */
  async #fetch(handle: WorkerHandle): Promise<MetricsJson> {
    const own = await this.#request(handle);
    if (own) this.#lastMetrics.set(handle, own);
    else if (this.#lastMetrics.has(handle)) {
      this.#warn(
        `WRN_ANTRACT_METRICS: worker ${handle.pid} did not send its metrics within ${RESPONSE_TIMEOUT_MS} ms; ` +
          'its gauges are missing from this scrape.',
      );
    }
    return own ?? countersOf(this.#lastMetrics.get(handle) ?? []);
  }

  #request(handle: WorkerHandle): Promise<MetricsJson | undefined> {
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      const respond: Respond = (own) => {
        timer.cancel();
        this.#pending.delete(id);
        resolve(own);
      };
      const timer = systemClock.after(RESPONSE_TIMEOUT_MS, () => respond(undefined));
      this.#pending.set(id, { handle, respond });
      sendToWorker(handle.worker, { type: 'own metrics', id });
    });
  }
}

/** Without gauges, which describe the moment. */
function countersOf(metrics: MetricsJson): MetricsJson {
  return metrics.filter(({ type }) => type === 'counter' || type === 'histogram');
}
