/**
 * The ordered tickets of one app, with a limit.
 *
 * A linked list instead of a `Set`: both remove in O(1) and keep the order. But a `Set` walks over the
 * holes of earlier removals to find its head, and can't insert before the tail.
 */

/** The links of a queued ticket. Only the queue writes them. */
export interface Queued {
  /** The place of the ticket in the order of arrival. */
  readonly order: number;
  previous: this | undefined;
  next: this | undefined;
  queued: boolean;
}

export class HoldQueue<T extends Queued> {
  readonly #limit: number;
  #head: T | undefined;
  #tail: T | undefined;
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    return this.#size >= this.#limit;
  }

  /** The ticket that has waited longest. */
  get head(): T | undefined {
    return this.#head;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let ticket = this.#head; ticket; ticket = ticket.next) yield ticket;
  }

  /** Adds a ticket at the tail. The caller checks {@link isFull} first. */
  add(ticket: T): void {
    ticket.previous = this.#tail;
    ticket.next = undefined;
    ticket.queued = true;
    if (this.#tail) this.#tail.next = ticket;
    else this.#head = ticket;
    this.#tail = ticket;
    this.#size++;
  }

  /** Inserts a ticket ahead of all that arrived later. May exceed the limit. */
  requeue(ticket: T): void {
    let next = this.#head;
    while (next && next.order < ticket.order) next = next.next;
    if (!next) return this.add(ticket);
    ticket.next = next;
    ticket.previous = next.previous;
    ticket.queued = true;
    if (next.previous) next.previous.next = ticket;
    else this.#head = ticket;
    next.previous = ticket;
    this.#size++;
  }

  /** False if the ticket is not queued. */
  remove(ticket: T): boolean {
    if (!ticket.queued) return false;
    if (ticket.previous) ticket.previous.next = ticket.next;
    else this.#head = ticket.next;
    if (ticket.next) ticket.next.previous = ticket.previous;
    else this.#tail = ticket.previous;
    ticket.previous = undefined;
    ticket.next = undefined;
    ticket.queued = false;
    this.#size--;
    return true;
  }
}
