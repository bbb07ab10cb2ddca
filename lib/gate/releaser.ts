/**
 * Releases and rejects the held requests of one app: at the pace of the release, and when a deadline
 * passes. One timer serves all deadlines, because the head of the queue has the earliest of its kind.
 */
import type { Clock, Timer } from '../common/clock.ts';
import { DeadlineTimer } from '../common/deadline-timer.ts';
import { OneShotListeners } from '../common/one-shot-listeners.ts';
import type { RequestLine } from '../common/request.ts';
import type { AppSettings } from '../options/settings.ts';
import type { BackendReadiness } from './backend-readiness.ts';
import { endOf } from './desired-state.ts';
import type { Drain } from './drain.ts';
import type { GateState } from './gate-state.ts';
import type { HeldRequests } from './held-requests.ts';
import type { InFlight } from './in-flight.ts';
import type { OutstandingReleases } from './outstanding-releases.ts';
import type { RejectReason } from './phase.ts';
import type { Ticket } from './gated-request.ts';

/** What ended the wait for a release. */
export type ReleaseOutcome = 'reopened' | 'paused' | 'stopped' | 'closed';

export interface ReleaserDeps {
  readonly settings: Pick<AppSettings, 'maxWait' | 'onMaxWait'>;
  readonly clock: Clock;
  readonly state: GateState;
  readonly held: HeldRequests;
  readonly inFlight: InFlight;
  readonly outstanding: OutstandingReleases;
  readonly readiness: BackendReadiness;
  readonly drain: Drain;
}

export interface ReleaserListener {
  /** The pause, or the stop, has ended by itself. */
  onPauseEnd(cause: 'maxTime' | 'lease', now: number): void;
}

/**
 * How many requests are released before the event loop handles I/O again. To send a request takes about 0.2 ms,
 * so that a connection to the backend waits at most a millisecond for its turn. The requests behind them find
 * connections that the first ones have freed.
 */
const RELEASES_PER_TURN = 4;
/** The same for waiting pages. To write one takes about as long. */
const PAGES_PER_TURN = 20;

export class Releaser {
  readonly #deps: ReleaserDeps;
  readonly #listener: ReleaserListener;
  readonly #listeners = new OneShotListeners<ReleaseOutcome>();
  readonly #timer: DeadlineTimer;
  #nextRelease = Infinity;
  /** The release continues in the next turn of the event loop. */
  #nextTurn: Timer | undefined;
  #heldAtStart = 0;
  #hasReopened = true;

  constructor(deps: ReleaserDeps, listener: ReleaserListener) {
    this.#deps = deps;
    this.#listener = listener;
    this.#timer = new DeadlineTimer(deps.clock, () => this.#onDeadline());
  }

  /** No request is held, and as far as is known the backend answers. */
  get isOpen(): boolean {
    return this.#deps.state.mayRelease && this.#deps.held.size === 0;
  }

  /** Open, and no probe is running. After giving up on the backend a gate is open but still probes. */
  get isDone(): boolean {
    return this.isOpen && this.#deps.readiness.isIdle;
  }

  /** Held requests are being released, or wait for the backend. */
  get isReleasing(): boolean {
    return this.#deps.state.kind === 'running' && !this.isOpen;
  }

  /** Requests are held, or released ones have no response yet. */
  get sharesPace(): boolean {
    return this.#deps.held.size > 0 || this.#deps.outstanding.hasPending;
  }

  /** Whether clients have been served again since the last pause ended. */
  get hasReopened(): boolean {
    return this.#hasReopened;
  }

  /** How many requests were held when the release began. */
  get heldAtStart(): number {
    return this.#heldAtStart;
  }

  /** Whether a pause had held a request in flight, or held requests wait for the release of a pause. */
  isFromPause(request: RequestLine): boolean {
    const { held, outstanding, readiness } = this.#deps;
    return (held.size > 0 && readiness.isAfterPause) || outstanding.isPendingFromPause(request);
  }

  /** Calls back once, when the release ends in any way. Returns a function that removes the callback. */
  watch(callback: (outcome: ReleaseOutcome) => void): () => void {
    return this.#listeners.watch(callback);
  }

  notify(outcome: ReleaseOutcome): void {
    this.#listeners.notify(outcome);
  }

  /** A pause or a stop has ended. {@link releaseNext} follows. */
  begin(): void {
    this.#hasReopened = false;
    this.#heldAtStart = this.#deps.held.size;
  }

  /** The desired state has changed. */
  reset(): void {
    this.#deps.outstanding.endRelease();
    this.#nextRelease = Infinity;
    this.#cancelTurn();
  }

  /** The backend is ready. Requests that arrived while it was not are not ahead of the pace. */
  onBackendReady(): void {
    this.#heldAtStart = Math.max(this.#heldAtStart, this.#deps.held.size);
    this.reconsider();
  }

  /** The desired state may have become known, or unknown. */
  reconsider(): void {
    this.releaseUnaffected();
    this.releaseNext();
  }

  /** This process's part of the pace has changed. */
  onShareChange(): void {
    if (this.#deps.held.size > 0) this.releaseNext();
  }

  /** A response has begun or ended, which may free a place in the pace. */
  onResponse(): void {
    // Its own connection becomes free only after this call, so more requests would need new connections.
    this.releaseNext(1);
  }

  /** Releases what the pace allows now, but at most `max` requests in this turn, and schedules the rest. */
  releaseNext(max = RELEASES_PER_TURN): void {
    const { clock, held, outstanding, readiness, state } = this.#deps;
    const now = clock.now();
    if (!this.#nextTurn) this.#releaseSome(max, now);
    if (held.size === 0 && state.kind === 'running') readiness.onNothingHeld(now);
    if (this.isOpen) {
      this.#heldAtStart = 0;
      outstanding.endRelease();
    }
    if (this.isDone) {
      this.#hasReopened = true;
      this.#listeners.notify('reopened');
    }
    this.schedule();
  }

  /** Releases the requests that waited only for the backend, and that the present pause does not hold. */
  releaseUnaffected(): void {
    const { clock, state } = this.#deps;
    if (state.isAwaitingBackend) return;
    const now = clock.now();
    for (const ticket of this.#unaffected()) this.#release(ticket, now);
  }

  /** A request turns out not to be one that can be held. */
  reject(ticket: Ticket, reason: RejectReason): void {
    this.#deps.held.reject(ticket, this.#deps.state.rejection(reason));
  }

  rejectAll(reason: RejectReason): void {
    const { held } = this.#deps;
    this.#cancelTurn();
    while (held.head) this.reject(held.head, reason);
  }

  /** The backend does not answer. Rejects all requests that waited for nothing else. */
  rejectUnreachable(): void {
    if (this.#deps.state.kind !== 'paused') return this.rejectAll('unreachable');
    for (const ticket of this.#unaffected()) this.reject(ticket, 'unreachable');
  }

  rejectMatching(reason: RejectReason, matches: (request: RequestLine) => boolean): void {
    const tickets = [...this.#deps.held].filter(({ request }) => matches(request));
    for (const ticket of tickets) this.reject(ticket, reason);
  }

  schedule(): void {
    const { held, readiness, settings, state } = this.#deps;
    const { head } = held;
    const waitEnd = head ? head.since + settings.maxWait : Infinity;
    const releaseEnd = head && state.mayRelease ? readiness.releaseEnd : Infinity;
    // From now on each request keeps its place.
    const pageAt = state.mayRelease ? Infinity : held.nextPageAt;
    const pauseEnd = Math.min(state.desired.until, state.desired.leaseEnd);
    const { deadline } = readiness;
    const ends = Math.min(pauseEnd, waitEnd, deadline, releaseEnd);
    const earliest = Math.min(ends, pageAt, this.#nextRelease);
    this.#timer.set(state.isClosed ? Infinity : earliest);
  }

  #releaseSome(max: number, now: number): void {
    const { held, outstanding, readiness, state } = this.#deps;
    this.#nextRelease = Infinity;
    for (let count = 0; state.mayRelease && held.head; count++) {
      const delay = now < readiness.releaseEnd ? outstanding.delay(now, held.size) : 0;
      if (delay > 0) {
        this.#nextRelease = now + delay;
        return;
      }
      if (count === max) return this.#continueNextTurn();
      this.#release(held.head, now);
    }
  }

  #continueNextTurn(): void {
    this.#nextTurn = this.#deps.clock.nextTurn(() => {
      this.#nextTurn = undefined;
      this.releaseNext();
    });
  }

  #cancelTurn(): void {
    this.#nextTurn?.cancel();
    this.#nextTurn = undefined;
  }

  #unaffected(): Ticket[] {
    const { held, state } = this.#deps;
    if (state.kind !== 'paused') return [];
    return [...held].filter(({ gated }) => state.isUnaffected(gated));
  }

  #release(ticket: Ticket, now: number): void {
    const { drain, held, inFlight, outstanding, readiness, state } = this.#deps;
    inFlight.add(ticket.gated, now);
    held.release(ticket);
    const isRunning = state.kind === 'running';
    outstanding.add(ticket.request, now, held.size, isRunning && readiness.isAfterPause);
    if (!isRunning && !state.isUnaffected(ticket.gated)) drain.add(ticket.gated);
  }

  #onDeadline(): void {
    const { clock, readiness, state } = this.#deps;
    const now = clock.now();
    const cause = endOf(state.desired, now);
    if (cause) this.#listener.onPauseEnd(cause, now);
    readiness.onDeadline(now);
    this.#endLongWaits(now);
    this.#sendPages(now);
    this.releaseNext();
  }

  #sendPages(now: number): void {
    const { held, state } = this.#deps;
    // The timer is due again at once if more pages are due.
    for (let count = 0; count < PAGES_PER_TURN && !state.mayRelease; count++) {
      const ticket = held.findDuePage(now);
      if (!ticket) return;
      this.reject(ticket, 'waiting-page');
    }
  }

  #endLongWaits(now: number): void {
    const { held, settings } = this.#deps;
    for (let count = 0; held.head && held.head.since + settings.maxWait <= now; count++) {
      if (settings.onMaxWait === 'reject') this.reject(held.head, 'timeout');
      // The timer is due again at once, because the deadline of the new head is over.
      else if (count === RELEASES_PER_TURN) return;
      else this.#release(held.head, now);
    }
  }
}
