/**
 * A gate that is closed although its app is to run, as nobody knows that the backend answers: after a
 * pause, or because a connection was refused. Asks the probe it is handed until it knows; and again,
 * where that turns out not to have been true. Knows no request.
 */
import { nextPause } from '../common/backoff.ts';
import type { Clock } from '../common/clock.ts';

/**
 * Resolves when the backend answers; tells what it saw until then. Ends with the signal.
 *
 * `onHurry` is given the function that brings the next attempt forward.
 */
export type Probe = (
  signal: AbortSignal,
  seen: Seen,
  onHurry: (hurry: () => void) => void,
) => Promise<void>;

/** `isGood`: the backend answered. */
type Seen = (what: string, isGood?: boolean) => void;

/** `release`: a pause has ended. `holdOnOutage`: nobody had paused. */
export type ProbeCause = 'release' | 'outage';

/** What is to be seen of a backend that the probe finds well, and a request does not. */
const REFUTED = 'an answer, and then a refused connection';

export class ProbeCycle {
  readonly kind: ProbeCause;
  readonly since: number;
  /** What happens at this time is the gate's business. */
  until: number;
  /**
   * The backend is known not to answer. Before that it is only suspected, because it dropped a
   * connection.
   */
  isConfirmed = true;
  /** Requests are held. A suspicion need not hold any. */
  isHolding = true;
  /** The time is over, and requests are let through to fail by themselves. */
  isSpent = false;
  /** What the probe saw last; null until it has. */
  lastSeen: string | null = null;
  /** When the probe found the backend well; `-Infinity` where it has not yet. */
  wellSince = -Infinity;
  readonly #probe: Probe;
  readonly #clock: Clock;
  #asking: AbortController | undefined;
  #pause = 0;
  #hurry: () => void = () => undefined;

  constructor(kind: ProbeCause, until: number, probe: Probe, clock: Clock) {
    this.kind = kind;
    this.until = until;
    this.since = clock.now();
    this.#probe = probe;
    this.#clock = clock;
  }

  get isAsking(): boolean {
    return this.#asking !== undefined;
  }

  /** At once for the first time, and after a pause whenever the last answer was wrong. */
  ask(healthy: (isFirst: boolean) => void, looked: (isGood: boolean) => void): void {
    this.end();
    const asking = new AbortController();
    this.#asking = asking;
    const look = (): void =>
      this.#look(asking.signal, healthy, (what, isGood) => {
        this.lastSeen = what;
        looked(isGood === true);
      });
    if (this.#pause === 0) look();
    else {
      this.lastSeen = REFUTED;
      const timer = this.#clock.after(this.#pause, look);
      asking.signal.addEventListener('abort', () => timer.cancel());
    }
    this.#pause = nextPause(this.#pause);
  }

  /** The backend does answer, and refuses too: what follows is trouble of its own. */
  renew(until: number): void {
    this.until = Math.max(this.until, until);
    this.#pause = 0;
  }

  /** The next attempt of the probe is made soon. */
  hurry(): void {
    this.#hurry();
  }

  end(): void {
    this.#asking?.abort();
    this.#asking = undefined;
  }

  #look(signal: AbortSignal, healthy: (isFirst: boolean) => void, seen: Seen): void {
    this.#probe(signal, seen, (hurry) => (this.#hurry = hurry)).then(
      () => {
        if (signal.aborted) return;
        this.#asking = undefined;
        const isFirst = this.wellSince === -Infinity;
        this.wellSince = this.#clock.now();
        healthy(isFirst);
      },
      // Only an abort ends a probe otherwise, and then nobody waits for it.
      () => undefined,
    );
  }
}
