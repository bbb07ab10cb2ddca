/**
 * The released requests whose response has not begun, and the pace of the release. Pending responses
 * outlive the release, because the backend is still working on them.
 */
import type { Clock } from '../common/clock.ts';
import type { RequestLine } from '../common/request.ts';
import { createPacer, type Pacer } from './pacing/pacer.ts';
import type { ReleaseSettings } from './pacing/strategies.ts';
import type { PaceCounts, Share } from './pacing/strategy.ts';

interface Release {
  readonly pacer: Pacer | undefined;
  /** The number by which that pacer knows the request. */
  number: number;
  /** Whether a pause had held the request. */
  readonly isFromPause: boolean;
}

const WHOLE: Share = Object.freeze({ index: 0, of: 1 });

export class OutstandingReleases {
  readonly #settings: ReleaseSettings;
  readonly #clock: Clock;
  readonly #share: () => Share;
  readonly #pending = new Map<RequestLine, Release>();
  #pacer: Pacer | undefined;

  /** @param share this process's part of the pace, if others release to the same backend. */
  constructor(settings: ReleaseSettings, clock: Clock, share: () => Share = () => WHOLE) {
    this.#settings = settings;
    this.#clock = clock;
    this.#share = share;
  }

  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  /** Milliseconds until the next of `held` requests may be released. Starts a release if none runs. */
  delay(now: number, held: number): number {
    if (this.#share().waits) return Infinity;
    this.#pacer ??= createPacer({
      settings: this.#settings,
      start: now,
      random: this.#clock.random,
      share: this.#share,
    });
    return this.#pacer.delay(now, this.#counts(held));
  }

  /** A request was released, and `held` are left. */
  add(request: RequestLine, now: number, held: number, isFromPause: boolean): void {
    const release = { pacer: this.#pacer, number: 0, isFromPause };
    this.#pending.set(request, release);
    release.number = this.#pacer?.onRelease(now, this.#counts(held)) ?? 0;
  }

  /** Whether the response to a request that a pause had held is still pending. */
  isPendingFromPause(request: RequestLine): boolean {
    return this.#pending.get(request)?.isFromPause === true;
  }

  /** A request ended without a response, which says nothing about the backend. False if not pending. */
  remove(request: RequestLine): boolean {
    // Most requests were not held, and the search takes 20 ns.
    return this.hasPending && this.#pending.delete(request);
  }

  /** The response has begun, or there will be none. False if it was not pending. */
  onResponse(request: RequestLine, good: boolean): boolean {
    const release = this.#pending.get(request);
    if (!release) return false;
    this.#pending.delete(request);
    release.pacer?.onResponse(this.#clock.now(), release.number, good);
    return true;
  }

  /** No request is left to release, or the release was aborted. The next one gets a new pacer. */
  endRelease(): void {
    this.#pacer = undefined;
  }

  #counts(held: number): PaceCounts {
    return { held, pending: this.#pending.size };
  }
}
