/**
 * What decides whether a request may pass now: the desired state, whether the store has told it, and
 * whether the backend is ready.
 */
import type { Clock } from '../common/clock.ts';
import { running, type DesiredState } from './desired-state.ts';
import type { GatedRequest } from './gated-request.ts';
import type { DesiredKind, Rejection, RejectReason } from './phase.ts';
import { retryAfterMs } from './retry-after.ts';

export interface GateStateDeps {
  readonly clock: Clock;
  /** False while the desired state is not known yet. All requests wait until then. */
  readonly isInformed?: (() => boolean) | undefined;
}

/** RFC 9110, 9.2.1. Any other method may write, including unknown ones. */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

export class GateState {
  desired: DesiredState;
  isClosed = false;
  readonly #clock: Clock;
  readonly #isInformed: () => boolean;
  readonly #readiness: { readonly isAwaitingBackend: boolean };

  constructor(deps: GateStateDeps, readiness: { readonly isAwaitingBackend: boolean }) {
    this.#clock = deps.clock;
    this.#isInformed = deps.isInformed ?? (() => true);
    this.#readiness = readiness;
    this.desired = running(deps.clock.now());
  }

  get kind(): DesiredKind {
    return this.desired.kind;
  }

  /** No request may pass, whether or not a pause affects it. */
  get isAwaitingBackend(): boolean {
    return !this.#isInformed() || this.#readiness.isAwaitingBackend;
  }

  /** Held requests may be released. */
  get mayRelease(): boolean {
    return this.kind === 'running' && !this.isAwaitingBackend;
  }

  /** Whether the present pause holds this request. */
  isAffectedByPause(gated: GatedRequest): boolean {
    const { only } = this.desired;
    if (only === 'writes' && SAFE_METHODS.has(gated.request.method ?? 'GET')) return false;
    return gated.isAffectedByPause();
  }

  /** The app is paused, but the pause does not hold this request. */
  isUnaffected(gated: GatedRequest): boolean {
    return this.kind === 'paused' && !this.isAffectedByPause(gated);
  }

  /** Whether a request passes although the app is paused. */
  passesDuringPause(gated: GatedRequest): boolean {
    return this.isUnaffected(gated) && !this.isClosed && !this.isAwaitingBackend;
  }

  /** Why no request can be held now; undefined if one can. */
  rejectionOfHold(isQueueFull: boolean): Rejection | undefined {
    if (this.kind === 'stopped') return this.rejection('stopped');
    if (this.isClosed) return this.rejection('shutdown');
    return isQueueFull ? this.rejection('full') : undefined;
  }

  rejection(reason: RejectReason): Rejection {
    const { kind, since, until, expectedEnd, message } = this.desired;
    const now = this.#clock.now();
    return {
      reason,
      message: reason === 'stopped' ? message : undefined,
      retryAfterMs: retryAfterMs(this.desired, now),
      times:
        kind === 'running'
          ? undefined
          : { sinceMs: now - since, expectedEndInMs: expectedEnd - now, endsInMs: until - now },
    };
  }
}
