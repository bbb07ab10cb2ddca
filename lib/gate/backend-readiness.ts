/**
 * Whether a gate whose app is to run may be open, as far as the backend goes: not while it is being
 * asked whether it answers, after a pause or because it refused a connection. Knows no request.
 *
 * A probe may say yes where connections are refused. So a closure outlives a good probe, until the
 * backend has answered a request: one that is refused before that is the same trouble going on, with
 * the time that is left of it.
 */
import type { Clock } from '../common/clock.ts';
import { ProbeCycle, type ProbeCause, type Probe } from './probe-cycle.ts';
import type { EmitEvent } from './events.ts';
import type { AppSettings } from '../options/settings.ts';
import type { ProbeStatus } from './status.ts';

export interface BackendReadinessDeps {
  readonly app: string;
  readonly settings: AppSettings;
  readonly clock: Clock;
  readonly emit: EmitEvent;
  /** Where there is none, a backend is taken for healthy. */
  readonly probe?: Probe | undefined;
  /** Called when the backend, which had not answered, has answered an attempt of the probe. */
  readonly answered?: (() => void) | undefined;
}

export interface ReopeningCalls {
  readonly held: () => number;
  /** The backend answers, or is not waited for any longer. */
  readonly open: () => void;
  /** It does not, and those held for it have failed. */
  readonly fail: () => void;
  /** It does not, and the app is to be stopped for that. */
  readonly stop: () => void;
}

/** For how long a good probe with nothing sent after it says what the backend is like. */
const QUIET_MS = 5000;

/** How soon after a good probe another 502 or 504 asks the backend again. */
const LOOK_AGAIN_MS = 1000;

export class BackendReadiness {
  readonly #context: BackendReadinessDeps;
  readonly #calls: ReopeningCalls;
  /** The one that lasts, or the last one, as long as the backend has answered nothing since. */
  #closure: ProbeCycle | undefined;
  /** When a probe last found the backend well. */
  #wellAt = -Infinity;
  /** `unreachable` was the last to be told. */
  #isUnreachable = false;
  #answers = 0;
  #releaseEnd = Infinity;
  #isAfterPause = false;
  #closed = false;

  constructor(context: BackendReadinessDeps, calls: ReopeningCalls) {
    this.#context = context;
    this.#calls = calls;
  }

  /** Nobody may pass. */
  get isAwaitingBackend(): boolean {
    const closure = this.#closure;
    return closure !== undefined && closure.isAsking && closure.isHolding && !closure.isSpent;
  }

  /** Nothing is being asked. */
  get isIdle(): boolean {
    return !this.#closure?.isAsking;
  }

  /** How many attempts of the probe a backend has answered that had not answered before. */
  get answers(): number {
    return this.#answers;
  }

  /** It matters whether the backend answers: as far as is known it has not, since it was doubted. */
  get isUnconfirmed(): boolean {
    return this.#closure !== undefined;
  }

  /** When {@link onDeadline} is to be called; `Infinity` for never. */
  get deadline(): number {
    return this.#closure && this.isAwaitingBackend ? this.#closure.until : Infinity;
  }

  /** When a release stops caring for the backend, and lets everybody go who is left. */
  get releaseEnd(): number {
    return this.#releaseEnd;
  }

  /**
   * The present release is that of a pause: a request of it is still held, or may be. A release after an
   * unplanned outage is none.
   */
  get isAfterPause(): boolean {
    return this.#isAfterPause;
  }

  /**
   * A pause has ended.
   *
   * @param patienceMs how long to wait for the backend; 0 is not at all. It is asked all the same: until
   *   it answers nobody says that it does.
   */
  afterPause(patienceMs: number): void {
    const now = this.#context.clock.now();
    this.#releaseEnd = now + patienceMs + this.#context.settings.maxTime;
    this.#isAfterPause = true;
    this.#shut('release', now + patienceMs, patienceMs === 0);
  }

  /**
   * A connection was refused. False where there is nothing to wait for.
   *
   * @param since when its request was let through.
   * @param isReleased whether a pause had held the request, or others wait for the release of a pause.
   */
  afterRefusal(since: number, isReleased: boolean): boolean {
    const closure = this.#closure;
    const now = this.#context.clock.now();
    if (!closure || isGivenUp(closure)) return this.#begin(now, isReleased);
    const isUnplanned = closure.kind === 'outage';
    // A request of a pause's release joins an unplanned outage: `holdOnOutage` is too short for it.
    if (isUnplanned && isReleased && now < this.#releaseEnd) return this.#begin(now, true);
    if (closure.isAsking) {
      this.#confirm(closure);
      return this.isAwaitingBackend;
    }
    // The backend has answered the probe, and nothing waits for the release: a new, unplanned outage.
    const isNew = !isUnplanned && !isReleased;
    if (isNew || since - closure.wellSince >= QUIET_MS) return this.#begin(now, isReleased);
    if (closure.until <= now && !closure.isSpent && this.#giveUp(closure)) {
      return this.#begin(now, isReleased);
    }
    // Unless the app has just been stopped.
    if (this.#closure === closure) this.#goOn(closure, now);
    return this.isAwaitingBackend;
  }

  /**
   * The backend dropped a connection before it responded to its request. Either the backend is gone
   * and something accepts connections for it, or the request made it fail. So the probe is asked, and
   * requests are held meanwhile. That is not done again soon after the probe found the backend well:
   * otherwise a client that can make the backend drop connections could keep everybody else waiting.
   * Then requests are held only if the probe finds the backend away.
   */
  afterDrop(since: number, isReleased: boolean): void {
    // A request that was sent before the probe succeeded says nothing about the time after.
    if (this.#closure?.isAsking || since < this.#wellAt) return;
    const now = this.#context.clock.now();
    const isHolding = now - this.#wellAt >= QUIET_MS;
    if (isReleased && now < this.#releaseEnd) this.#suspect('release', this.#releaseEnd, isHolding);
    else if (this.#context.settings.holdOnOutage > 0) {
      this.#suspect('outage', now + this.#context.settings.holdOnOutage, isHolding);
    }
  }

  /**
   * A request was answered 502 or 504 by a handler that tells nothing else of its backend. The probe
   * finds out whether the backend is down. No request is held meanwhile, as nobody knows what the
   * status was about.
   */
  afterBadGateway(since: number): void {
    const now = this.#context.clock.now();
    if (this.isUnconfirmed || since < this.#wellAt || now - this.#wellAt < LOOK_AGAIN_MS) return;
    this.#shut('release', now, true);
    if (this.#closure) this.#closure.isHolding = false;
  }

  /** The backend has answered a request, and not with trouble. @param since when that was let through. */
  afterAnswer(since: number): void {
    const closure = this.#closure;
    // What it had before says nothing of how it is now.
    if (!closure || since < closure.since || isOnlyProbing(closure)) return;
    if (this.isAwaitingBackend) this.#renew(closure);
    else this.#endTrouble(closure);
  }

  /**
   * No request is held. If the backend has answered the probe once, the release of the pause is over: a
   * request that arrives now must not wait until the end of that pause.
   */
  onNothingHeld(now: number): void {
    const closure = this.#closure;
    if (!closure || !this.isAwaitingBackend) {
      this.#isAfterPause = false;
      return;
    }
    if (closure.kind !== 'release' || closure.wellSince === -Infinity) return;
    if (this.#context.settings.holdOnOutage > 0) this.#begin(now, false);
    else {
      // Requests fail from now on. The probe continues: the backend is not known to answer.
      closure.until = now;
      closure.isSpent = true;
      this.#isAfterPause = false;
    }
  }

  /** The time for which a closure is meant to last is over, and the backend does not answer. */
  onDeadline(now: number): void {
    const closure = this.#closure;
    if (closure && this.deadline <= now && this.#giveUp(closure)) this.#calls.open();
  }

  status(now: number): ProbeStatus | null {
    if (!this.#closure?.isAsking) return null;
    const { kind, since, until, lastSeen } = this.#closure;
    return {
      lastSeen,
      forMs: Math.round(now - since),
      endsInMs: Math.max(0, Math.round(until - now)),
      unplanned: kind === 'outage',
    };
  }

  /** The app is paused or stopped: what the backend says does not matter now. */
  end(): void {
    this.#closure?.end();
    this.#closure = undefined;
    this.#isUnreachable = false;
  }

  /** The backend has answered another process. This one may see it by another way: it asks, too. */
  hurry(): void {
    this.#closure?.hurry();
  }

  close(): void {
    this.end();
    this.#closed = true;
  }

  /** Trouble that is none of what was before. */
  #begin(now: number, isReleased: boolean): boolean {
    const { holdOnOutage } = this.#context.settings;
    if (isReleased && now < this.#releaseEnd) {
      this.#shut('release', this.#releaseEnd);
    } else if (holdOnOutage > 0) {
      this.#shut('outage', now + holdOnOutage);
      if (this.isAwaitingBackend) this.#tellUnreachable(holdOnOutage);
    }
    return this.isAwaitingBackend;
  }

  #shut(kind: ProbeCause, until: number, isSpent = false): void {
    const { probe, clock } = this.#context;
    if (!probe || this.#closed) return;
    this.#closure?.end();
    this.#isAfterPause = kind === 'release';
    this.#closure = new ProbeCycle(kind, until, probe, clock);
    this.#closure.isSpent = isSpent;
    this.#ask(this.#closure);
  }

  #suspect(kind: ProbeCause, until: number, isHolding: boolean): void {
    this.#shut(kind, until);
    if (this.#closure) Object.assign(this.#closure, { isConfirmed: false, isHolding });
  }

  /** The backend does not answer. */
  #confirm(closure: ProbeCycle): void {
    if (closure.isConfirmed) return;
    closure.isConfirmed = true;
    closure.isHolding = true;
    if (closure.kind !== 'outage' || this.#isUnreachable) return;
    this.#tellUnreachable(Math.max(0, closure.until - this.#context.clock.now()));
  }

  #ask(closure: ProbeCycle): void {
    closure.ask(
      (isFirst) => {
        if (this.#closure === closure) this.#onHealthy(closure, isFirst);
      },
      (isGood) => {
        if (this.#closure !== closure) return;
        if (!isGood) this.#confirm(closure);
        else if (closure.isConfirmed) this.#noteAnswer();
      },
    );
  }

  #noteAnswer(): void {
    this.#answers++;
    this.#context.answered?.();
  }

  /** The probe had said yes, and was wrong. */
  #goOn(closure: ProbeCycle, now: number): void {
    this.#isAfterPause = closure.kind === 'release';
    this.#ask(closure);
    if (closure.kind === 'outage' && !this.#isUnreachable) {
      this.#tellUnreachable(Math.max(0, closure.until - now));
    }
  }

  /** The backend answers, and refuses. */
  #renew(closure: ProbeCycle): void {
    const { clock, settings } = this.#context;
    const time = closure.kind === 'outage' ? settings.holdOnOutage : Infinity;
    closure.renew(Math.min(clock.now() + time, this.#releaseEnd));
  }

  /** Its time is over. True where those held are let go all the same. */
  #giveUp(closure: ProbeCycle): boolean {
    // The probe goes on: until it succeeds nobody says that the backend answers.
    closure.isSpent = true;
    if (closure.kind === 'outage') {
      this.#calls.fail();
      return false;
    }
    const { app, settings, emit } = this.#context;
    emit('unhealthy', { app, lastSeen: closure.lastSeen, action: settings.probe.onTimeout });
    if (settings.probe.onTimeout === 'stop') {
      this.#calls.stop();
      return false;
    }
    if (!closure.isAsking) this.#ask(closure);
    return true;
  }

  /** Later times wait for an answer to be told: a probe that was wrong once may be so for ever. */
  #onHealthy(closure: ProbeCycle, isFirst: boolean): void {
    // Those who waited for it went long ago: what is refused from now on is trouble of its own.
    if (isGivenUp(closure)) this.end();
    this.#wellAt = this.#context.clock.now();
    if (isFirst) this.#limitRelease(closure);
    if (!closure.isConfirmed) return this.#endTrouble(closure);
    if (closure.kind === 'outage' && isFirst) this.#tellReachable(closure);
    this.#calls.open();
  }

  /** It begins now; and no later than when the time for an answer would have been over. */
  #limitRelease({ kind }: ProbeCycle): void {
    const { clock, settings } = this.#context;
    const end = clock.now() + settings.maxTime;
    this.#releaseEnd = kind === 'outage' ? end : Math.min(this.#releaseEnd, end);
  }

  #endTrouble(closure: ProbeCycle): void {
    closure.end();
    this.#closure = undefined;
    if (this.#isUnreachable) this.#tellReachable(closure);
    this.#calls.open();
  }

  #tellUnreachable(endsInMs: number): void {
    const { app, emit } = this.#context;
    this.#isUnreachable = true;
    emit('unreachable', { app, endsInMs: Math.round(endsInMs) });
  }

  #tellReachable({ since }: ProbeCycle): void {
    const { app, clock, emit } = this.#context;
    this.#isUnreachable = false;
    const afterMs = Math.round(clock.now() - since);
    emit('reachable', { app, afterMs, held: this.#calls.held() });
  }
}

/** Of a pause that has ended: everybody was let go, and the backend is still asked. */
function isGivenUp({ kind, isSpent }: ProbeCycle): boolean {
  return kind === 'release' && isSpent;
}

/** After a 502 or 504. Only the probe ends it: another answer may be that of a handler without a backend. */
function isOnlyProbing({ isHolding, isSpent }: ProbeCycle): boolean {
  return isSpent && !isHolding;
}
