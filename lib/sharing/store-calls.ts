/**
 * Calls of a store with a time limit: a frozen store must not block this process.
 */
import type { Clock } from '../common/clock.ts';
import type { Store } from '../stores/store.ts';

/** The limit of one call. A healthy store answers in milliseconds. */
const CALL_MS = 2000;

/** A call failed or took too long. The message says which. */
export class StoreUnavailableError extends Error {}

export class StoreCalls {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Whether processes can report to each other. */
  get hasReports(): boolean {
    return this.#store.report !== undefined && this.#store.reports !== undefined;
  }

  /** Whether an empty store can't have lost data. */
  get startsEmpty(): boolean {
    return this.#store.startsEmpty === true;
  }

  /**
   * @param run receives the store, and the time limit to pass to each write.
   * @throws StoreUnavailableError. After a timeout, a write has either taken effect already or never will:
   *   the store rejects it from then on.
   */
  async call<T>(run: (store: Store, withinMs: number) => Promise<T>): Promise<T> {
    let giveUp!: (error: StoreUnavailableError) => void;
    const limit = new Promise<never>((_resolve, reject) => (giveUp = reject));
    const timer = this.#clock.after(CALL_MS, () => {
      giveUp(new StoreUnavailableError(`no answer in ${CALL_MS} ms`));
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
