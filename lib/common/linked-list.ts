/**
 * A doubly linked list whose entries hold the links: adding an entry allocates nothing, and removing it takes
 * the same time anywhere in the list.
 *
 * For entries that live as long as a request. V8 replaces the table of a `Map` or `Set` after some hundred
 * insertions, and frees the old table only with a full garbage collection. Until then the old table refers
 * to everything that was in it. With a `Map` of the requests in flight, collecting garbage took ten times as long,
 * 10 % of all processor time. A removed entry of this list has no links, and no link leads to it.
 */

/** An entry, which can be in one list at a time. Only the list writes these fields. */
export abstract class ListEntry {
  declare previous: this | undefined;
  declare next: this | undefined;
  declare isListed: boolean;

  // Here, because field initializers take three times as long.
  constructor() {
    this.previous = undefined;
    this.next = undefined;
    this.isListed = false;
  }
}

export class LinkedList<T extends ListEntry> {
  #head: T | undefined;
  #tail: T | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The first entry. */
  get head(): T | undefined {
    return this.#head;
  }

  /** Adds an entry at the end. */
  add(entry: T): void {
    this.insert(entry, undefined);
  }

  /** Adds an entry ahead of `next`, or at the end. */
  insert(entry: T, next: T | undefined): void {
    const previous = next ? next.previous : this.#tail;
    entry.previous = previous;
    entry.next = next;
    entry.isListed = true;
    if (previous) previous.next = entry;
    else this.#head = entry;
    if (next) next.previous = entry;
    else this.#tail = entry;
    this.#size++;
  }

  /** False if the entry is not listed. */
  remove(entry: T): boolean {
    if (!entry.isListed) return false;
    const { previous, next } = entry;
    if (previous) previous.next = next;
    else this.#head = next;
    if (next) next.previous = previous;
    else this.#tail = previous;
    entry.previous = undefined;
    entry.next = undefined;
    entry.isListed = false;
    this.#size--;
    return true;
  }

  /** In the order of the list, each entry that is still listed when its turn comes. */
  *[Symbol.iterator](): Generator<T> {
    const entries: T[] = [];
    for (let entry = this.#head; entry; entry = entry.next) entries.push(entry);
    for (const entry of entries) if (entry.isListed) yield entry;
  }
}
