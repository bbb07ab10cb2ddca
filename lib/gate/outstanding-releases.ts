/**
 * The pace of one app's releases: a pacer for each, and what was let go and is not answered yet,
 * which outlives the release, as the backend still has it. Knows no queue.
 */
import type { Clock } from '../common/clock.ts';
import { createPacer, type PaceCounts, type Pacer, type Share } from './pacing/pacer.ts';
import type { ReleaseSettings } from '../options/settings.ts';
import type { RequestLine } from '../common/request.ts';

interface Entry {
  readonly pacer: Pacer | undefined;
  /** By which that pacer knows the request. */
  number: number;
  /** A pause had held it. */
  readonly isOfPause: boolean;
}

export class OutstandingReleases {
  readonly #settings: ReleaseSettings;
  readonly #clock: Clock;
  readonly #unanswered = new Map<RequestLine, Entry>();
  readonly #share: (() => Share) | undefined;
  #pacer: Pacer | undefined;

  /** @param share of the pace, where other processes release to the same backend. */
  constructor(settings: ReleaseSettings, clock: Clock, share?: () => Share) {
    this.#settings = settings;
    this.#clock = clock;
    this.#share = share;
  }

  /** The backend still owes an answer to somebody who was let go. */
  get hasPending(): boolean {
    return this.#unanswered.size > 0;
  }

  /** Milliseconds until one more of `held` may go. Begins a release where none is under way. */
  delay(now: number, held: number): number {
    this.#pacer ??= createPacer(this.#settings, now, this.#clock.random, this.#share);
    return this.#pacer.delay(now, this.#counts(held));
  }

  /** A request was let go; `held` are left. @param isOfPause whether a pause had held it. */
  add(request: RequestLine, now: number, held: number, isOfPause: boolean): void {
    const entry = { pacer: this.#pacer, number: 0, isOfPause };
    this.#unanswered.set(request, entry);
    entry.number = this.#pacer?.released(now, this.#counts(held)) ?? 0;
  }

  /** A pause had held the request, and the backend still owes its answer. */
  isOwedAfterPause(request: RequestLine): boolean {
    return this.#unanswered.get(request)?.isOfPause === true;
  }

  /** Nobody waits for its answer any more, which says nothing of the backend. False when that was known. */
  left(request: RequestLine): boolean {
    return this.#unanswered.delete(request);
  }

  /** Its answer has begun, or never will. False when that was known. */
  onResponse(request: RequestLine, good: boolean): boolean {
    const entry = this.#unanswered.get(request);
    if (!entry) return false;
    this.#unanswered.delete(request);
    entry.pacer?.answered(this.#clock.now(), entry.number, good);
    return true;
  }

  /** Nobody is left to release, or the release was broken off. */
  end(): void {
    this.#pacer = undefined;
  }

  #counts(held: number): PaceCounts {
    return { held, unanswered: this.#unanswered.size };
  }
}
