/**
 * The ordered tickets of one app, with a limit. A `Set` would keep the order, too. But it walks over the holes
 * of earlier removals to find its head, and can't insert before the tail.
 */
import { LinkedList, type ListEntry } from '../common/linked-list.ts';

/** `order` is the place of a ticket in the order of arrival. */
export type Queued = ListEntry & { readonly order: number };

export class HoldQueue<T extends Queued> extends LinkedList<T> {
  readonly #limit: number;

  constructor(limit: number) {
    super();
    this.#limit = limit;
  }

  get isFull(): boolean {
    return this.size >= this.#limit;
  }

  /** Inserts a ticket ahead of all that arrived later. May exceed the limit. */
  requeue(ticket: T): void {
    let next = this.head;
    while (next && next.order < ticket.order) next = next.next;
    this.insert(ticket, next);
  }
}
