/**
 * Whether the backend is ready for the requests of a running app. Requests wait while it is probed: after
 * a pause, and after it refused or dropped a connection.
 *
 * A probe can succeed while connections are still refused. So a probe cycle outlives a successful probe,
 * until the backend has answered a request. A refusal before that resumes the same cycle, with the time
 * that it has left.
 */
import type { Clock } from '../common/clock.ts';
import { formatMs } from '../common/format.js';
import type { AppSettings } from '../options/settings.ts';
import type { Backend } from './backend.ts';
import type { EmitEvent } from './events.ts';
import { OutageEvents } from './outage-events.ts';
import {
  ProbeCycle,
  QUIET_MS,
  type Probe,
  type ProbeCycleStart,
  type ProbeResult,
} from './probe-cycle.ts';
import type { ProbeStatus } from './status.ts';
import { WaitLimits } from './wait-limits.ts';

export interface BackendReadinessDeps {
  readonly app: string;
  readonly settings: AppSettings;
  readonly clock: Clock;
  readonly emit: EmitEvent;
  readonly backend: Backend;
  readonly held: { readonly size: number };
  /** Without a probe the backend counts as ready. */
  readonly probe?: Probe | undefined;
  /** The backend has answered an attempt of the probe, for the first time since it was down. */
  readonly onAnswer?: (() => void) | undefined;
}

/** What to do with held requests: release them, reject them, or stop the app, which rejects them. */
export type ReadinessOutcome = 'release' | 'reject' | 'stop';

export interface BackendReadinessListener {
  /** @param why of a stop. */
  onReadiness(outcome: ReadinessOutcome, why?: string): void;
}

/** After a successful probe, another 502 or 504 starts the probe again only after this time. */
const REPROBE_MS = 1000;

export class BackendReadiness {
  readonly #deps: BackendReadinessDeps;
  readonly #listener: BackendReadinessListener;
  readonly #outages: OutageEvents;
  readonly #limits: WaitLimits;
  /** The present cycle, or the last one while the backend has answered no request since. */
  #cycle: ProbeCycle | undefined;
  #lastReadyAt = -Infinity;
  #answers = 0;
  #isAfterPause = false;
  #isClosed = false;

  constructor(deps: BackendReadinessDeps, listener: BackendReadinessListener) {
    this.#deps = deps;
    this.#listener = listener;
    this.#outages = new OutageEvents(deps);
    this.#limits = new WaitLimits(deps.settings);
  }

  /** No request may pass. */
  get isAwaitingBackend(): boolean {
    return this.#cycle?.isHolding === true;
  }

  /** No probe is running. */
  get isIdle(): boolean {
    return !this.#cycle?.isProbing;
  }

  /** How often an attempt of the probe was answered after the backend had been down. */
  get answers(): number {
    return this.#answers;
  }

  /** The backend was in doubt, and has answered no request since. */
  get isUnconfirmed(): boolean {
    return this.#cycle !== undefined;
  }

  /** When {@link onDeadline} is due. `Infinity` means never. */
  get deadline(): number {
    return this.#cycle?.isHolding ? this.#cycle.until : Infinity;
  }

  /** See {@link WaitLimits.releaseEnd}. */
  get releaseEnd(): number {
    return this.#limits.releaseEnd;
  }

  /** The present release follows a pause, and one of its requests may still be held. */
  get isAfterPause(): boolean {
    return this.#isAfterPause;
  }

  /**
   * A pause has ended.
   *
   * @param waitMs how long to wait for the backend. With 0 requests are released at once, and the probe
   *   runs in the background: only its success shows that the backend answers.
   */
  afterPause(waitMs: number): void {
    const until = this.#limits.onPauseEnd(waitMs, this.#deps.clock.now());
    this.#isAfterPause = true;
    this.#start({ cause: 'release', until, handling: waitMs > 0 ? 'held' : 'released' });
  }

  /**
   * The backend refused a connection. False if waiting is pointless.
   *
   * @param since when the request was passed on.
   * @param isFromPause whether a pause had held the request, or held requests wait for its release.
   */
  afterRefusal(since: number, isFromPause: boolean): boolean {
    const cycle = this.#cycle;
    const now = this.#deps.clock.now();
    const refusal = { now, since, isFromPause, releaseEnd: this.releaseEnd };
    if (!cycle || cycle.isNewProblem(refusal)) return this.#startNew(now, isFromPause);
    if (cycle.isProbing) {
      this.#confirm(cycle);
      return this.isAwaitingBackend;
    }
    if (cycle.until <= now && !cycle.hasGivenUp && this.#giveUp(cycle)) {
      return this.#startNew(now, isFromPause);
    }
    // Giving up may have stopped the app, which ends the cycle.
    if (this.#cycle === cycle) this.#resume(cycle);
    return this.isAwaitingBackend;
  }

  /**
   * The backend dropped a connection before it responded: it is down behind a proxy, or the request made it
   * fail. Requests are held while the probe finds out; soon after a successful probe, only if it fails.
   * Otherwise a client that can make the backend drop connections could block all others.
   */
  afterDrop(since: number, isFromPause: boolean): void {
    // A request that was sent before the probe succeeded says nothing about the time after.
    if (this.#cycle?.isProbing || since < this.#lastReadyAt) return;
    const now = this.#deps.clock.now();
    const limit = this.#limits.ofProblem(now, isFromPause);
    const handling = now - this.#lastReadyAt >= QUIET_MS ? 'held' : 'passed';
    if (limit) this.#start({ ...limit, handling, isConfirmed: false });
  }

  /**
   * A handler that reports nothing else about its backend responded 502 or 504. The probe finds out
   * whether the backend is down. No request is held, because the status may have another cause.
   */
  afterBadGateway(since: number): void {
    const now = this.#deps.clock.now();
    if (this.isUnconfirmed || since < this.#lastReadyAt) return;
    if (now - this.#lastReadyAt < REPROBE_MS) return;
    this.#start({ cause: 'release', until: now, handling: 'background' });
  }

  /** The backend has answered a request well. @param since when the request was passed on. */
  afterAnswer(since: number): void {
    const cycle = this.#cycle;
    // An answer to an earlier request says nothing about the backend now.
    if (!cycle || since < cycle.since) return;
    // After a 502 or 504 only the probe counts: a handler without a backend may have answered.
    if (cycle.handling === 'background') return;
    if (!cycle.isHolding) return this.#endCycle(cycle);
    // The backend answers some requests and refuses others.
    cycle.extend(this.#limits.afterAnswer(cycle.cause, this.#deps.clock.now()));
  }

  /**
   * No request is held. If the backend has answered the probe once, the release of the pause is over: a
   * request that arrives now must not wait until the end of that pause.
   */
  onNothingHeld(now: number): void {
    const cycle = this.#cycle;
    if (!cycle?.isHolding) return void (this.#isAfterPause = false);
    if (cycle.cause !== 'release' || cycle.readySince === -Infinity) return;
    if (this.#deps.settings.holdOnOutage > 0) this.#startNew(now, false);
    else {
      // Requests pass, and fail. The probe continues, as the backend is not known to answer.
      cycle.until = now;
      cycle.handling = 'released';
      this.#isAfterPause = false;
    }
  }

  /** The time for the backend is over, and it does not answer. */
  onDeadline(now: number): void {
    if (this.#cycle && this.deadline <= now && this.#giveUp(this.#cycle)) {
      this.#listener.onReadiness('release');
    }
  }

  status(now: number): ProbeStatus | null {
    return this.#cycle?.isProbing ? this.#cycle.status(now) : null;
  }

  /** The app is paused or stopped: the backend may be down. */
  end(): void {
    this.#cycle?.end();
    this.#cycle = undefined;
  }

  /** The backend has answered another process: probe it soon here too. */
  hurry(): void {
    this.#cycle?.hurry();
  }

  close(): void {
    this.end();
    this.#isClosed = true;
  }

  /** Starts a cycle for a new problem. False if there is nothing to wait for. */
  #startNew(now: number, isFromPause: boolean): boolean {
    const limit = this.#limits.ofProblem(now, isFromPause);
    if (limit) this.#start({ ...limit, handling: 'held' });
    if (this.#cycle?.isHolding) this.#outages.emitUnreachable(this.#cycle, now);
    return this.isAwaitingBackend;
  }

  #start(start: ProbeCycleStart): void {
    const { probe, clock } = this.#deps;
    if (!probe || this.#isClosed) return;
    this.#cycle?.end();
    this.#isAfterPause = start.cause === 'release';
    this.#cycle = new ProbeCycle(start, { probe, clock, onProbe: this.#onProbe });
    this.#cycle.start();
  }

  readonly #onProbe = (cycle: ProbeCycle, result: ProbeResult): void => {
    if (result.kind === 'attempt') {
      this.#deps.backend.noteProbe(result.seen, result.isGood, this.#deps.clock.now());
    }
    if (this.#cycle !== cycle) return;
    if (result.kind === 'ready') this.#onReady(cycle, result.isFirst);
    else if (!result.isGood) this.#confirm(cycle);
    else if (cycle.isConfirmed) {
      this.#answers++;
      this.#deps.onAnswer?.();
    }
  };

  #onReady(cycle: ProbeCycle, isFirst: boolean): void {
    // Its requests were released long ago: a later refusal is a new problem.
    if (cycle.isReleaseGivenUp) this.end();
    this.#lastReadyAt = this.#deps.clock.now();
    if (isFirst) this.#limits.onFirstSuccess(cycle.cause, this.#lastReadyAt);
    if (!cycle.isConfirmed) return this.#endCycle(cycle);
    // After a later success `reachable` waits for an answered request: this probe was wrong once.
    if (isFirst) this.#outages.emitReachable();
    this.#listener.onReadiness('release');
  }

  /** The backend does not answer. */
  #confirm(cycle: ProbeCycle): void {
    if (cycle.confirm()) this.#outages.emitUnreachable(cycle);
  }

  /** The probe succeeded, but a request was refused. */
  #resume(cycle: ProbeCycle): void {
    this.#isAfterPause = cycle.cause === 'release';
    cycle.start();
    this.#outages.emitUnreachable(cycle);
  }

  /** True if held requests are to be released although the backend does not answer. */
  #giveUp(cycle: ProbeCycle): boolean {
    const { app, settings, emit } = this.#deps;
    // The probe continues: only its success shows that the backend answers.
    cycle.handling = 'gave-up';
    if (cycle.cause === 'outage') {
      this.#listener.onReadiness('reject');
      return false;
    }
    emit('unhealthy', { app, lastSeen: cycle.lastSeen, action: settings.probe.onTimeout });
    if (settings.probe.onTimeout === 'stop') {
      const waited = formatMs(cycle.until - cycle.since);
      const why = `The backend did not answer within ${waited} (${cycle.lastSeen ?? 'no answer'}).`;
      this.#listener.onReadiness('stop', why);
      return false;
    }
    if (!cycle.isProbing) cycle.start();
    return true;
  }

  /** The backend is well again. */
  #endCycle(cycle: ProbeCycle): void {
    cycle.end();
    this.#cycle = undefined;
    this.#outages.emitReachable();
    this.#listener.onReadiness('release');
  }
}
