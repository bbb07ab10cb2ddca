/** Waits until no request in flight is left that a pause or a stop affects. */
import type { Clock } from '../common/clock.ts';
import { OneShotListeners } from '../common/one-shot-listeners.ts';
import { describe, type RequestLine } from '../common/request.ts';
import type { AppSettings } from '../options/settings.ts';
import type { EmitEvent } from './events.ts';
import type { GateState } from './gate-state.ts';
import type { GatedRequest } from './gated-request.ts';
import type { InFlight, Straggler } from './in-flight.ts';
import { SlowClients, type SlowClient } from './slow-clients.ts';

/** What ended the wait for a drain. */
export type DrainOutcome = 'drained' | 'resumed' | 'closed';

export interface DrainDeps {
  readonly app: string;
  readonly settings: Pick<AppSettings, 'longLived' | 'drainMinBodyRate' | 'drainBodyTimeout'>;
  readonly clock: Clock;
  readonly emit: EmitEvent;
  readonly state: GateState;
  readonly inFlight: InFlight;
}

export class Drain {
  readonly #deps: DrainDeps;
  readonly #slowClients: SlowClients;
  readonly #listeners = new OneShotListeners<DrainOutcome>();
  /** `drained` has been emitted, and no affected request has passed since. */
  #isAnnounced = false;

  constructor(deps: DrainDeps) {
    this.#deps = deps;
    this.#slowClients = new SlowClients(deps.settings, deps.clock, {
      isAwaited: (gated) => gated.isListed && this.#isOrdinary(gated),
      onSlow: (client) => this.#endSlow(client),
    });
  }

  /** Nothing is in flight that the drain waits for. */
  get isDrained(): boolean {
    return !this.#deps.inFlight.some((gated) => this.#isAwaited(gated));
  }

  /** Whether this request is the only one that the drain waits for. */
  awaitsOnly(request: RequestLine): boolean {
    const isOther = (gated: GatedRequest): boolean =>
      gated.request !== request && this.#isAwaited(gated);
    return !this.isDrained && !this.#deps.inFlight.some(isOther);
  }

  /** The requests that the drain waits for. Long-lived ones only if the policy is to wait for them. */
  stragglers(): Straggler[] {
    const { inFlight, clock, settings } = this.#deps;
    const isListed = settings.longLived === 'wait' ? this.#isAffected : this.#isOrdinary;
    return inFlight.stragglers(clock.now(), isListed);
  }

  /** Calls back once, when the drain ends in any way. Returns a function that removes the callback. */
  watch(callback: (outcome: DrainOutcome) => void): () => void {
    return this.#listeners.watch(callback);
  }

  begin(): void {
    for (const gated of this.#deps.inFlight) this.#watchRequest(gated);
    this.check();
  }

  /** An affected request has passed during the pause, for example after its longest wait. */
  add(gated: GatedRequest): void {
    this.#isAnnounced = false;
    this.#watchRequest(gated);
  }

  /** The desired state has changed. {@link begin} may follow. */
  reset(): void {
    this.#isAnnounced = false;
    this.#slowClients.stop();
  }

  notify(outcome: DrainOutcome): void {
    this.#listeners.notify(outcome);
  }

  close(): void {
    this.#slowClients.stop();
    this.notify('closed');
  }

  /**
   * Emits `drained` if it is time; otherwise ends long-lived requests if only those are left.
   *
   * @param ended a request that has ended. After a long-lived one, the others were already told to end. While
   *   the app is running it is not asked whether it is: that takes a search of the response's headers, 1 to
   *   2 microseconds.
   */
  check(ended?: GatedRequest): void {
    const { app, clock, emit, state } = this.#deps;
    if (state.kind === 'running' || this.#isAnnounced) return;
    if (!this.isDrained) {
      if (!ended?.isLongLived()) this.#endLongLived();
      return;
    }
    this.#isAnnounced = true;
    this.#slowClients.stop();
    emit('drained', { app, afterMs: Math.round(clock.now() - state.desired.since) });
    this.notify('drained');
  }

  #watchRequest(gated: GatedRequest): void {
    // The response may turn out to be an event stream, which is long-lived.
    if (this.#deps.settings.longLived !== 'wait') gated.onResponseStart(() => this.check());
    this.#slowClients.watch(gated);
  }

  #endLongLived(): void {
    const { inFlight, settings } = this.#deps;
    if (settings.longLived !== 'close' || inFlight.some(this.#isOrdinary)) return;
    for (const gated of inFlight) if (this.#isAffected(gated)) gated.end();
  }

  #endSlow({ gated, waitsFor, cause }: SlowClient): void {
    const { app, clock, emit } = this.#deps;
    const { request } = gated;
    // Two requests can share a connection, so the end of one can end the other.
    if (!gated.isListed) return;
    const ageMs = Math.round(clock.now() - gated.since);
    emit('tooSlow', { app, ...describe(request), ageMs, waitsFor, cause }, request);
    gated.endSlow();
  }

  #isAwaited(gated: GatedRequest): boolean {
    return this.#deps.settings.longLived === 'ignore'
      ? this.#isOrdinary(gated)
      : this.#isAffected(gated);
  }

  readonly #isAffected = (gated: GatedRequest): boolean =>
    this.#deps.state.isAffectedByPause(gated);

  readonly #isOrdinary = (gated: GatedRequest): boolean =>
    this.#isAffected(gated) && !gated.isLongLived();
}
