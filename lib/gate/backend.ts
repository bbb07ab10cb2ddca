/**
 * What one app's backend was seen to do last: by the requests that were passed on, and by the probe.
 * Pure: is given the time.
 */
export interface BackendFacts {
  readonly state: 'unknown' | 'up' | 'down';
  /** What was seen of a backend that is down, such as `ECONNREFUSED`; else null. */
  readonly reason: string | null;
  /** When it came into this state. */
  readonly since: number;
  /** When it was last seen to be in this state. */
  readonly seenAt: number;
  /** What the backend answers to the health check, such as 404, where the check itself must be wrong. */
  readonly wrongCheck: string | null;
}

/** Any answer of a probe that more patience will not change. */
const WRONG_CHECK = /^HTTP (1\d\d|4(?!08|25|29)\d\d)$/;

/** What a probe saw may be any text of a user's function. */
const MAX_REASON = 200;

export class Backend {
  #state: BackendFacts['state'] = 'unknown';
  #reason: string | null = null;
  #since = 0;
  #seenAt = 0;
  #wrongCheck: string | null = null;

  get isDown(): boolean {
    return this.#state === 'down';
  }

  get reason(): string | null {
    return this.#reason;
  }

  /** The health check itself must be wrong. */
  get isCheckWrong(): boolean {
    return this.#wrongCheck !== null;
  }

  get facts(): BackendFacts {
    return {
      state: this.#state,
      reason: this.#reason,
      since: this.#since,
      seenAt: this.#seenAt,
      wrongCheck: this.#wrongCheck,
    };
  }

  /**
   * The backend answered a request.
   *
   * @param since when the request was passed on. One that is older than a failure says nothing about
   *   the time after it: a process that shuts down still answers what it has.
   */
  answered(now: number, since = now): void {
    if (this.#state === 'down' && since < this.#seenAt) return;
    if (this.#state !== 'up') this.#enter('up', now);
    this.#reason = null;
    this.#seenAt = now;
  }

  /**
   * A request could not be passed on, or was not answered.
   *
   * @param since when the request was passed on. Where the backend answered another one after that, it
   *   is that request that failed, and not the backend.
   */
  failed(reason: string, now: number, since = now): void {
    if (this.#state === 'up' && since < this.#seenAt) return;
    if (this.#state !== 'down') this.#enter('down', now);
    this.#reason = reason.slice(0, MAX_REASON);
    this.#seenAt = now;
  }

  /** A probe saw this. */
  probed(what: string, isGood: boolean, now: number): void {
    const [, status] = WRONG_CHECK.exec(what) ?? [];
    this.#wrongCheck = status ?? null;
    if (isGood) this.answered(now);
    else if (status === undefined) this.failed(what, now);
  }

  /** Something else is asked for: what was seen before says nothing about the time after. */
  forget(): void {
    this.#state = 'unknown';
    this.#reason = null;
  }

  #enter(state: 'up' | 'down', now: number): void {
    this.#state = state;
    this.#since = now;
  }
}
