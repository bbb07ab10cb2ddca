/**
 * One app's gate: its intent, who may pass, and one timer for every deadline. Knows neither HTTP nor
 * other apps.
 *
 * Deciding that a request may pass and counting it as in flight is one synchronous step, here and
 * nowhere else, so that a drain can never miss a request.
 */
import { DeadlineTimer } from '../common/deadline-timer.ts';
import { Backend } from './backend.ts';
import { UNREACHABLE } from './backend-status.ts';
import type { Clock } from '../common/clock.ts';
import { DrainWatch, type DrainOutcome } from './drain-watch.ts';
import { engineIoSession } from '../common/engine-io.ts';
import type { EmitEvent } from './events.ts';
import { describeGate } from './gate-status.ts';
import { createHeartbeat, type Heartbeat } from './heartbeat.ts';
import { InFlight, type Straggler } from './in-flight.ts';
import {
  applyCommand,
  endOf,
  newPauseId,
  running,
  type Command,
  type DesiredState,
  type PauseTerms,
  type StopTerms,
} from './desired-state.ts';
import type { AppSettings } from '../options/settings.ts';
import type { Share } from './pacing/pacer.ts';
import type { GatedRequest } from './gated-request.ts';
import type { DesiredKind, Rejection, RejectReason } from './phase.ts';
import { OutstandingReleases } from './outstanding-releases.ts';
import { BackendReadiness, type BackendReadinessDeps } from './backend-readiness.ts';
import { describe, type RequestLine } from '../common/request.ts';
import type { SlowClient } from './slow-clients.ts';
import type { StatusFields } from './status.ts';
import type { Arrival, Ticket } from './ticket.ts';
import { TrafficStats } from './traffic-stats.ts';
import { HeldRequests } from './held-requests.ts';
import { OneShotListeners } from '../common/one-shot-listeners.ts';

/** What ended the wait for a release. */
export type ReleaseOutcome = 'reopened' | 'paused' | 'stopped' | 'closed';

export interface GateDeps extends BackendReadinessDeps {
  /** Of the pace of a release, where other processes share the backend. */
  readonly share?: (() => Share) | undefined;
  /** Whether it is known what is asked for: where not, everybody waits. See {@link Gate.reconsider}. */
  readonly isInformed?: (() => boolean) | undefined;
  /** Called when the gate has changed its intent by itself: a pause was over, or its backend was given up. */
  readonly changed?: (() => void) | undefined;
}

/** RFC 9110, 9.2.1. Any other method may write, one that nobody knows included. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

export class Gate {
  readonly app: string;
  readonly settings: AppSettings;
  readonly traffic: TrafficStats;
  readonly #clock: Clock;
  readonly #emit: EmitEvent;

  readonly #changed: () => void;
  readonly #isInformed: () => boolean;

  #state: DesiredState;
  #closed = false;
  #emptied: (() => void) | undefined;

  readonly #waiting: HeldRequests;
  readonly #inFlight = new InFlight();
  readonly #drain: DrainWatch;
  readonly #release: OutstandingReleases;
  readonly #reopening: BackendReadiness;
  readonly #reopenWatchers = new OneShotListeners<ReleaseOutcome>();
  readonly #backend = new Backend();
  readonly #heartbeat: Heartbeat | undefined;
  readonly #alarm: DeadlineTimer;
  #nextRelease = Infinity;
  #arrivals = 0;
  #heldAtResume = 0;
  #hasReopened = true;
  /** Whether `drained` has been told, and nothing been let through since. */
  #isKnownDrained = false;

  constructor(context: GateDeps) {
    const { app, settings, clock, emit } = context;
    const { changed = () => undefined, isInformed = () => true } = context;
    this.app = app;
    this.settings = settings;
    this.#clock = clock;
    this.#emit = emit;
    this.#changed = changed;
    this.#isInformed = isInformed;
    this.#state = running(clock.now());
    this.traffic = new TrafficStats(clock.now());
    this.#waiting = new HeldRequests(context, settings.maxQueue);
    this.#drain = new DrainWatch(this.#inFlight, settings, clock, {
      isAffectedByPause: (passage) => this.#isAffectedByPause(passage),
      recheck: () => this.#checkDrained(),
      slow: (client) => this.#endSlow(client),
    });
    this.#release = new OutstandingReleases(settings.release, clock, context.share);
    const { probe } = context;
    const observed: typeof probe =
      probe &&
      ((signal, seen, onHurry) => {
        const note: typeof seen = (what, isGood = false) => {
          this.noteProbe(what, isGood);
          seen(what, isGood);
        };
        return probe(signal, note, onHurry);
      });
    this.#reopening = new BackendReadiness(
      { ...context, probe: observed },
      {
        held: () => this.held,
        open: () => {
          // Those who came while it was shut were not too many for the pace.
          this.#heldAtResume = Math.max(this.#heldAtResume, this.held);
          this.#letPassersByGo();
          this.#pump();
        },
        fail: () => this.#rejectUnreachable(),
        stop: () => {
          this.stop();
          this.#changed();
        },
      },
    );
    this.#heartbeat = createHeartbeat(settings.heartbeat, clock, this.#waiting);
    this.#alarm = new DeadlineTimer(clock, () => this.#onAlarm());
  }

  /** What was asked for, on which terms. */
  get state(): DesiredState {
    return this.#state;
  }

  get desiredKind(): DesiredKind {
    return this.#state.kind;
  }

  get held(): number {
    return this.#waiting.size;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Nothing is in flight that a drain waits for. */
  get isDrained(): boolean {
    return this.#drain.isDrained;
  }

  /** Nobody is held, and as far as is known the backend answers. */
  get isOpen(): boolean {
    return this.#mayLetGo && this.held === 0;
  }

  /** Some are to be let go, or were and are not answered yet. */
  get sharesPace(): boolean {
    return this.held > 0 || this.#release.hasPending;
  }

  get #mayLetGo(): boolean {
    return (
      this.desiredKind === 'running' && this.#isInformed() && !this.#reopening.isAwaitingBackend
    );
  }

  /** Those held are going out, or wait for the backend to answer. */
  get isReleasing(): boolean {
    return this.desiredKind === 'running' && !this.isOpen;
  }

  /** Open, and not for want of an answer: where the backend has been given up it is still asked. */
  get isReopened(): boolean {
    return this.isOpen && this.#reopening.isIdle;
  }

  /** Clients have been served again at some moment since the last pause ended. */
  get hasReopened(): boolean {
    return this.#hasReopened;
  }

  /** See {@link BackendReadiness.answers}: other processes hurry when it grows. */
  get answers(): number {
    return this.#reopening.answers;
  }

  /** Nothing would be forgotten if this gate were. */
  get isIdle(): boolean {
    return this.isReopened && this.inFlight === 0;
  }

  status(): StatusFields {
    const now = this.#clock.now();
    return describeGate({
      app: this.app,
      now,
      state: this.#state,
      held: this.held,
      inFlight: this.inFlight,
      longLived: this.#inFlight.countLongLived(),
      oldestSince: this.#waiting.head?.since,
      heldAtResume: this.#heldAtResume,
      isDrained: this.isDrained,
      isAwaitingBackend: !this.#isInformed() || this.#reopening.isAwaitingBackend,
      probe: this.#reopening.status(now),
      backend: this.#backend.facts,
      settings: this.settings,
      stragglers: () => this.stragglers(),
    });
  }

  /** See {@link InFlight.findByAsyncId}. */
  findByAsyncId(ids: readonly number[]): RequestLine | undefined {
    return this.#inFlight.findByAsyncId(ids);
  }

  /** See {@link DrainWatch.awaitsOnly}. */
  awaitsOnly(request: RequestLine): boolean {
    return this.#drain.awaitsOnly(request);
  }

  stragglers(): Straggler[] {
    return this.#drain.stragglers(this.#clock.now());
  }

  // ---- What operators ask for -----------------------------------------------------------------

  /** Returns false if the app was paused already; then only the named terms change. */
  enable(terms: PauseTerms): boolean {
    const pauseId = newPauseId(this.#clock.random());
    return this.#apply({ type: 'enable', terms, pauseId });
  }

  /** Returns false if the app was running already. */
  disable(): boolean {
    return this.#apply({ type: 'disable' });
  }

  /** Returns false if the app was stopped already; then only the named terms change. */
  stop(terms: StopTerms = {}): boolean {
    return this.#apply({ type: 'stop', terms });
  }

  #apply(command: Command): boolean {
    const now = this.#clock.now();
    return this.adopt(
      applyCommand(this.#state, command, { app: this.app, settings: this.settings, now }),
      now,
    );
  }

  /**
   * Takes over what was asked for, here or in another process. False when that was the intent already:
   * then only its terms are changed.
   */
  adopt(next: DesiredState, now = this.#clock.now()): boolean {
    const before = this.#state;
    // The end of a pause was missed, and the begin of another.
    if (next.pauseId !== before.pauseId && next.kind === 'paused' && before.kind === 'paused') {
      this.#drain.tell('resumed');
      this.#emitResumed(before);
    } else if (next.kind === before.kind) {
      this.#state = next;
      this.#schedule();
      return false;
    }
    this.#state = next;
    this.#backend.onCommand();
    this.#isKnownDrained = false;
    this.#drain.end();
    this.#reopening.end();
    this.#release.end();
    this.#nextRelease = Infinity;
    switch (next.kind) {
      case 'paused':
        this.#afterPause(next, now);
        break;
      case 'running':
        this.#afterResume(before, next);
        break;
      case 'stopped':
        this.#afterStop(before, next);
        break;
      default:
        next.kind satisfies never;
    }
    return true;
  }

  /** Whether it is known what is asked for may have changed. */
  reconsider(): void {
    if (!this.#reopening.isAwaitingBackend) this.#letPassersByGo();
    this.#pump();
  }

  /** The backend has answered another process: where this gate waits for that, it asks soon. */
  hurry(): void {
    this.#reopening.hurry();
  }

  /** The share of the pace has changed. */
  repace(): void {
    if (this.held > 0) this.#pump();
  }

  /** Refuses those held and whoever would have to be held from now on. */
  close(): void {
    this.#closed = true;
    this.#rejectAll('shutdown');
    this.#reopening.close();
    this.#drain.end();
    this.#drain.tell('closed');
    this.#reopenWatchers.notify('closed');
    this.#schedule();
    this.#heartbeat?.stop();
  }

  /** Resolves when nothing is in flight any more. For after {@link close}: else something may always be. */
  whenEmpty(): Promise<void> {
    if (this.inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#emptied = resolve));
  }

  /**
   * Calls back once: when nothing is in flight, or when no drain can be had any more. Returns what
   * takes the callback off.
   */
  watchDrain(callback: (outcome: DrainOutcome) => void): () => void {
    return this.#drain.watch(callback);
  }

  /** The same for the end of a release. */
  watchRelease(callback: (outcome: ReleaseOutcome) => void): () => void {
    return this.#reopenWatchers.watch(callback);
  }

  // ---- What requests do -----------------------------------------------------------------------

  /** True when the request may pass, and is counted from now on until {@link onResponseEnd}. */
  tryEnter(passage: GatedRequest): boolean {
    if (this.isOpen || this.#passesBy(passage)) {
      this.#inFlight.add(passage, this.#arrival());
      this.traffic.passed++;
      return true;
    }
    // Passed already, at another mount of the same gate: holding it now would make a drain wait
    // for a request that waits for the drain.
    return this.#inFlight.has(passage.request);
  }

  /** Queues a request that could not enter; or says why it can't be held. */
  hold(passage: GatedRequest): Ticket | Rejection {
    const refusal = this.#refusal();
    if (refusal) {
      this.#waiting.rejected(passage.request, refusal.reason);
      return refusal;
    }
    const ticket = this.#waiting.add(passage, this.#arrival());
    this.#schedule();
    this.#heartbeat?.start();
    return ticket;
  }

  /**
   * Takes back a request that passed and could not be handed to the backend, and closes until it
   * answers. Undefined when there is nothing to wait for: then it has failed.
   */
  requeue(passage: GatedRequest): Ticket | Rejection | undefined {
    const arrival = this.#inFlight.arrivalOf(passage.request);
    if (arrival && !this.#backend.isSeenDown) this.noteFailure(passage.request, UNREACHABLE);
    if (!arrival || !this.#mayTakeBack(passage) || this.#isOverdue(arrival)) return undefined;
    const refusal = this.#refusal(this.#inFlight.wasHeld(passage.request));
    this.#release.onResponse(passage.request, false);
    this.#inFlight.remove(passage.request);
    if (refusal) this.#waiting.rejected(passage.request, refusal.reason);
    const ticket = refusal ?? this.#waiting.requeue(passage, arrival);
    this.#checkDrained();
    this.#schedule();
    this.#heartbeat?.start();
    return ticket;
  }

  /** The backend has begun to answer a request, as its proxy sees it. */
  noteAnswer(request: RequestLine): void {
    // Looked up only where it matters: this is called for each response.
    const since = this.#backend.isDown ? this.#inFlight.sinceOf(request) : undefined;
    this.#backend.answered(this.#clock.now(), since);
  }

  /** The backend did not answer a request. @param reason such as `ECONNREFUSED`. */
  noteFailure(request: RequestLine, reason: string): void {
    this.#backend.failed(reason, this.#clock.now(), this.#inFlight.sinceOf(request));
  }

  /** How long ago the backend last answered; null where it never did. */
  get answeredMs(): number | null {
    const { answeredAt } = this.#backend.facts;
    return answeredAt === null ? null : Math.round(this.#clock.now() - answeredAt);
  }

  get isCheckWrong(): boolean {
    return this.#backend.isCheckWrong;
  }

  noteProbe(what: string, isGood: boolean): void {
    this.#backend.probed(what, isGood, this.#clock.now());
  }

  /** The backend dropped the connection of a request before it responded; the request has failed. */
  suspectBackend(request: RequestLine): void {
    const passage = this.#inFlight.passageOf(request);
    const since = this.#inFlight.sinceOf(request);
    if (!passage || since === undefined) return;
    if (this.desiredKind !== 'running' && !this.#isPasserBy(passage)) return;
    this.#reopening.afterDrop(since, this.desiredKind === 'running' && this.#isReleased(request));
    this.#schedule();
  }

  /** Whether a request in flight would have to wait if it arrived now. */
  wouldHold(request: RequestLine): boolean {
    const passage = this.#inFlight.passageOf(request);
    return passage !== undefined && !this.isOpen && !this.#passesBy(passage);
  }

  /** A request turns out not to be one that can be held. */
  reject(ticket: Ticket, reason: RejectReason): void {
    this.#waiting.reject(ticket, this.#rejection(reason));
    this.#pump();
  }

  /** A request that was told to proceed goes on. False when its client left in between. */
  pass(ticket: Ticket): boolean {
    if (!this.#inFlight.has(ticket.request)) return false;
    ticket.passed = true;
    this.#waiting.released(ticket);
    return true;
  }

  /**
   * The answer to a request has begun: its place in the pace is free.
   *
   * @param isOfBackend whether it shows that the backend is well.
   */
  onResponseStart(request: RequestLine, good: boolean, isOfBackend = good): void {
    // Not where one that was taken back is refused here.
    const since = this.#inFlight.sinceOf(request);
    if (isOfBackend && since !== undefined) this.#reopening.afterAnswer(since);
    if (this.#release.onResponse(request, good)) this.#pump();
  }

  /** The response to a request that passed has ended, in whatever way. May be told twice. */
  onResponseEnd(request: RequestLine): void {
    const entry = this.#inFlight.remove(request);
    if (!entry) return;
    const now = this.#clock.now();
    this.traffic.record(now, now - entry.since);
    const session = entry.passage.unfinishedSession?.();
    if (session !== undefined) this.#rejectPoll(session);
    // Let go, but its client left before it could go on.
    if (entry.ticket && !entry.ticket.passed) this.#waiting.abandoned(entry.ticket);
    if (this.#emptied && this.inFlight === 0) this.#emptied();
    this.#checkDrained(entry.passage.isLongLived());
    // Where only `requeue` tells of failures, only this tells of answers.
    const isUnreachable = this.#backend.reason === UNREACHABLE;
    if ((isUnreachable || this.#reopening.isUnconfirmed) && entry.passage.hasGoodResponse?.()) {
      if (isUnreachable) this.#backend.answered(now, entry.since);
      this.#reopening.afterAnswer(entry.since);
    }
    // A proxy that reports what it sees has said by now that the backend is down.
    if (
      this.settings.probe.check !== undefined &&
      this.desiredKind === 'running' &&
      !this.#backend.isSeenDown &&
      entry.passage.isBadGateway?.()
    ) {
      this.#reopening.afterBadGateway(entry.since);
    }
    if (this.#release.left(request)) this.#pump();
  }

  /** The client of a request that was held is gone, or its response has ended. May be told twice. */
  onClientDisconnect(ticket: Ticket): void {
    if (this.#waiting.abandon(ticket)) this.#pump();
    else this.onResponseEnd(ticket.request);
  }

  /** Whether a request is one of those that wait for the present pause. */
  #isAffectedByPause(passage: GatedRequest): boolean {
    if (this.#state.only === 'writes' && SAFE.has(passage.request.method ?? 'GET')) return false;
    return passage.isAffectedByPause?.() ?? true;
  }

  #passesBy(passage: GatedRequest): boolean {
    if (!this.#isPasserBy(passage) || this.#closed) return false;
    return this.#isInformed() && !this.#reopening.isAwaitingBackend;
  }

  /** A pause is going on, and this one does not have to wait for its end. */
  #isPasserBy(passage: GatedRequest): boolean {
    return this.desiredKind === 'paused' && !this.#isAffectedByPause(passage);
  }

  #arrival(): Arrival {
    return { since: this.#clock.now(), order: this.#arrivals++ };
  }

  // ---- Turning --------------------------------------------------------------------------------

  #afterPause({ pauseId = '', reason, until }: DesiredState, now: number): void {
    this.#schedule();
    this.#reopenWatchers.notify('paused');
    const endsInMs = Math.round(until - now);
    this.#emit('paused', { app: this.app, pauseId, reason: reason ?? null, endsInMs });
    this.#letPassersByGo();
    this.#drain.begin();
    this.#checkDrained();
  }

  #afterStop(before: DesiredState, { message, until }: DesiredState): void {
    const { app, held } = this;
    const now = this.#clock.now();
    const pausedForMs = before.kind === 'paused' ? Math.round(now - before.since) : null;
    const endsInMs = until < Infinity ? Math.round(until - now) : null;
    this.#schedule();
    this.#rejectAll('stopped');
    this.#reopenWatchers.notify('stopped');
    this.#emit('stopped', { app, message: message ?? null, held, pausedForMs, endsInMs });
    this.#drain.begin();
    this.#checkDrained();
  }

  #afterResume(before: DesiredState, { endedBy }: DesiredState): void {
    this.#hasReopened = false;
    const { app, held } = this;
    const now = this.#clock.now();
    const isStopOver = before.kind === 'stopped';
    if (endedBy) {
      const pausedForMs = Math.round(now - before.since);
      const ended = isStopOver ? 'stop' : 'pause';
      this.#emit('expired', { app, pausedForMs, held, cause: endedBy, ended });
    }
    this.#heldAtResume = this.held;
    // An expired lease tells nothing about the backend, so keep probing. An expired `maxTime` of a pause
    // ends the wait: its requests have waited long enough. Behind a stop no request has waited.
    const isPatient = isStopOver || endedBy !== 'maxTime';
    this.#reopening.afterPause(isPatient ? this.#patience(before, now) : 0);
    this.#drain.tell('resumed');
    this.#emitResumed(before);
    this.#pump();
  }

  #emitResumed({ since }: DesiredState): void {
    const pausedForMs = Math.round(this.#clock.now() - since);
    this.#emit('resumed', { app: this.app, pausedForMs, held: this.held });
  }

  /** How long to wait for the backend to answer: as set, or what is left of a pause. */
  #patience({ kind, until }: DesiredState, now: number): number {
    const { probe, maxTime } = this.settings;
    return probe.timeout ?? (kind === 'paused' ? Math.max(0, until - now) : maxTime);
  }

  /** @param onlyLongLived whether nothing else can have changed: then all others were ended before. */
  #checkDrained(onlyLongLived = false): void {
    if (this.desiredKind === 'running' || this.#isKnownDrained) return;
    if (!this.isDrained) {
      if (!onlyLongLived) this.#drain.endLongLived();
      return;
    }
    this.#isKnownDrained = true;
    this.#drain.end();
    const afterMs = Math.round(this.#clock.now() - this.#state.since);
    this.#emit('drained', { app: this.app, afterMs });
    this.#drain.tell('drained');
  }

  #endSlow({ passage, waitsFor, cause }: SlowClient): void {
    const { request } = passage;
    const since = this.#inFlight.sinceOf(request);
    // The end of another one may have ended it as well: they can share a connection.
    if (since === undefined) return;
    const ageMs = Math.round(this.#clock.now() - since);
    const payload = { app: this.app, ...describe(request), ageMs, waitsFor, cause };
    this.#emit('tooSlow', payload, request);
    passage.endSlow?.();
  }

  /** Whether there is something to wait for, now that a connection was refused. */
  #mayTakeBack(passage: GatedRequest): boolean {
    const { request } = passage;
    const since = this.#inFlight.sinceOf(request);
    if (since === undefined) return true;
    if (this.#isPasserBy(passage)) return this.#reopening.afterRefusal(since, false);
    if (this.#state.kind !== 'running') return true;
    // Where it is given up for that, the app may be stopped by now.
    return (
      this.#reopening.afterRefusal(since, this.#isReleased(request)) ||
      this.desiredKind === 'stopped'
    );
  }

  /** Whether a pause had held a request, or others wait for the release of a pause. */
  #isReleased(request: RequestLine): boolean {
    const isWaitedFor = this.held > 0 && this.#reopening.isAfterPause;
    return isWaitedFor || this.#release.isOwedAfterPause(request);
  }

  /** Let go as it has waited its longest: it would be again at once, as often as it was refused. */
  #isOverdue({ since }: Arrival): boolean {
    const { maxWait, onMaxWait } = this.settings;
    return onMaxWait === 'release' && since + maxWait <= this.#clock.now();
  }

  // ---- Letting go -----------------------------------------------------------------------------

  #pump(): void {
    this.#nextRelease = Infinity;
    const now = this.#clock.now();
    while (this.#mayLetGo && this.#waiting.head) {
      const delay = now < this.#reopening.releaseEnd ? this.#release.delay(now, this.held) : 0;
      if (delay > 0) {
        this.#nextRelease = now + delay;
        break;
      }
      this.#letGo(this.#waiting.head, now);
    }
    if (this.held === 0 && this.desiredKind === 'running') this.#reopening.onNothingHeld(now);
    if (this.isOpen) {
      this.#heldAtResume = 0;
      this.#release.end();
    }
    if (this.isReopened) {
      this.#hasReopened = true;
      this.#reopenWatchers.notify('reopened');
    }
    this.#schedule();
  }

  #letGo(ticket: Ticket, now: number): void {
    this.#inFlight.addHeld(ticket, now);
    this.#waiting.release(ticket);
    const isOfPause = this.desiredKind === 'running' && this.#reopening.isAfterPause;
    this.#release.add(ticket.request, now, this.held, isOfPause);
    if (this.desiredKind === 'running' || this.#isPasserBy(ticket.passage)) return;
    this.#isKnownDrained = false;
    this.#drain.expect(ticket.passage);
  }

  /** The backend answers: a pause keeps back those alone that it is for. */
  #letPassersByGo(): void {
    if (!this.#isInformed()) return;
    const now = this.#clock.now();
    for (const ticket of this.#passersBy()) this.#letGo(ticket, now);
  }

  /** The backend does not: those who waited for nothing else have failed. */
  #rejectUnreachable(): void {
    if (this.desiredKind !== 'paused') return this.#rejectAll('unreachable');
    const rejection = this.#rejection('unreachable');
    for (const ticket of this.#passersBy()) this.#waiting.reject(ticket, rejection);
  }

  #passersBy(): Ticket[] {
    if (this.desiredKind !== 'paused') return [];
    return [...this.#waiting].filter(({ passage }) => this.#isPasserBy(passage));
  }

  /** An engine.io client has lost its WebSocket before it moved there, and would not poll again. */
  #rejectPoll(session: string): void {
    const polls = [...this.#waiting].filter(
      ({ request }) => request.method === 'GET' && engineIoSession(request) === session,
    );
    for (const poll of polls) this.#waiting.reject(poll, this.#rejection('long-poll'));
  }

  #rejectAll(reason: RejectReason): void {
    for (let head = this.#waiting.head; head; head = this.#waiting.head) {
      this.#waiting.reject(head, this.#rejection(reason));
    }
  }

  /** @param hasPlace whether it stood in the queue before: then a newcomer has not taken its place. */
  #refusal(hasPlace = false): Rejection | undefined {
    if (this.desiredKind === 'stopped') return this.#rejection('stopped');
    if (this.#closed) return this.#rejection('shutdown');
    if (this.#waiting.isFull && !hasPlace) return this.#rejection('full');
    return undefined;
  }

  #rejection(reason: RejectReason): Rejection {
    const left = this.#state.until - this.#clock.now();
    return {
      reason,
      message: reason === 'stopped' ? this.#state.message : undefined,
      retryAfterMs: left < Infinity ? left : undefined,
    };
  }

  // ---- Deadlines ------------------------------------------------------------------------------

  /** One timer stands for every deadline: the first in the queue has the earliest of its kind. */
  #schedule(): void {
    const head = this.#waiting.head;
    const holdEnd = head ? head.since + this.settings.maxWait : Infinity;
    const { deadline, releaseEnd } = this.#reopening;
    const lastCall = head && this.#mayLetGo ? releaseEnd : Infinity;
    const pauseEnd = Math.min(this.#state.until, this.#state.leaseEnd);
    const earliest = Math.min(pauseEnd, holdEnd, deadline, lastCall, this.#nextRelease);
    this.#alarm.set(this.#closed ? Infinity : earliest);
  }

  #onAlarm(): void {
    const now = this.#clock.now();
    const end = endOf(this.#state, now);
    if (end) {
      this.adopt(running(now, end));
      this.#changed();
    }
    this.#reopening.onDeadline(now);
    this.#endLongHolds(now);
    this.#pump();
  }

  #endLongHolds(now: number): void {
    const { maxWait, onMaxWait } = this.settings;
    for (
      let head = this.#waiting.head;
      head && head.since + maxWait <= now;
      head = this.#waiting.head
    ) {
      if (onMaxWait === 'release') this.#letGo(head, now);
      else this.#waiting.reject(head, this.#rejection('timeout'));
    }
  }
}
