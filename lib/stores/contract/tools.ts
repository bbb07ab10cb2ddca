/** What the contract's tests are written with. */
import assert from 'node:assert/strict';
import { systemClock } from '../../common/clock.ts';
import type { Publication, Store, StoredState, StoredReport } from '../store.ts';

/** Stores that share their state, for the tests of `storeContract()`. */
export interface LinkedStores {
  /** The stores. */
  readonly stores: readonly Store[];
  /** Ends them, and what they were linked by. */
  close(): Promise<unknown>;
  /**
   * Suspends what keeps the data, as SIGSTOP suspends a server: it answers nothing, and finds everything
   * that was sent meanwhile when `thaw()` resumes it. Omit both where nothing can be suspended; then a
   * test of late writes is left out.
   */
  freeze?(): void;
  /** Resumes what `freeze()` suspended. */
  thaw?(): void;
}

/** One that has what its tests say that it has. */
export type ContractStore = Required<Omit<Store, 'startsEmpty'>>;

/** Registers one. */
export type Test = (
  behaviour: string,
  body: (stores: ContractStore[], linked: LinkedStores) => Promise<void>,
) => void;

const PATIENCE_MS = 4000;
/** The deadline of writes that are to succeed. */
export const WITHIN_MS = 4000;

/** @param ttlMs by default longer than any test. */
export function publication(value: string, expected = 0, ttlMs = 60_000): Publication {
  return { expected, value, ttlMs, withinMs: WITHIN_MS };
}

/** What a listener was told, and waits for more. */
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
    isIt: (state: StoredState) => boolean = () => true,
  ): Promise<StoredState> {
    const [, state] = await this.#until(`a state for ${app.slice(0, 40)}`, () =>
      this.states.find(([its, what]) => its === app && isIt(what)),
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
        reject(new Error(`Nobody told of ${what} within ${PATIENCE_MS} ms.`));
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

/** Asks until it is: no event tells of what expires. */
export async function isGone(what: string, ask: () => Promise<boolean>): Promise<void> {
  const until = systemClock.now() + PATIENCE_MS;
  while (!(await ask())) {
    if (systemClock.now() > until)
      throw new Error(`${what} is still there after ${PATIENCE_MS} ms.`);
    await new Promise<void>((resolve) => systemClock.after(10, resolve, { ref: true }));
  }
}

/** Publishes, which has to succeed. */
export async function versionOf(store: Store, app: string, what: Publication): Promise<number> {
  const { published, current } = await store.publish(app, what);
  assert.equal(published, true);
  return current!.version;
}
