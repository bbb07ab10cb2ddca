/**
 * Calls of a store with a limit to how long they take: a frozen one must not hold up anybody. Knows
 * nothing of what is called for.
 */
import type { Clock } from '../common/clock.ts';
import type { Store } from '../stores/store.ts';

/** Of one call. A store answers in milliseconds, or something is wrong. */
const CALL_MS = 2000;

/** A store failed, or took too long; its message is what is known of it. */
export class StoreUnavailableError extends Error {}

export class StoreCalls {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Whether processes can tell each other of themselves. */
  get hasReports(): boolean {
    return this.#store.report !== undefined && this.#store.reports !== undefined;
  }

  /** Whether an empty store has lost nothing. */
  get startsEmpty(): boolean {
    return this.#store.startsEmpty === true;
  }

  /**
   * @param run receives the store, and the time limit to give with each write.
   * @throws StoreTrouble. After a call that took too long, a write has either taken effect already or
   *   never will: the store rejects it from then on.
   */
  async call<T>(run: (store: Store, withinMs: number) => Promise<T>): Promise<T> {
    let late!: (error: StoreUnavailableError) => void;
    const limit = new Promise<never>((_resolve, reject) => (late = reject));
    const timer = this.#clock.after(CALL_MS, () => {
      late(new StoreUnavailableError(`no answer in ${CALL_MS} ms`));
    });
    try {
      return await Promise.race([run(this.#store, CALL_MS), limit]);
    } catch (error) {
      if (error instanceof StoreUnavailableError) throw error;
      const why = (error instanceof Error && error.message) || String(error);
      throw new StoreUnavailableError(why, { cause: error });
    } finally {
      timer.cancel();
    }
  }
}
