/**
 * A store in the memory of one process: for several instances, for tests, and for the primary of a cluster.
 */
import { systemClock, type Clock } from '../common/clock.ts';
import { Records, Subscriptions } from './records.ts';
import type {
  Publication,
  PublishResult,
  Store,
  StoredState,
  StoredReport,
  StoreListener,
} from './store.ts';

/**
 * Shares states between instances in one process.
 *
 * @example
 * const store = new MemoryStore();
 * const one = createAntract({ store });
 * const other = createAntract({ store: new MemoryStore(store) });
 */
export class MemoryStore implements Store {
  /** The store is not older than its process. */
  readonly startsEmpty = true;
  readonly isDurable = false;
  readonly #records: Records;
  readonly #subscriptions = new Subscriptions();

  /**
   * @param other a store to share the data with.
   * @param clock replaced in tests.
   */
  constructor(other?: MemoryStore, clock: Clock = systemClock) {
    this.#records = other ? other.#records : new Records(() => Math.floor(clock.date()));
  }

  async load(): Promise<ReadonlyMap<string, StoredState>> {
    return this.#records.load();
  }

  async publish(app: string, publication: Publication): Promise<PublishResult> {
    return this.#records.publish(app, publication);
  }

  async subscribe(listener: StoreListener): Promise<() => Promise<void>> {
    return this.#subscriptions.add(this.#records.subscribe(listener));
  }

  async report(report: StoredReport, ttlMs: number, withinMs: number): Promise<void> {
    this.#records.report(report, ttlMs, withinMs);
  }

  async reports(): Promise<readonly StoredReport[]> {
    return this.#records.reports();
  }

  async close(): Promise<void> {
    this.#subscriptions.endAll();
  }
}
