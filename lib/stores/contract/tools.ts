/** Helpers of the contract tests. */
import assert from 'node:assert/strict';
import { systemClock } from '../../common/clock.ts';
import type { Publication, Store, StoredState, StoredReport } from '../store.ts';

/** Stores that share their data. */
export interface LinkedStores {
  /** The stores. */
  readonly stores: readonly Store[];
  /** Closes the stores and what connects them. */
  close(): Promise<unknown>;
  /**
   * Suspends the server that keeps the data, as SIGSTOP does. It answers nothing until `thaw()`, and then
   * receives all that was sent in the meantime. Omit both if nothing can be suspended; a test of late writes
   * is then omitted.
   */
  freeze?(): void;
  /** Resumes what `freeze()` suspended. */
  thaw?(): void;
}

/** A store with all methods; the tests of missing methods are omitted. */
export type ContractStore = Required<Omit<Store, 'startsEmpty' | 'isDurable'>>;

/** Registers a test. */
export type Test = (
  behaviour: string,
  body: (stores: ContractStore[], linked: LinkedStores) => Promise<void>,
) => void;

const PATIENCE_MS = 4000;
/** The deadline of writes that must succeed. */
export const WITHIN_MS = 4000;

/** @param ttlMs longer than any test by default. */
export function publication(value: string, expected = 0, ttlMs = 60_000): Publication {
  return { expected, value, ttlMs, withinMs: WITHIN_MS };
}

/** Records the calls of a listener, and waits for a certain one. */
export class Heard {
  readonly states: [app: string, state: StoredState][] = [];
  readonly reports: StoredReport[] = [];
  readonly #waiting = new Set<() => void>();
  #unsubscribe: () => Promise<void> = async () => undefined;

  static async by(store: Store): Promise<Heard> {
    const heard = new Heard();
    heard.#unsubscribe = await store.subscribe({
      state: (app, state) => heard.#note(heard.states, [app, state]),
      report: (report) => heard.#note(heard.reports, report),
    });
    return heard;
  }

  off(): Promise<void> {
    return this.#unsubscribe();
  }

  async state(
    app: string,
    matches: (state: StoredState) => boolean = () => true,
  ): Promise<StoredState> {
    const [, state] = await this.#until(`the state of ${app.slice(0, 40)}`, () =>
      this.states.find(([its, what]) => its === app && matches(what)),
    );
    return state;
  }

  async report(id: string, value: string | null): Promise<StoredReport> {
    return this.#until(`a report of ${id}`, () =>
      this.reports.find((report) => report.id === id && report.value === value),
    );
  }

  #note<T>(list: T[], one: T): void {
    list.push(one);
    for (const look of this.#waiting) look();
  }

  #until<T>(what: string, find: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const giveUp = systemClock.after(PATIENCE_MS, () => {
        this.#waiting.delete(look);
        reject(new Error(`The listener was not notified of ${what} within ${PATIENCE_MS} ms.`));
      });
      const look = (): void => {
        const found = find();
        if (found === undefined) return;
        giveUp.cancel();
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }
}

/** Polls until a record is gone: there is no event for an expiry. */
export async function isGone(what: string, ask: () => Promise<boolean>): Promise<void> {
  const until = systemClock.now() + PATIENCE_MS;
  while (!(await ask())) {
    if (systemClock.now() > until)
      throw new Error(`${what} is still there after ${PATIENCE_MS} ms.`);
    await new Promise<void>((resolve) => systemClock.after(10, resolve, { ref: true }));
  }
}

/** Publishes, and fails if the publication is rejected. */
export async function versionOf(store: Store, app: string, what: Publication): Promise<number> {
  const { published, current } = await store.publish(app, what);
  assert.equal(published, true);
  return current!.version;
}
