/**
 * Those who wait to be told one thing, once. Knows nothing of what it is.
 */
export class OneShotListeners<T> {
  readonly #callbacks = new Set<(outcome: T) => void>();

  /** Calls back once. Returns what takes the callback off. */
  watch(callback: (outcome: T) => void): () => void {
    this.#callbacks.add(callback);
    return () => this.#callbacks.delete(callback);
  }

  /** Whoever begins to watch because of it is not told. */
  notify(outcome: T): void {
    const callbacks = [...this.#callbacks];
    this.#callbacks.clear();
    for (const callback of callbacks) callback(outcome);
  }
}
