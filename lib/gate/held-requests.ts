/**
 * Those who are held in one app, and what becomes of each: told, once, in events and verdicts. Knows
 * neither intent nor pace.
 */
import type { Clock } from '../common/clock.ts';
import type { EmitEvent, EndedHoldEvent } from './events.ts';
import { HoldQueue } from './hold-queue.ts';
import type { GatedRequest } from './gated-request.ts';
import type { Rejection, RejectReason } from './phase.ts';
import { describe, type RequestLine } from '../common/request.ts';
import { rejectionCode } from './status.ts';
import { Ticket, type Arrival } from './ticket.ts';

export interface HeldRequestsDeps {
  readonly app: string;
  readonly clock: Clock;
  readonly emit: EmitEvent;
}

export class HeldRequests {
  readonly #app: string;
  readonly #clock: Clock;
  readonly #emit: EmitEvent;
  readonly #queue: HoldQueue<Ticket>;

  constructor({ app, clock, emit }: HeldRequestsDeps, limit: number) {
    this.#app = app;
    this.#clock = clock;
    this.#emit = emit;
    this.#queue = new HoldQueue(limit);
  }

  get size(): number {
    return this.#queue.size;
  }

  get isFull(): boolean {
    return this.#queue.isFull;
  }

  get head(): Ticket | undefined {
    return this.#queue.head;
  }

  [Symbol.iterator](): Iterator<Ticket> {
    return this.#queue[Symbol.iterator]();
  }

  /** Whoever comes joins the tail. */
  add(passage: GatedRequest, arrival: Arrival): Ticket {
    const ticket = new Ticket(passage, arrival);
    this.#queue.add(ticket);
    this.#emit('held', { app: this.#app, ...describe(passage.request) }, passage.request);
    return ticket;
  }

  /** One that comes back stands where it stood: before all who came after it. */
  requeue(passage: GatedRequest, arrival: Arrival): Ticket {
    const ticket = new Ticket(passage, arrival);
    this.#queue.requeue(ticket);
    this.#emit('held', { app: this.#app, ...describe(passage.request) }, passage.request);
    return ticket;
  }

  /** It may go; `released` is told when it does. */
  release(ticket: Ticket): void {
    this.#queue.remove(ticket);
    ticket.settle({ kind: 'proceed', heldMs: this.#heldMs(ticket) });
  }

  released(ticket: Ticket): void {
    this.#emit('released', this.#ended(ticket), ticket.request);
  }

  /** Its client has left. False when it does not wait here any more. */
  abandon(ticket: Ticket): boolean {
    if (!this.#queue.remove(ticket)) return false;
    this.abandoned(ticket);
    ticket.settle({ kind: 'gone', heldMs: this.#heldMs(ticket) });
    return true;
  }

  abandoned(ticket: Ticket): void {
    this.#emit('abandoned', this.#ended(ticket), ticket.request);
  }

  reject(ticket: Ticket, rejection: Rejection): void {
    if (!this.#queue.remove(ticket)) return;
    const heldMs = this.#heldMs(ticket);
    ticket.settle({ kind: 'reject', heldMs, refusal: rejection });
    this.rejected(ticket.request, rejection.reason, heldMs);
  }

  /** A request was refused; without a hold, when `heldMs` is left out. */
  rejected(request: RequestLine, reason: RejectReason, heldMs = 0): void {
    const code = rejectionCode(reason);
    this.#emit('rejected', { app: this.#app, ...describe(request), heldMs, reason, code }, request);
  }

  #heldMs(ticket: Ticket): number {
    return Math.round(this.#clock.now() - ticket.since);
  }

  #ended(ticket: Ticket): EndedHoldEvent {
    return { app: this.#app, ...describe(ticket.request), heldMs: this.#heldMs(ticket) };
  }
}
