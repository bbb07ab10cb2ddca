/** What requests and the probe last showed about one app's backend. */
export interface BackendFacts {
  readonly state: 'unknown' | 'up' | 'down';
  /** Why the backend is down, such as `ECONNREFUSED`. Null otherwise. */
  readonly reason: string | null;
  /** When this state began. */
  readonly since: number;
  /** When the backend was last seen in this state. */
  readonly seenAt: number;
  /** The backend was seen down before the last command, and nothing was seen since. */
  readonly isOutdated: boolean;
  /** When the backend last answered. Null if it never has. */
  readonly answeredAt: number | null;
  /** The status that shows that the health check itself is wrong, such as 404. Null otherwise. */
  readonly wrongCheck: string | null;
}

/** What has seen the backend: a request, the probe, or the health check when the gateway starts. */
export type BackendObserver = 'request' | 'probe' | 'startCheck';

/** Responses to a probe that waiting will not change. */
const WRONG_CHECK = /^HTTP (1\d\d|4(?!08|25|29)\d\d)$/;

/** A user's probe function may report any text. */
const MAX_REASON = 200;

export class Backend {
  readonly #onChange: (seenBy: BackendObserver) => void;
  #state: BackendFacts['state'] = 'unknown';
  #reason: string | null = null;
  #since = 0;
  #seenAt = 0;
  #isOutdated = false;
  #answeredAt: number | null = null;
  #wrongCheck: string | null = null;

  /** @param onChange called when the backend is seen to go down, or to answer after anything else. */
  constructor(onChange: (seenBy: BackendObserver) => void = () => undefined) {
    this.#onChange = onChange;
  }

  get isDown(): boolean {
    return this.#state === 'down';
  }

  /** The backend was seen down since the last command. */
  get isSeenDown(): boolean {
    return this.isDown && !this.#isOutdated;
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
      isOutdated: this.#isOutdated,
      answeredAt: this.#answeredAt,
      wrongCheck: this.#wrongCheck,
    };
  }

  /**
   * The backend answered a request.
   *
   * @param since when the request was passed on. A request older than a failure says nothing about the
   *   time after it: a process that shuts down still answers its earlier requests.
   */
  noteAnswer(now: number, since = now, seenBy: BackendObserver = 'request'): void {
    if (this.#state === 'down' && since < this.#seenAt) return;
    const isNew = this.#state !== 'up';
    if (isNew) this.#enter('up', now);
    this.#reason = null;
    this.#seenAt = now;
    this.#answeredAt = now;
    this.#isOutdated = false;
    if (isNew) this.#onChange(seenBy);
  }

  /**
   * A request could not be passed on, or was not answered.
   *
   * @param since when the request was passed on. If the backend has answered another request since, only
   *   this request has failed, not the backend.
   */
  noteFailure(reason: string, now: number, since = now, seenBy: BackendObserver = 'request'): void {
    if (this.#state === 'up' && since < this.#seenAt) return;
    const isNew = this.#state !== 'down';
    if (isNew) this.#enter('down', now);
    this.#reason = reason.slice(0, MAX_REASON);
    this.#seenAt = now;
    this.#isOutdated = false;
    if (isNew) this.#onChange(seenBy);
  }

  /** The result of one attempt of the probe, or of the health check at the start. */
  noteProbe(
    what: string,
    isGood: boolean,
    now: number,
    seenBy: Exclude<BackendObserver, 'request'> = 'probe',
  ): void {
    const [, status] = WRONG_CHECK.exec(what) ?? [];
    this.#wrongCheck = status ?? null;
    if (isGood) this.noteAnswer(now, now, seenBy);
    // A wrong health check begins no outage. During an outage it becomes the reason: the backend answers again.
    else if (status === undefined || this.isDown) this.noteFailure(what, now, now, seenBy);
  }

  /**
   * The operator gave a command, and may replace or stop the backend now. An earlier answer says nothing
   * about the time after it. An outage is assumed to continue until the backend is seen to answer.
   */
  onCommand(): void {
    if (this.isDown) this.#isOutdated = true;
    else this.#state = 'unknown';
  }

  #enter(state: 'up' | 'down', now: number): void {
    this.#state = state;
    this.#since = now;
  }
}
