/**
 * Whether a gate whose app is to run may be open, as far as the backend goes: not while it is being
 * asked whether it answers, after a pause or because it refused a connection. Knows no request.
 */
import type { Clock } from './clock.ts';
import { Closure, type ClosureKind, type Probe } from './closure.ts';
import type { EmitEvent } from './events.ts';
import type { AppSettings } from './options.ts';
import type { HealthStatus } from './status.ts';

export interface ReopeningContext {
  readonly app: string;
  readonly settings: AppSettings;
  readonly clock: Clock;
  readonly emit: EmitEvent;
  /** Where there is none, a backend is taken for healthy. */
  readonly probe?: Probe | undefined;
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

export class Reopening {
  readonly #context: ReopeningContext;
  readonly #calls: ReopeningCalls;
  #closure: Closure | undefined;
  /** A cover was over before the backend answered; there is no other until it does. */
  #coverIsSpent = false;
  #releaseEnd = Infinity;
  #closed = false;

  constructor(context: ReopeningContext, calls: ReopeningCalls) {
    this.#context = context;
    this.#calls = calls;
  }

  /** Nobody may pass. */
  get isShut(): boolean {
    return this.#closure !== undefined && !this.#coverIsSpent;
  }

  /** Nothing is being asked. */
  get isIdle(): boolean {
    return this.#closure === undefined;
  }

  /** When {@link onDeadline} is to be called; `Infinity` for never. */
  get deadline(): number {
    return this.#closure && this.isShut ? this.#closure.until : Infinity;
  }

  /** When a release stops caring for the backend, and lets everybody go who is left. */
  get releaseEnd(): number {
    return this.#releaseEnd;
  }

  /** A pause has ended. @param patienceMs how long to wait for the backend; 0 is not at all. */
  afterPause(patienceMs: number): void {
    const now = this.#context.clock.now();
    this.#releaseEnd = now + patienceMs + this.#context.settings.maxTime;
    if (patienceMs > 0) this.#shut('release', now + patienceMs);
  }

  /**
   * A connection was refused. False where there is nothing to wait for.
   *
   * @param isReleased whether to a request that was held.
   */
  afterRefusal(isReleased: boolean): boolean {
    const { app, settings, clock, emit } = this.#context;
    if (this.isShut) return true;
    if (this.#coverIsSpent) return false;
    const now = clock.now();
    if (isReleased && now < this.#releaseEnd) {
      this.#shut('release', this.#releaseEnd);
    } else if (settings.cover > 0) {
      this.#shut('cover', now + settings.cover);
      if (this.isShut) emit('unreachable', { app, coverMs: settings.cover });
    }
    return this.isShut;
  }

  /** The time for which a closure is meant to last is over, and the backend does not answer. */
  onDeadline(now: number): void {
    const closure = this.#closure;
    if (!closure || this.deadline > now) return;
    if (closure.kind === 'cover') {
      // The probe goes on: until it succeeds requests are let through, to fail by themselves.
      this.#coverIsSpent = true;
      this.#calls.fail();
      return;
    }
    const { app, settings, emit } = this.#context;
    emit('unhealthy', { app, lastSeen: closure.lastSeen, action: settings.onHealthTimeout });
    this.end();
    if (settings.onHealthTimeout === 'stop') this.#calls.stop();
    else this.#calls.open();
  }

  status(now: number): HealthStatus | null {
    if (!this.#closure) return null;
    const { kind, since, until, lastSeen } = this.#closure;
    return {
      lastSeen,
      forMs: Math.round(now - since),
      endsInMs: Math.max(0, Math.round(until - now)),
      unplanned: kind === 'cover',
    };
  }

  /** The app is paused or stopped: what the backend says does not matter now. */
  end(): void {
    this.#closure?.end();
    this.#closure = undefined;
    this.#coverIsSpent = false;
  }

  close(): void {
    this.end();
    this.#closed = true;
  }

  #shut(kind: ClosureKind, until: number): void {
    const { probe, clock } = this.#context;
    if (!probe || this.#closed) return;
    this.#closure?.end();
    const closure = new Closure(kind, until, probe, clock, () => {
      if (this.#closure === closure) this.#onHealthy(closure);
    });
    this.#closure = closure;
  }

  #onHealthy({ kind, since }: Closure): void {
    const { app, settings, clock, emit } = this.#context;
    const now = clock.now();
    const wasShut = this.isShut;
    this.end();
    if (kind === 'cover' && wasShut) {
      this.#releaseEnd = now + settings.maxTime;
      emit('reachable', { app, afterMs: Math.round(now - since), held: this.#calls.held() });
    }
    this.#calls.open();
  }
}
