/**
 * What a drain of one app waits for: who is in flight, which of them count, who wants to be told.
 * Knows neither intent nor queue.
 */
import type { InFlight, Straggler } from './in-flight.ts';
import type { LongLivedPolicy } from './options.ts';
import type { Passage } from './passage.ts';
import { Watchers } from './watchers.ts';

/** What ended the wait for a drain. */
export type DrainOutcome = 'drained' | 'resumed' | 'closed';

export class DrainWatch {
  readonly #inFlight: InFlight;
  readonly #longLived: LongLivedPolicy;
  readonly #isConcerned: (passage: Passage) => boolean;
  readonly #recheck: () => void;
  readonly #watchers = new Watchers<DrainOutcome>();

  /**
   * @param isConcerned whether a request would be held now, and so is waited for.
   * @param recheck called when something may have become long-lived.
   */
  constructor(
    inFlight: InFlight,
    longLived: LongLivedPolicy,
    isConcerned: (passage: Passage) => boolean,
    recheck: () => void,
  ) {
    this.#inFlight = inFlight;
    this.#longLived = longLived;
    this.#isConcerned = isConcerned;
    this.#recheck = recheck;
  }

  /** Nothing is in flight that a drain waits for. */
  get isDrained(): boolean {
    const counts = this.#longLived === 'ignore' ? this.#isOrdinary : this.#isConcerned;
    return !this.#inFlight.some(counts);
  }

  /** Those that a drain waits for: without the long-lived ones, unless it waits for them too. */
  stragglers(now: number): Straggler[] {
    const counts = this.#longLived === 'wait' ? this.#isConcerned : this.#isOrdinary;
    return this.#inFlight.stragglers(now, counts);
  }

  /** A drain begins: what is in flight may turn out to be an event stream when its answer begins. */
  begin(): void {
    for (const passage of this.#inFlight.passages()) this.expect(passage);
  }

  /** The same for one that was let through in the middle of it. */
  expect(passage: Passage): void {
    if (this.#longLived !== 'wait') passage.onAnswer?.(this.#recheck);
  }

  /** Once only long-lived ones are left, and where the policy is to end them. Each then leaves. */
  endLongLived(): void {
    if (this.#longLived !== 'close' || this.#inFlight.some(this.#isOrdinary)) return;
    for (const passage of this.#inFlight.passages()) if (this.#isConcerned(passage)) passage.end();
  }

  readonly #isOrdinary = (passage: Passage): boolean =>
    this.#isConcerned(passage) && !passage.isLongLived();

  /** Calls back once. Returns what takes the callback off. */
  watch(callback: (outcome: DrainOutcome) => void): () => void {
    return this.#watchers.watch(callback);
  }

  tell(outcome: DrainOutcome): void {
    this.#watchers.tell(outcome);
  }
}
