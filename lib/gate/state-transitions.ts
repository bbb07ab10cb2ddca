/** Applies a new desired state to one app: events, drain, release, and the wait for the backend. */
import type { Clock } from '../common/clock.ts';
import type { AppSettings } from '../options/settings.ts';
import type { Actor } from './actor.ts';
import type { Backend } from './backend.ts';
import type { BackendReadiness } from './backend-readiness.ts';
import type { DesiredState } from './desired-state.ts';
import type { Drain } from './drain.ts';
import type { EmitEvent } from './events.ts';
import type { GateState } from './gate-state.ts';
import type { HeldRequests } from './held-requests.ts';
import type { Releaser } from './releaser.ts';

export interface StateTransitionsDeps {
  readonly app: string;
  readonly settings: Pick<AppSettings, 'probe' | 'maxTime'>;
  readonly clock: Clock;
  readonly emit: EmitEvent;
  readonly state: GateState;
  readonly held: HeldRequests;
  readonly backend: Backend;
  readonly readiness: BackendReadiness;
  readonly drain: Drain;
  readonly releaser: Releaser;
}

export class StateTransitions {
  readonly #deps: StateTransitionsDeps;

  constructor(deps: StateTransitionsDeps) {
    this.#deps = deps;
  }

  /** Applies a state from here or from another process. False if only the terms of the state change. */
  apply(next: DesiredState, now: number): boolean {
    const { backend, drain, releaser, readiness, state } = this.#deps;
    const before = state.desired;
    const isOtherPause = next.kind === 'paused' && next.pauseId !== before.pauseId;
    if (next.kind === before.kind && !isOtherPause) {
      state.desired = next;
      releaser.schedule();
      if (next.only !== before.only) this.#onNarrowed();
      return false;
    }
    // Another process ended the pause and began this one. This process missed the end.
    if (next.kind === before.kind) this.#endPause(before, null);
    state.desired = next;
    backend.onCommand();
    drain.reset();
    readiness.end();
    releaser.reset();
    switch (next.kind) {
      case 'paused':
        this.#onPause(next, now);
        break;
      case 'running':
        this.#onResume(before, next);
        break;
      case 'stopped':
        this.#onStop(before, next);
        break;
      default:
        next.kind satisfies never;
    }
    return true;
  }

  #onPause({ pauseId = '', reason, until, by }: DesiredState, now: number): void {
    const { app, drain, emit, releaser } = this.#deps;
    releaser.schedule();
    releaser.notify('paused');
    const endsInMs = Math.round(until - now);
    emit('paused', { app, pauseId, reason: reason ?? null, by: by ?? null, endsInMs });
    releaser.releaseUnaffected();
    drain.begin();
  }

  /** The pause no longer affects reads. */
  #onNarrowed(): void {
    const { drain, releaser } = this.#deps;
    releaser.releaseUnaffected();
    drain.check();
  }

  #onStop(before: DesiredState, { message, until, by }: DesiredState): void {
    const { app, clock, drain, emit, releaser } = this.#deps;
    const held = this.#deps.held.size;
    const now = clock.now();
    const pausedForMs = before.kind === 'paused' ? Math.round(now - before.since) : null;
    const endsInMs = until < Infinity ? Math.round(until - now) : null;
    releaser.schedule();
    releaser.rejectAll('stopped');
    releaser.notify('stopped');
    emit('stopped', { app, message: message ?? null, by: by ?? null, held, pausedForMs, endsInMs });
    drain.begin();
  }

  #onResume(before: DesiredState, { endedBy, by }: DesiredState): void {
    const { app, clock, emit, releaser, readiness } = this.#deps;
    releaser.begin();
    const held = this.#deps.held.size;
    const now = clock.now();
    const isStopOver = before.kind === 'stopped';
    if (endedBy) {
      const pausedForMs = Math.round(now - before.since);
      const ended = isStopOver ? 'stop' : 'pause';
      emit('expired', { app, pausedForMs, held, by: null, cause: endedBy, ended });
    }
    // An expired lease tells nothing about the backend, so keep probing. An expired `maxTime` of a pause
    // ends the wait: its requests have waited long enough. Behind a stop no request has waited.
    const isWaiting = isStopOver || endedBy !== 'maxTime';
    readiness.afterPause(isWaiting ? this.#backendWaitMs(before, now) : 0);
    this.#endPause(before, by ?? null);
    releaser.releaseNext();
  }

  #endPause({ since }: DesiredState, by: Actor | null): void {
    const { app, clock, drain, emit, held } = this.#deps;
    drain.notify('resumed');
    const pausedForMs = Math.round(clock.now() - since);
    emit('resumed', { app, pausedForMs, held: held.size, by });
  }

  /** How long held requests wait for the backend: as configured, or what was left of the pause. */
  #backendWaitMs({ kind, until }: DesiredState, now: number): number {
    const { probe, maxTime } = this.#deps.settings;
    return probe.timeout ?? (kind === 'paused' ? Math.max(0, until - now) : maxTime);
  }
}
