/**
 * What a drain of one app waits for: who is in flight, which of them count, who wants to be told.
 * Knows neither intent nor queue.
 */
import type { Clock } from '../common/clock.ts';
import type { InFlight, Straggler } from './in-flight.ts';
import type { LongLivedPolicy } from '../options/options.ts';
import type { GatedRequest } from './gated-request.ts';
import type { RequestLine } from '../common/request.ts';
import { SlowClients, type SlowClient, type SlowClientLimits } from './slow-clients.ts';
import { OneShotListeners } from '../common/one-shot-listeners.ts';

/** What ended the wait for a drain. */
export type DrainOutcome = 'drained' | 'resumed' | 'closed';

export interface DrainSettings extends SlowClientLimits {
  readonly longLived: LongLivedPolicy;
}

export interface DrainCalls {
  /** Whether a request would be held now, and so is waited for. */
  readonly isAffectedByPause: (passage: GatedRequest) => boolean;
  /** Something may have become long-lived. */
  readonly recheck: () => void;
  /** The client of a request that is waited for exceeded a limit. */
  readonly slow: (client: SlowClient) => void;
}

export class DrainWatch {
  readonly #inFlight: InFlight;
  readonly #longLived: LongLivedPolicy;
  readonly #isAffectedByPause: (passage: GatedRequest) => boolean;
  readonly #recheck: () => void;
  readonly #slowClients: SlowClients;
  readonly #watchers = new OneShotListeners<DrainOutcome>();

  constructor(inFlight: InFlight, settings: DrainSettings, clock: Clock, calls: DrainCalls) {
    this.#inFlight = inFlight;
    this.#longLived = settings.longLived;
    this.#isAffectedByPause = calls.isAffectedByPause;
    this.#recheck = calls.recheck;
    const isAwaited = (passage: GatedRequest): boolean =>
      inFlight.has(passage.request) && this.#isOrdinary(passage);
    this.#slowClients = new SlowClients(settings, clock, isAwaited, calls.slow);
  }

  /** Nothing is in flight that a drain waits for. */
  get isDrained(): boolean {
    return !this.#inFlight.some((passage) => this.#isAwaited(passage));
  }

  /** Whether this request is the only one that a drain waits for. */
  awaitsOnly(request: RequestLine): boolean {
    const isOther = (passage: GatedRequest): boolean =>
      passage.request !== request && this.#isAwaited(passage);
    return !this.isDrained && !this.#inFlight.some(isOther);
  }

  #isAwaited(passage: GatedRequest): boolean {
    return this.#longLived === 'ignore'
      ? this.#isOrdinary(passage)
      : this.#isAffectedByPause(passage);
  }

  /** Those that a drain waits for: without the long-lived ones, unless it waits for them too. */
  stragglers(now: number): Straggler[] {
    const counts = this.#longLived === 'wait' ? this.#isAffectedByPause : this.#isOrdinary;
    return this.#inFlight.stragglers(now, counts);
  }

  /** A drain begins: what is in flight may turn out to be an event stream when its answer begins. */
  begin(): void {
    for (const passage of this.#inFlight.passages()) this.expect(passage);
  }

  /** The same for one that was let through in the middle of it. */
  expect(passage: GatedRequest): void {
    if (this.#longLived !== 'wait') passage.onResponseStart?.(this.#recheck);
    this.#slowClients.watch(passage);
  }

  /** Nothing is waited for, until the next {@link begin} or {@link expect}. */
  end(): void {
    this.#slowClients.stop();
  }

  /** Once only long-lived ones are left, and where the policy is to end them. Each then leaves. */
  endLongLived(): void {
    if (this.#longLived !== 'close' || this.#inFlight.some(this.#isOrdinary)) return;
    for (const passage of this.#inFlight.passages())
      if (this.#isAffectedByPause(passage)) passage.end();
  }

  readonly #isOrdinary = (passage: GatedRequest): boolean =>
    this.#isAffectedByPause(passage) && !passage.isLongLived();

  /** Calls back once. Returns what takes the callback off. */
  watch(callback: (outcome: DrainOutcome) => void): () => void {
    return this.#watchers.watch(callback);
  }

  tell(outcome: DrainOutcome): void {
    this.#watchers.notify(outcome);
  }
}
