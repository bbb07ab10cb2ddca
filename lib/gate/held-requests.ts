/** The held requests of one app. Emits one event for each change, and settles each verdict once. */
import type { Clock } from '../common/clock.ts';
import { DeadlineTimer } from '../common/deadline-timer.ts';
import { LinkedList } from '../common/linked-list.ts';
import { describe, type RequestLine } from '../common/request.ts';
import type { AppSettings } from '../options/settings.ts';
import type { EmitEvent, EndedHoldEvent } from './events.ts';
import { type GatedRequest, Navigation, Ticket, type Arrival } from './gated-request.ts';
import { HoldQueue } from './hold-queue.ts';
import type { Rejection, RejectReason } from './phase.ts';
import { rejectionCode } from './status.ts';

export interface HeldRequestsDeps {
  readonly app: string;
  readonly settings: Pick<AppSettings, 'maxQueue' | 'heartbeat' | 'pageAfter'>;
  readonly clock: Clock;
  readonly emit: EmitEvent;
}

export class HeldRequests {
  readonly #app: string;
  readonly #settings: HeldRequestsDeps['settings'];
  readonly #clock: Clock;
  readonly #emit: EmitEvent;
  readonly #queue: HoldQueue<Ticket>;
  /** In the order in which they get the waiting page, because all wait equally long. */
  readonly #navigations = new LinkedList<Navigation>();
  /** One for all held requests. Undefined if no heartbeat is configured. */
  readonly #heartbeat: DeadlineTimer | undefined;

  constructor({ app, settings, clock, emit }: HeldRequestsDeps) {
    this.#app = app;
    this.#settings = settings;
    this.#clock = clock;
    this.#emit = emit;
    this.#queue = new HoldQueue(settings.maxQueue);
    if (settings.heartbeat)
      this.#heartbeat = new DeadlineTimer(clock, () => this.#sendHeartbeats());
  }

  get size(): number {
    return this.#queue.size;
  }

  get isFull(): boolean {
    return this.#queue.isFull;
  }

  /** The request that has waited longest. */
  get head(): Ticket | undefined {
    return this.#queue.head;
  }

  /** When the next waiting page is due. `Infinity` means never. */
  get nextPageAt(): number {
    return this.#navigations.head?.pageAt ?? Infinity;
  }

  /** Returns the navigation whose waiting page is due. */
  findDuePage(now: number): Ticket | undefined {
    return this.nextPageAt <= now ? this.#navigations.head?.ticket : undefined;
  }

  [Symbol.iterator](): Iterator<Ticket> {
    return this.#queue[Symbol.iterator]();
  }

  countSpooledBytes(): number {
    let bytes = 0;
    // For 5,000 held requests, the iterator would take 2 ms, and delay a release.
    for (let ticket = this.head; ticket; ticket = ticket.next) bytes += ticket.spool?.bytes ?? 0;
    return bytes;
  }

  /** Adds a new request at the tail. */
  add(gated: GatedRequest, arrival: Arrival): Ticket {
    return this.#hold(gated, arrival, (ticket) => this.#queue.add(ticket));
  }

  /** Puts a request back in its old place, ahead of all requests that arrived later. */
  requeue(gated: GatedRequest, arrival: Arrival): Ticket {
    return this.#hold(gated, arrival, (ticket) => this.#queue.requeue(ticket));
  }

  /** Lets a request continue. When it does, {@link emitReleased} follows. */
  release(ticket: Ticket): void {
    this.#remove(ticket);
    ticket.settle({ kind: 'proceed', heldMs: this.#heldMs(ticket) });
  }

  emitReleased(ticket: Ticket): void {
    this.#emit('released', this.#endedHold(ticket), ticket.request);
  }

  /** The client has disconnected. False if the request is not held any more. */
  abandon(ticket: Ticket): boolean {
    if (!this.#remove(ticket)) return false;
    this.emitAbandoned(ticket);
    ticket.settle({ kind: 'gone', heldMs: this.#heldMs(ticket) });
    return true;
  }

  emitAbandoned(ticket: Ticket): void {
    this.#emit('abandoned', this.#endedHold(ticket), ticket.request);
  }

  reject(ticket: Ticket, rejection: Rejection): void {
    if (!this.#remove(ticket)) return;
    const heldMs = this.#heldMs(ticket);
    ticket.settle({ kind: 'reject', heldMs, rejection });
    this.emitRejected(ticket.request, rejection.reason, heldMs);
  }

  emitRejected(request: RequestLine, reason: RejectReason, heldMs = 0): void {
    const code = rejectionCode(reason);
    this.#emit('rejected', { app: this.#app, ...describe(request), heldMs, reason, code }, request);
  }

  close(): void {
    this.#heartbeat?.set(Infinity);
  }

  #hold(gated: GatedRequest, arrival: Arrival, queue: (ticket: Ticket) => void): Ticket {
    const ticket = new Ticket(gated, arrival);
    gated.ticket = ticket;
    queue(ticket);
    const { pageAfter } = this.#settings;
    if (pageAfter < Infinity && gated.isNavigation()) {
      ticket.navigation = new Navigation(ticket, this.#clock.now() + pageAfter);
      this.#navigations.add(ticket.navigation);
    }
    this.#emit('held', { app: this.#app, ...describe(gated.request) }, gated.request);
    this.#scheduleHeartbeat();
    return ticket;
  }

  /** False if the request is not held any more. */
  #remove(ticket: Ticket): boolean {
    if (ticket.navigation) this.#navigations.remove(ticket.navigation);
    return this.#queue.remove(ticket);
  }

  #scheduleHeartbeat(): void {
    const { heartbeat } = this.#settings;
    if (!heartbeat) return;
    this.#heartbeat?.set(this.size > 0 ? this.#clock.now() + heartbeat.every : Infinity);
  }

  #sendHeartbeats(): void {
    for (const { gated } of this.#queue) gated.sendHeartbeat();
    this.#scheduleHeartbeat();
  }

  #heldMs(ticket: Ticket): number {
    return Math.round(this.#clock.now() - ticket.since);
  }

  #endedHold(ticket: Ticket): EndedHoldEvent {
    return { app: this.#app, ...describe(ticket.request), heldMs: this.#heldMs(ticket) };
  }
}
