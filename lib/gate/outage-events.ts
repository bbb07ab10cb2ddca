/** Emits `unreachable` and `reachable` in turns for the outages of one app's backend. */
import type { Clock } from '../common/clock.ts';
import type { EmitEvent } from './events.ts';
import type { ProbeCycle } from './probe-cycle.ts';

export interface OutageEventsDeps {
  readonly app: string;
  readonly clock: Clock;
  readonly emit: EmitEvent;
  readonly held: { readonly size: number };
}

export class OutageEvents {
  readonly #deps: OutageEventsDeps;
  #isUnreachable = false;

  constructor(deps: OutageEventsDeps) {
    this.#deps = deps;
  }

  emitUnreachable({ cause, until }: ProbeCycle, now = this.#deps.clock.now()): void {
    if (this.#isUnreachable || cause !== 'outage') return;
    const { app, emit } = this.#deps;
    this.#isUnreachable = true;
    emit('unreachable', { app, endsInMs: Math.max(0, Math.round(until - now)) });
  }

  emitReachable({ since }: ProbeCycle): void {
    if (!this.#isUnreachable) return;
    const { app, clock, emit, held } = this.#deps;
    this.#isUnreachable = false;
    emit('reachable', { app, afterMs: Math.round(clock.now() - since), held: held.size });
  }

  /** The outage is over without an answer, or another one begins. */
  reset(): void {
    this.#isUnreachable = false;
  }
}
