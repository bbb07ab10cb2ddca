/**
 * Whether this process knows the present desired states. After its start and after each stall it does not,
 * until it has read the store or has waited long enough for the store.
 */
import type { Clock, Timer } from '../common/clock.ts';
import { TRUST_AFTER_MS, type Completeness } from './completeness.ts';
import type { Outage } from './outage.ts';
import type { StallDetector } from './stall-detector.ts';

export interface StateFreshnessDeps {
  readonly clock: Clock;
  readonly outage: Outage;
  readonly stalls: StallDetector;
  readonly completeness: Completeness;
}

export interface StateFreshnessListener {
  /** This process is up to date. @param isStart whether for the first time. */
  onUpToDate(isStart: boolean): void;
}

export class StateFreshness {
  /** Resolves when the desired states are known, or when the store is known not to answer. */
  readonly ready: Promise<void>;
  readonly #deps: StateFreshnessDeps;
  readonly #listener: StateFreshnessListener;
  readonly #startedAt: number;
  #isReady = false;
  #setReady: () => void = () => undefined;
  #readyTimer: Timer | undefined;

  constructor(deps: StateFreshnessDeps, listener: StateFreshnessListener) {
    this.#deps = deps;
    this.#listener = listener;
    this.#startedAt = deps.clock.now();
    this.ready = new Promise((resolve) => (this.#setReady = resolve));
  }

  start(): void {
    const { clock, stalls } = this.#deps;
    // The first beat does not end while the store does not answer.
    this.#readyTimer = clock.after(TRUST_AFTER_MS, () => this.catchUp(stalls.count));
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Started, and caught up after the last stall of this process. */
  get isUpToDate(): boolean {
    return this.#isReady && this.#deps.stalls.isCaughtUp;
  }

  /**
   * Called after each attempt to read the store.
   *
   * @param stalls how many stalls the reading made up for.
   */
  catchUp(stalls: number): void {
    if (this.isUpToDate) return;
    if (!this.#canCatchUp) return this.#deps.completeness.onWait();
    const isStart = !this.#isReady;
    this.#isReady = true;
    this.#setReady();
    this.#readyTimer?.cancel();
    this.#deps.stalls.catchUp(stalls);
    this.#listener.onUpToDate(isStart);
  }

  close(): void {
    this.#setReady();
    this.#readyTimer?.cancel();
  }

  /** Either the store can be trusted, or it has not answered for so long that nothing is expected of it. */
  get #canCatchUp(): boolean {
    const { outage, clock, completeness } = this.#deps;
    if (!outage.isActive) return completeness.isTrusted;
    const since = this.#isReady ? outage.since : this.#startedAt;
    return clock.now() - since >= TRUST_AFTER_MS;
  }
}
