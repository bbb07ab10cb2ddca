/** A store that a test takes away and gives back. */
import type { MemoryStore } from '../../lib/stores/memory-store.ts';
import type { Publication, Store, StoredReport, StoreListener } from '../../lib/stores/store.ts';

/** One that can be taken away, and whose messages can get lost. */
export class FlakyStore implements Store {
  /** Replaced by an empty one where it is restarted. */
  inner: MemoryStore;
  /** What calls are answered: nothing, an error, or what a store should. */
  mode: 'well' | 'failing' | 'frozen' = 'well';
  /** Whether what is published is told. */
  isDeaf = false;

  #listener: StoreListener | undefined;

  /** Whether it is one that can't lose anything. */
  startsEmpty = true;

  constructor(inner: MemoryStore) {
    this.inner = inner;
  }

  load() {
    return this.#do(() => this.inner.load());
  }

  publish(app: string, publication: Publication) {
    return this.#do(() => this.inner.publish(app, publication));
  }

  subscribe(listener: StoreListener) {
    this.#listener = listener;
    return this.#do(() =>
      this.inner.subscribe({
        state: (app, state) => this.isDeaf || listener.state(app, state),
        report: (report) => this.isDeaf || listener.report?.(report),
      }),
    );
  }

  /** Loses its data and keeps its connections, as with FLUSHALL. */
  async moveTo(inner: MemoryStore): Promise<void> {
    this.inner = inner;
    if (this.#listener) await this.subscribe(this.#listener);
  }

  report(report: StoredReport, ttlMs: number, withinMs = 2000) {
    return this.#do(() => this.inner.report(report, ttlMs, withinMs));
  }

  reports() {
    return this.#do(() => this.inner.reports());
  }

  #do<T>(run: () => Promise<T>): Promise<T> {
    if (this.mode === 'well') return run();
    if (this.mode === 'failing') return Promise.reject(new Error('gone'));
    return new Promise(() => undefined);
  }
}
