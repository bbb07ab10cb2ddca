/**
 * The primary's part in a scrape of all workers: asks each for its metrics, and remembers what those
 * had counted that are gone. Knows no metric.
 */
import { loadPromClient, type MetricsJson } from '../../admin/metrics/prom-client.ts';
import { systemClock } from '../../common/clock.ts';
import type { WorkerHandle } from './worker-handle.ts';
import { onWorkerMessage, sendToWorker, type FromWorker } from './worker-messages.ts';

/** A scrape is given up after 10 s by default. */
const ANSWER_MS = 2000;

type Tell = (own: MetricsJson | undefined) => void;

export class MetricsAggregator {
  readonly #warn: (message: string) => void;
  /** What each has told last. */
  readonly #workers = new Map<WorkerHandle, MetricsJson>();
  readonly #pending = new Map<number, { worker: WorkerHandle; tell: Tell }>();
  /** What was counted by those that are gone: a sum that shrinks looks as if it began anew. */
  #past: readonly MetricsJson[] = [];
  #joining: Promise<void> = Promise.resolve();
  #last = 0;

  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  add(worker: WorkerHandle): void {
    this.#workers.set(worker, []);
    onWorkerMessage(worker.worker, (message) => {
      if (message.type === 'own metrics') this.#pending.get(message.id)?.tell(message.own);
      if (message.type === 'metrics') void this.#answer(worker, message);
    });
  }

  remove(worker: WorkerHandle): void {
    const counted = countersOf(this.#workers.get(worker) ?? []);
    this.#workers.delete(worker);
    for (const one of this.#pending.values()) if (one.worker === worker) one.tell(undefined);
    if (counted.length === 0) return;
    this.#past = [...this.#past, counted];
    this.#joining = this.#joining.then(() => this.#joinPast());
  }

  /** It grows with each that dies. Whoever has told any metrics has prom-client. */
  async #joinPast(): Promise<void> {
    const past = this.#past;
    const joined = await loadPromClient().AggregatorRegistry.aggregate(past).getMetricsAsJSON();
    this.#past = [joined, ...this.#past.slice(past.length)];
  }

  async #answer(asker: WorkerHandle, { id, own }: FromWorker & { type: 'metrics' }): Promise<void> {
    this.#workers.set(asker, own);
    const others = [...this.#workers.keys()].filter(
      (worker) => worker !== asker && worker.isListening,
    );
    const told = await Promise.all(others.map((worker) => this.#ask(worker)));
    sendToWorker(asker.worker, { type: 'metrics', id, others: [...told, ...this.#past] });
  }

  /** Of one that does not answer, what it had counted when it did. */
  async #ask(worker: WorkerHandle): Promise<MetricsJson> {
    const own = await this.#waitFor(worker);
    if (own) this.#workers.set(worker, own);
    else if (this.#workers.has(worker)) {
      this.#warn(
        `WRN_ANTRACT_METRICS: worker ${worker.pid} did not tell its metrics within ${ANSWER_MS} ms; ` +
          'what it holds now is missing in them.',
      );
    }
    return own ?? countersOf(this.#workers.get(worker) ?? []);
  }

  #waitFor(worker: WorkerHandle): Promise<MetricsJson | undefined> {
    const id = ++this.#last;
    return new Promise((resolve) => {
      const tell: Tell = (own) => {
        timer.cancel();
        this.#pending.delete(id);
        resolve(own);
      };
      const timer = systemClock.after(ANSWER_MS, () => tell(undefined));
      this.#pending.set(id, { worker, tell });
      sendToWorker(worker.worker, { type: 'own metrics', id });
    });
  }
}

/** Without gauges, which say how it is now. */
function countersOf(metrics: MetricsJson): MetricsJson {
  return metrics.filter(({ type }) => type === 'counter' || type === 'histogram');
}
