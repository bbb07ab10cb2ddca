/** Listeners that are called once, for the next event. */
export class OneShotListeners<T> {
  readonly #callbacks = new Set<(outcome: T) => void>();

  /** Calls back once. Returns a function that removes the callback. */
  watch(callback: (outcome: T) => void): () => void {
    this.#callbacks.add(callback);
    return () => this.#callbacks.delete(callback);
  }

  /** Does not call listeners that are added by the listeners it calls. */
  notify(outcome: T): void {
    const callbacks = [...this.#callbacks];
    this.#callbacks.clear();
    for (const callback of callbacks) callback(outcome);
  }
}
