/**
 * One period in which the backend is in doubt: after a pause, or because it refused or dropped a
 * connection. Runs the probe until it succeeds, and again if a request then proves it wrong.
 */
import { nextPause } from '../common/backoff.ts';
import type { Clock } from '../common/clock.ts';
import type { ProbeStatus } from './status.ts';

/**
 * Resolves when the backend answers. Reports each attempt until then. Ends with the signal.
 *
 * `onHurry` receives the function that makes the next attempt sooner.
 */
export type Probe = (
  signal: AbortSignal,
  onAttempt: (seen: string, isGood?: boolean) => void,
  onHurry: (hurry: () => void) => void,
) => Promise<void>;

/** `release`: a pause has ended. `outage`: the app was not paused. */
export type ProbeCause = 'release' | 'outage';

/**
 * `held`: requests wait for the probe. `passed`: the outage is only suspected, and requests pass.
 * `gave-up`: requests have waited long enough; they pass, and fail until the backend answers.
 * `released`: requests pass without a wait, and a refusal shows that the backend is down. `background`:
 * requests were never held; only the status depends on the probe.
 */
type RequestHandling = 'held' | 'passed' | 'gave-up' | 'released' | 'background';

/** An attempt, or the success of the whole probe (`ready`), which takes `probe.threshold` attempts. */
export type ProbeResult =
  | { readonly kind: 'attempt'; readonly seen: string; readonly isGood: boolean }
  | { readonly kind: 'ready'; readonly isFirst: boolean };

export interface ProbeCycleStart {
  readonly cause: ProbeCause;
  readonly until: number;
  readonly handling: RequestHandling;
  /** @default true */
  readonly isConfirmed?: boolean;
}

export interface ProbeCycleDeps {
  readonly probe: Probe;
  readonly clock: Clock;
  onProbe(cycle: ProbeCycle, result: ProbeResult): void;
}

export interface Refusal {
  readonly now: number;
  /** When the request was passed on. */
  readonly since: number;
  /** Whether a pause had held the request, or held requests wait for its release. */
  readonly isFromPause: boolean;
  /** When the release of that pause ends. */
  readonly releaseEnd: number;
}

/** How long a successful probe describes the backend if no request follows. */
export const QUIET_MS = 5000;

/** Shown when the probe succeeds but requests are refused. */
const REFUTED = 'an answer, and then a refused connection';

export class ProbeCycle {
  readonly cause: ProbeCause;
  readonly since: number;
  /** When the cycle gives up. The owner checks it. */
  until: number;
  /** The backend is known not to answer. Before that the outage is suspected: a connection was dropped. */
  isConfirmed: boolean;
  handling: RequestHandling;
  /** What the last attempt saw. Null before the first one ends. */
  lastSeen: string | null = null;
  /** When the probe last succeeded. `-Infinity` if it never has. */
  readySince = -Infinity;
  readonly #deps: ProbeCycleDeps;
  #running: AbortController | undefined;
  #backoff = 0;
  #hurry: () => void = () => undefined;

  constructor(
    { cause, until, handling, isConfirmed = true }: ProbeCycleStart,
    deps: ProbeCycleDeps,
  ) {
    this.cause = cause;
    this.until = until;
    this.handling = handling;
    this.isConfirmed = isConfirmed;
    this.since = deps.clock.now();
    this.#deps = deps;
  }

  get isProbing(): boolean {
    return this.#running !== undefined;
  }

  get isHolding(): boolean {
    return this.isProbing && this.handling === 'held';
  }

  /** The time is over, or requests were never held. */
  get hasGivenUp(): boolean {
    return this.handling !== 'held' && this.handling !== 'passed';
  }

  /** The release of a pause did not wait any longer, and the probe continued. */
  get isReleaseGivenUp(): boolean {
    return this.cause === 'release' && this.hasGivenUp;
  }

  /** Whether a refused connection is a new problem. Otherwise this cycle continues. */
  isNewProblem({ now, since, isFromPause, releaseEnd }: Refusal): boolean {
    // After a wait that was long enough, a refused request fails: it must not wait again.
    if (this.isReleaseGivenUp) return this.handling !== 'gave-up';
    const isOutage = this.cause === 'outage';
    // A request of a pause's release meets an outage: `holdOnOutage` is too short for it.
    if (isOutage && isFromPause && now < releaseEnd) return true;
    if (this.isProbing) return false;
    // The backend has answered the probe, and no request waits for the release: this is a new outage.
    if (!isOutage && !isFromPause) return true;
    return since - this.readySince >= QUIET_MS;
  }

  /** The backend does not answer. False if that was known. */
  confirm(): boolean {
    if (this.isConfirmed) return false;
    this.isConfirmed = true;
    if (this.handling === 'passed') this.handling = 'held';
    return true;
  }

  /** Starts the probe: at once for the first time, after a pause each time the last success was wrong. */
  start(): void {
    this.end();
    const running = new AbortController();
    this.#running = running;
    if (this.#backoff === 0) void this.#run(running.signal);
    else {
      this.lastSeen = REFUTED;
      const timer = this.#deps.clock.after(this.#backoff, () => void this.#run(running.signal));
      running.signal.addEventListener('abort', () => timer.cancel());
    }
    this.#backoff = nextPause(this.#backoff);
  }

  /** The backend answers some requests and refuses others: treat the next refusal as a new problem. */
  extend(until: number): void {
    this.until = Math.max(this.until, until);
    this.#backoff = 0;
  }

  /** Makes the next attempt sooner. */
  hurry(): void {
    this.#hurry();
  }

  status(now: number): ProbeStatus {
    return {
      lastSeen: this.lastSeen,
      forMs: Math.round(now - this.since),
      endsInMs: Math.max(0, Math.round(this.until - now)),
      unplanned: this.cause === 'outage',
    };
  }

  end(): void {
    this.#running?.abort();
    this.#running = undefined;
  }

  #run(signal: AbortSignal): Promise<void> {
    const onAttempt = (seen: string, isGood = false): void => {
      this.lastSeen = seen;
      this.#deps.onProbe(this, { kind: 'attempt', seen, isGood });
    };
    return this.#deps
      .probe(signal, onAttempt, (hurry) => (this.#hurry = hurry))
      .then(
        () => {
          if (signal.aborted) return;
          this.#running = undefined;
          const isFirst = this.readySince === -Infinity;
          this.readySince = this.#deps.clock.now();
          this.#deps.onProbe(this, { kind: 'ready', isFirst });
        },
        // A probe rejects only when it is aborted. Then its result does not matter.
        () => undefined,
      );
  }
}
