/**
 * The requests that were let through and whose response has not ended. Knows neither intent nor
 * queue.
 */
import type { GatedRequest } from './gated-request.ts';
import { describe, type RequestLine } from '../common/request.ts';
import type { Arrival, Ticket } from './ticket.ts';

/** A request that a drain waits for. */
export interface Straggler {
  /** The HTTP method of the request. */
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Since it was let through. */
  readonly ageMs: number;
  /**
   * Present where the client is what the request waits for: `upload`, it still sends the request body;
   * `download`, it does not take the response as fast as the backend sends it.
   */
  readonly waitsFor?: 'upload' | 'download';
}

/** How many a list of stragglers names; the count says how many there are. */
const MAX_STRAGGLERS = 20;

/** The oldest of several lists, as many as one list names. */
export function oldest(stragglers: readonly Straggler[]): Straggler[] {
  return stragglers.toSorted((a, b) => b.ageMs - a.ageMs).slice(0, MAX_STRAGGLERS);
}

interface Entry {
  readonly passage: GatedRequest;
  /** When it was let through. */
  readonly since: number;
  /** Before `since` where it was held. */
  readonly arrival: Arrival;
  /** Of one that was held. */
  readonly ticket: Ticket | undefined;
}

export class InFlight {
  readonly #entries = new Map<RequestLine, Entry>();

  /** All of them, long-lived ones included. */
  get size(): number {
    return this.#entries.size;
  }

  has(request: RequestLine): boolean {
    return this.#entries.has(request);
  }

  /** One that passes as it arrives. */
  add(passage: GatedRequest, arrival: Arrival): void {
    const { request } = passage;
    this.#entries.set(request, { passage, since: arrival.since, arrival, ticket: undefined });
  }

  /** One that was held until now. */
  addHeld(ticket: Ticket, now: number): void {
    const { passage, request } = ticket;
    this.#entries.set(request, { passage, since: now, arrival: ticket, ticket });
  }

  arrivalOf(request: RequestLine): Arrival | undefined {
    return this.#entries.get(request)?.arrival;
  }

  wasHeld(request: RequestLine): boolean {
    return this.#entries.get(request)?.ticket !== undefined;
  }

  /** When it was let through. */
  sinceOf(request: RequestLine): number | undefined {
    return this.#entries.get(request)?.since;
  }

  passageOf(request: RequestLine): GatedRequest | undefined {
    return this.#entries.get(request)?.passage;
  }

  /** The latest one that arrived in one of these callbacks: on one connection there may be several. */
  findByAsyncId(ids: readonly number[]): RequestLine | undefined {
    let found: RequestLine | undefined;
    for (const [request, { passage }] of this.#entries) {
      if (passage.asyncId !== undefined && ids.includes(passage.asyncId)) found = request;
    }
    return found;
  }

  /** Undefined when it was not in flight: each request ends once, however often its end is told. */
  remove(request: RequestLine): Entry | undefined {
    const entry = this.#entries.get(request);
    if (entry) this.#entries.delete(request);
    return entry;
  }

  *passages(): Iterable<GatedRequest> {
    for (const { passage } of this.#entries.values()) yield passage;
  }

  some(predicate: (passage: GatedRequest) => boolean): boolean {
    for (const { passage } of this.#entries.values()) if (predicate(passage)) return true;
    return false;
  }

  countLongLived(): number {
    let count = 0;
    for (const { passage } of this.#entries.values()) if (passage.isLongLived()) count++;
    return count;
  }

  /** Those that `counts` names, the oldest first. */
  stragglers(now: number, counts: (passage: GatedRequest) => boolean): Straggler[] {
    const oldest: Straggler[] = [];
    for (const { passage, since } of this.#entries.values()) {
      if (!counts(passage)) continue;
      const waitsFor = passage.clientWait?.()?.waitsFor;
      const ageMs = Math.round(now - since);
      oldest.push({ ...describe(passage.request), ageMs, ...(waitsFor && { waitsFor }) });
      if (oldest.length === MAX_STRAGGLERS) break;
    }
    return oldest;
  }
}
