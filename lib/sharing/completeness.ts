/**
 * Decides whether the contents of a store can be trusted.
 *
 * A store that has lost its data looks like a new, empty one, but another process may know of a pause that
 * the store has lost. So the store gets a mark once all processes had time to publish lost states again.
 * A store without the mark is not trusted until that time has passed.
 */
import { MAX_DELAY_MS, type Clock } from '../common/clock.ts';
import { formatMs } from '../common/format.js';
import type { Logger } from '../common/logger.ts';
import type { StoredState } from '../stores/store.ts';
import type { StoreCalls } from './store-calls.ts';

/** The mark is stored like an app. The name is longer than that of any app. */
export const COMPLETE = 'antract: complete '.padEnd(254, '-');

/** The time that other processes need to reconnect and to publish lost states. */
export const TRUST_AFTER_MS = 3000;
/** The first process on a store holds requests for {@link TRUST_AFTER_MS}. After this time, the log says why. */
const LOG_AFTER_MS = 1000;
/** The mark is renewed long before it expires. */
const RENEW_MS = 86_400_000;

export class Completeness {
  readonly #calls: StoreCalls;
  readonly #clock: Clock;
  #mark: StoredState | undefined;
  readonly #logger: Pick<Logger, 'info'>;
  /** Since when the store is known to have no mark. */
  #missingSince = Infinity;
  #isWaitLogged = false;

  constructor(calls: StoreCalls, clock: Clock, logger: Pick<Logger, 'info'>) {
    this.#calls = calls;
    this.#clock = clock;
    this.#logger = logger;
  }

  get isTrusted(): boolean {
    if (this.#mark || this.#calls.startsEmpty) return true;
    return this.#clock.now() - this.#missingSince >= TRUST_AFTER_MS;
  }

  /** Called while requests are held because the store is not trusted yet. */
  onWait(): void {
    const left = this.#missingSince + TRUST_AFTER_MS - this.#clock.now();
    if (this.#isWaitLogged || left > TRUST_AFTER_MS - LOG_AFTER_MS || left <= 0) return;
    this.#isWaitLogged = true;
    this.#logger.info(
      `The store is empty, so it may have lost a pause. Requests are held for another ${formatMs(left)}, in which other processes can publish the pauses that they know of.`,
    );
  }

  /** The whole store was read. */
  onRead(snapshot: ReadonlyMap<string, StoredState>): void {
    const mark = snapshot.get(COMPLETE);
    if (mark) return this.#onMark(mark);
    this.#mark = undefined;
    this.#missingSince = Math.min(this.#missingSince, this.#clock.now());
  }

  /** The store does not answer. It may lose its data before it answers again. */
  reset(): void {
    this.#mark = undefined;
    this.#missingSince = Infinity;
  }

  /**
   * Sets or renews the mark, if the store can be trusted. Call it when the store has all that this process
   * knows.
   *
   * @param hasMissedNothing whether this process was connected to the store until now.
   * @throws StoreUnavailableError
   */
  async confirm(hasMissedNothing: boolean): Promise<void> {
    const mark = this.#mark;
    if (this.#calls.startsEmpty || !(hasMissedNothing || this.isTrusted)) return;
    if (mark && mark.now - mark.at < RENEW_MS) return;
    // If another process sets the mark first, `current` is its mark.
    const expected = mark?.version ?? 0;
    const { current } = await this.#calls.call((store, withinMs) =>
      store.publish(COMPLETE, { expected, value: 'complete', ttlMs: MAX_DELAY_MS, withinMs }),
    );
    if (current) this.#onMark(current);
  }

  #onMark(mark: StoredState): void {
    this.#mark = mark;
    this.#missingSince = Infinity;
    this.#isWaitLogged = false;
  }
}
