/** How long requests may wait for the backend: after a pause, and in an outage. */
import type { AppSettings } from '../options/settings.ts';
import type { ProbeCause, ProbeCycleStart } from './probe-cycle.ts';

export class WaitLimits {
  readonly #settings: Pick<AppSettings, 'maxTime' | 'holdOnOutage'>;
  #releaseEnd = Infinity;

  constructor(settings: Pick<AppSettings, 'maxTime' | 'holdOnOutage'>) {
    this.#settings = settings;
  }

  /** When the release of a pause ends: all remaining held requests are released at once. */
  get releaseEnd(): number {
    return this.#releaseEnd;
  }

  /** A pause has ended. Returns until when its requests wait for the backend. */
  onPauseEnd(waitMs: number, now: number): number {
    const until = now + waitMs;
    this.#releaseEnd = until + this.#settings.maxTime;
    return until;
  }

  /** The probe has succeeded for the first time since the pause ended or the outage began. */
  onFirstSuccess(cause: ProbeCause, now: number): void {
    const end = now + this.#settings.maxTime;
    this.#releaseEnd = cause === 'outage' ? end : Math.min(this.#releaseEnd, end);
  }

  /**
   * Until when a new problem may delay requests. Undefined if there is nothing to wait for.
   *
   * @param isFromPause whether a pause held the request, or the release of a pause still holds requests.
   */
  ofProblem(
    now: number,
    isFromPause: boolean,
  ): Pick<ProbeCycleStart, 'cause' | 'until'> | undefined {
    const { holdOnOutage } = this.#settings;
    if (isFromPause && now < this.#releaseEnd) return { cause: 'release', until: this.#releaseEnd };
    return holdOnOutage > 0 ? { cause: 'outage', until: now + holdOnOutage } : undefined;
  }

  /** Until when requests may wait if the backend answers some of them and refuses others. */
  afterAnswer(cause: ProbeCause, now: number): number {
    const time = cause === 'outage' ? this.#settings.holdOnOutage : Infinity;
    return Math.min(now + time, this.#releaseEnd);
  }
}
