/**
 * One app's gate: admits its requests, and applies what the operator asked for.
 *
 * Deciding that a request passes and counting it as in flight is one synchronous step, here and nowhere
 * else. So a drain can't miss a request.
 */
import type { Clock } from '../common/clock.ts';
import type { RequestLine } from '../common/request.ts';
import type { AppSettings } from '../options/settings.ts';
import { AppCounts } from './app-counts.ts';
import { Backend, type BackendObserver } from './backend.ts';
import {
  BackendReadiness,
  type BackendReadinessDeps,
  type ReadinessOutcome,
} from './backend-readiness.ts';
import { BackendReports } from './backend-reports.ts';
import { applyCommand, running, type Command, type DesiredState } from './desired-state.ts';
import { Drain } from './drain.ts';
import { GateState, type GateStateDeps } from './gate-state.ts';
import { describeGate, phaseOfGate, type DescribedGate } from './gate-status.ts';
import type { GatedRequest, Arrival, Ticket } from './gated-request.ts';
import { HeldRequests } from './held-requests.ts';
import { arrivalOf, InFlight } from './in-flight.ts';
import { OutstandingReleases } from './outstanding-releases.ts';
import type { Share } from './pacing/strategy.ts';
import type { DesiredKind, Phase, Rejection, RejectReason } from './phase.ts';
import { Releaser } from './releaser.ts';
import { StateTransitions } from './state-transitions.ts';
import type { StatusFields } from './status.ts';
import { TrafficStats } from './traffic-stats.ts';

export interface GateDeps extends Omit<BackendReadinessDeps, 'backend' | 'held'>, GateStateDeps {
  /** This process's part of the pace of a release, if other processes share the backend. */
  readonly share?: (() => Share) | undefined;
  /** The gate has changed its desired state by itself: a pause has ended, or the backend did not answer. */
  readonly onChange?: (() => void) | undefined;
  /** The backend was seen to go down, or to answer after anything else. */
  readonly onBackendChange?: ((seenBy: BackendObserver) => void) | undefined;
}

/** The request passes and is counted; it is rejected; or it is held and awaits the ticket's verdict. */
export type AdmitResult = 'pass' | Rejection | Ticket;

interface GateParts extends GateDeps {
  readonly inFlight: InFlight;
  readonly held: HeldRequests;
  readonly outstanding: OutstandingReleases;
  readonly backend: Backend;
  readonly readiness: BackendReadiness;
  readonly state: GateState;
}

export class Gate {
  readonly app: string;
  readonly settings: AppSettings;
  readonly clock: Clock;
  readonly traffic: TrafficStats;
  readonly counts = new AppCounts();
  readonly drain: Drain;
  readonly releaser: Releaser;
  readonly backend: BackendReports;
  readonly #parts: GateParts;
  readonly #described: DescribedGate;
  readonly #transitions: StateTransitions;
  #arrivals = 0;

  constructor(deps: GateDeps) {
    const { app, settings, clock } = deps;
    this.app = app;
    this.settings = settings;
    this.clock = clock;
    this.traffic = new TrafficStats(clock.now());
    const inFlight = new InFlight();
    const held = new HeldRequests(deps);
    const outstanding = new OutstandingReleases(settings.release, clock, deps.share);
    const backend = new Backend(deps.onBackendChange);
    const readiness = new BackendReadiness(
      { ...deps, backend, held },
      { onReadiness: (outcome, why) => this.#onReadiness(outcome, why) },
    );
    const state = new GateState(deps, readiness);
    const parts = { ...deps, inFlight, held, outstanding, backend, readiness, state };
    this.drain = new Drain(parts);
    this.releaser = new Releaser(
      { ...parts, drain: this.drain },
      { onPauseEnd: (cause, now) => this.#onPauseEnd(cause, now) },
    );
    this.backend = new BackendReports({ ...parts, releaser: this.releaser });
    this.#transitions = new StateTransitions({
      ...parts,
      drain: this.drain,
      releaser: this.releaser,
    });
    this.#parts = parts;
    this.#described = {
      ...parts,
      drain: this.drain,
      releaser: this.releaser,
      traffic: this.traffic,
    };
  }

  /** What the operator asked for, with its terms. */
  get state(): DesiredState {
    return this.#parts.state.desired;
  }

  get desiredKind(): DesiredKind {
    return this.#parts.state.kind;
  }

  get held(): number {
    return this.#parts.held.size;
  }

  get inFlight(): number {
    return this.#parts.inFlight.size;
  }

  /** No request is held, and as far as is known the backend answers. */
  get isOpen(): boolean {
    return this.releaser.isOpen;
  }

  /** The gate holds no information that its removal would lose. */
  get isIdle(): boolean {
    return this.releaser.isDone && this.inFlight === 0;
  }

  /** The phase in this process. */
  get phase(): Phase {
    return phaseOfGate(this.#described);
  }

  status(): StatusFields {
    return describeGate(this.#described);
  }

  // ---- Requests -------------------------------------------------------------------------------

  /** Decides about a request, and counts or queues it in the same synchronous step. */
  admit(gated: GatedRequest): AdmitResult {
    if (this.isOpen || this.#parts.state.passesDuringPause(gated)) {
      gated.order = this.#arrivals++;
      this.#parts.inFlight.add(gated, this.#parts.clock.now());
      this.traffic.passed++;
      return 'pass';
    }
    // It passed another mount of this gate already. Holding it now would make a drain wait for a
    // request that waits for the end of the pause.
    if (this.#parts.inFlight.has(gated.request)) return 'pass';
    const rejection = this.#parts.state.rejectionOfHold(this.#parts.held.isFull);
    if (rejection) {
      this.#parts.held.emitRejected(gated.request, rejection.reason);
      return rejection;
    }
    const arrival = { since: this.#parts.clock.now(), order: this.#arrivals++ };
    const ticket = this.#parts.held.add(gated, arrival);
    this.releaser.schedule();
    return ticket;
  }

  /**
   * Requeues a request that passed but could not be sent to the backend. New requests wait, too, until the
   * backend answers. Undefined if waiting is pointless: then the request has failed.
   */
  requeue(request: RequestLine): Ticket | Rejection | undefined {
    const gated = this.#parts.inFlight.get(request);
    if (!gated || !this.backend.noteRefusal(gated) || this.#isOverdue(arrivalOf(gated))) {
      return undefined;
    }
    // A request that was held before has a place in the queue, even if the queue is full by now.
    const rejection = this.#parts.state.rejectionOfHold(this.#parts.held.isFull && !gated.ticket);
    this.#parts.outstanding.onResponse(request, false);
    this.#parts.inFlight.remove(gated);
    if (rejection) this.#parts.held.emitRejected(request, rejection.reason);
    const answer = rejection ?? this.#parts.held.requeue(gated, arrivalOf(gated));
    this.drain.check();
    this.releaser.schedule();
    return answer;
  }

  /** Whether a request in flight would be held if it arrived now. */
  wouldHold(request: RequestLine): boolean {
    const gated = this.#parts.inFlight.get(request);
    return gated !== undefined && !this.isOpen && !this.#parts.state.passesDuringPause(gated);
  }

  /** A held request turns out to be one that can't be held. */
  reject(ticket: Ticket, reason: RejectReason): void {
    this.releaser.reject(ticket, reason);
    this.releaser.releaseNext();
  }

  /** A released request is about to continue. False if its client has disconnected meanwhile. */
  pass(ticket: Ticket): boolean {
    if (!ticket.gated.isListed) return false;
    ticket.passed = true;
    this.#parts.held.emitReleased(ticket);
    return true;
  }

  /**
   * A response has begun, which frees a place in the pace of the release.
   *
   * @param isGood whether the status is none of a backend that has a problem.
   * @param showsBackendWorks whether the response can only come from a working backend.
   */
  onResponseStart(request: RequestLine, isGood: boolean, showsBackendWorks = isGood): void {
    // A requeued request that is rejected here is not in flight.
    const gated = showsBackendWorks && this.#parts.inFlight.get(request);
    if (gated) this.backend.noteGoodResponse(gated);
    if (this.#parts.outstanding.onResponse(request, isGood)) this.releaser.onResponse();
  }

  /** The client has disconnected, or the response has ended: Node emits one event for both. May be called twice. */
  onClientDisconnect(gated: GatedRequest): void {
    const { ticket } = gated;
    if (ticket && this.#parts.held.abandon(ticket)) this.releaser.releaseNext();
    else if (this.#parts.inFlight.remove(gated)) this.#onResponseEnd(gated);
  }

  /** See {@link InFlight.findByAsyncId}. */
  findByAsyncId(ids: readonly number[]): RequestLine | undefined {
    return this.#parts.inFlight.findByAsyncId(ids);
  }

  // ---- What operators ask for -----------------------------------------------------------------

  /** Carries out a command. False if the app was in that state already: then only its terms change. */
  apply(command: Command): boolean {
    const { app, settings } = this;
    const now = this.#parts.clock.now();
    return this.adopt(applyCommand(this.state, command, { app, settings, now }), now);
  }

  /** See {@link StateTransitions.apply}. */
  adopt(next: DesiredState, now = this.#parts.clock.now()): boolean {
    return this.#transitions.apply(next, now);
  }

  /** Rejects all held requests. From now on, requests that would be held are rejected. */
  close(): void {
    this.#parts.state.isClosed = true;
    this.releaser.rejectAll('shutdown');
    this.#parts.readiness.close();
    this.drain.close();
    this.releaser.notify('closed');
    this.releaser.schedule();
    this.#parts.held.close();
  }

  /** See {@link InFlight.whenEmpty}. */
  whenEmpty(): Promise<void> {
    return this.#parts.inFlight.whenEmpty();
  }

  #onPauseEnd(cause: 'maxTime' | 'lease', now: number): void {
    this.adopt(running(now, cause));
    this.#parts.onChange?.();
  }

  #onReadiness(outcome: ReadinessOutcome, reason?: string): void {
    switch (outcome) {
      case 'release':
        return this.releaser.onBackendReady();
      case 'reject':
        return this.releaser.rejectUnreachable();
      case 'stop':
        this.apply({ type: 'stop', terms: { reason } });
        return this.#parts.onChange?.();
      default:
        return outcome satisfies never;
    }
  }

  #onResponseEnd(gated: GatedRequest): void {
    const { request, since, ticket } = gated;
    // Read once, because to look up a rejection takes longer than to count.
    const status = gated.status;
    this.traffic.recordRequest(gated, status, since, this.#parts.clock.now());
    const isDependent = gated.dependentRequests();
    if (isDependent) this.releaser.rejectMatching('long-poll', isDependent);
    // The client disconnected after the release, before the request could continue.
    if (ticket && !ticket.passed) this.#parts.held.emitAbandoned(ticket);
    else this.counts.addEnded(status, ticket !== undefined);
    this.drain.check(gated);
    this.backend.noteResponseEnd(gated, status);
    if (this.#parts.outstanding.remove(request)) this.releaser.onResponse();
  }

  /** Whether the longest wait is over. Requeued, the request would be released, and refused, again at once. */
  #isOverdue({ since }: Arrival): boolean {
    const { maxWait, onMaxWait } = this.settings;
    return onMaxWait === 'release' && since + maxWait <= this.#parts.clock.now();
  }
}
