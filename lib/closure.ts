/**
 * A gate that is closed although its app is to run, as nobody knows that the backend answers: after a
 * pause, or because a connection was refused. Asks the probe it is handed until it knows. Knows no
 * request.
 */
import type { Clock } from './clock.ts';

/** Resolves when the backend answers; tells what it saw until then. Ends with the signal. */
export type Probe = (signal: AbortSignal, seen: (what: string) => void) => Promise<void>;

/** `release`: a pause has ended. `cover`: nobody had paused. */
export type ClosureKind = 'release' | 'cover';

export class Closure {
  readonly kind: ClosureKind;
  /** What happens at this time is the gate's business. */
  readonly until: number;
  readonly since: number;
  /** What the probe saw last; null until it has. */
  lastSeen: string | null = null;
  readonly #abort = new AbortController();

  constructor(kind: ClosureKind, until: number, probe: Probe, clock: Clock, healthy: () => void) {
    this.kind = kind;
    this.until = until;
    this.since = clock.now();
    const { signal } = this.#abort;
    probe(signal, (what) => (this.lastSeen = what)).then(
      () => signal.aborted || healthy(),
      // Only an abort ends a probe otherwise, and then nobody waits for it.
      () => undefined,
    );
  }

  end(): void {
    this.#abort.abort();
  }
}
