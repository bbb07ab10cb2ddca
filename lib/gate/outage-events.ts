/**
 * Emits `unreachable` for an outage of one app's backend, and `reachable` when the backend answers, also
 * if a pause has begun meanwhile.
 */
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
  /** The outage of the last `unreachable`, until `reachable` follows. */
  #unreachable: ProbeCycle | undefined;

  constructor(deps: OutageEventsDeps) {
    this.#deps = deps;
  }

  emitUnreachable(cycle: ProbeCycle, now = this.#deps.clock.now()): void {
    if (this.#unreachable === cycle || cycle.cause !== 'outage') return;
    const { app, emit } = this.#deps;
    this.#unreachable = cycle;
    emit('unreachable', { app, endsInMs: Math.max(0, Math.round(cycle.until - now)) });
  }

  emitReachable(): void {
    if (!this.#unreachable) return;
    const { app, clock, emit, held } = this.#deps;
    const afterMs = Math.round(clock.now() - this.#unreachable.since);
    this.#unreachable = undefined;
    emit('reachable', { app, afterMs, held: held.size });
  }
}
