/**
 * Whether what a store has can be relied on. A store that lost its data is as empty as a new one, and
 * another process may know of a pause that it has lost. So the store gets a mark, once those who know
 * had the time to publish again what was lost; a store without the mark is not relied on before.
 */
import { MAX_DELAY_MS, type Clock } from '../common/clock.ts';
import type { StoredState } from '../stores/store.ts';
import type { StoreCalls } from './store-calls.ts';

/** The mark has the place of an app; its name is longer than that of any app. */
export const COMPLETE = 'antract: complete '.padEnd(254, '-');

/** What other processes need to reconnect and to publish what was lost. */
export const PATIENCE_MS = 3000;
/** The mark is renewed long before it expires. */
const RENEW_MS = 86_400_000;

export class Completeness {
  readonly #line: StoreCalls;
  readonly #clock: Clock;
  #mark: StoredState | undefined;
  /** Since when the store is known to have no mark. */
  #missingSince = Infinity;

  constructor(line: StoreCalls, clock: Clock) {
    this.#line = line;
    this.#clock = clock;
  }

  get isTrusted(): boolean {
    if (this.#mark || this.#line.startsEmpty) return true;
    return this.#clock.now() - this.#missingSince >= PATIENCE_MS;
  }

  /** The store was read. */
  note(snapshot: ReadonlyMap<string, StoredState>): void {
    const mark = snapshot.get(COMPLETE);
    if (mark) return this.#found(mark);
    this.#mark = undefined;
    this.#missingSince = Math.min(this.#missingSince, this.#clock.now());
  }

  /** The store does not answer: it may lose its data before it answers again. */
  forget(): void {
    this.#mark = undefined;
    this.#missingSince = Infinity;
  }

  /**
   * To be called when the store has what this process knows.
   *
   * @param knowsAll whether this process was in contact with the store up to now, so that it has not
   *   missed anything.
   * @throws StoreTrouble.
   */
  async confirm(knowsAll: boolean): Promise<void> {
    const mark = this.#mark;
    if (this.#line.startsEmpty || !(knowsAll || this.isTrusted)) return;
    if (mark && mark.now - mark.at < RENEW_MS) return;
    // Another process may be quicker, which is as good.
    const expected = mark?.version ?? 0;
    const { current } = await this.#line.call((store, withinMs) =>
      store.publish(COMPLETE, { expected, value: 'complete', ttlMs: MAX_DELAY_MS, withinMs }),
    );
    if (current) this.#found(current);
  }

  #found(mark: StoredState): void {
    this.#mark = mark;
    this.#missingSince = Infinity;
  }
}
