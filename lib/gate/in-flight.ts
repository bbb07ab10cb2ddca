/** The requests that passed the gate and whose response has not ended. */
import { LinkedMap } from '../common/linked-map.ts';
import { describe, type RequestLine } from '../common/request.ts';
import type { GatedRequest, Arrival, Ticket } from './gated-request.ts';

/** A request in flight that a drain waits for. */
export interface Straggler {
  /** The HTTP method of the request. */
  readonly method: string;
  /** The path of the request, without the query. */
  readonly path: string;
  /** Milliseconds since the request was passed to the backend. */
  readonly ageMs: number;
  /**
   * Present if the request waits for its client. `upload`: the client is still sending the request body.
   * `download`: the client reads the response more slowly than the backend sends it.
   */
  readonly waitsFor?: 'upload' | 'download';
}

/** The longest list of stragglers. The count of requests in flight is exact. */
const MAX_STRAGGLERS = 20;

/** The oldest stragglers of several lists, as many as one list may have. */
export function oldest(stragglers: readonly Straggler[]): Straggler[] {
  return stragglers.toSorted((a, b) => b.ageMs - a.ageMs).slice(0, MAX_STRAGGLERS);
}

export interface InFlightRequest {
  readonly gated: GatedRequest;
  /** When the request passed. If it was not held, it arrived then. */
  readonly since: number;
  readonly order: number;
  /** Undefined if the request was not held. */
  readonly ticket: Ticket | undefined;
}

/** When a request in flight arrived. */
export function arrivalOf({ ticket, since, order }: InFlightRequest): Arrival {
  return ticket ?? { since, order };
}

export class InFlight {
  readonly #entries = new LinkedMap<RequestLine, InFlightRequest>();
  #onEmpty: (() => void) | undefined;

  /** Counts long-lived requests too. */
  get size(): number {
    return this.#entries.size;
  }

  has(request: RequestLine): boolean {
    return this.#entries.has(request);
  }

  get(request: RequestLine): InFlightRequest | undefined {
    return this.#entries.get(request);
  }

  /** Adds a request that passes on arrival. */
  add(gated: GatedRequest, since: number, order: number): void {
    this.#entries.set(gated.request, { gated, since, order, ticket: undefined });
  }

  /** Adds a request that was held until now. */
  addReleased(ticket: Ticket, now: number): void {
    const { gated, request, order } = ticket;
    this.#entries.set(request, { gated, since: now, order, ticket });
  }

  /** Undefined if the request was not in flight: its end may be reported more than once. */
  remove(request: RequestLine): InFlightRequest | undefined {
    const entry = this.#entries.get(request);
    if (!entry) return undefined;
    this.#entries.delete(request);
    if (this.size === 0) this.#onEmpty?.();
    return entry;
  }

  /** Resolves when nothing is in flight. Meant for a closed gate, which passes no new requests. */
  whenEmpty(): Promise<void> {
    if (this.size === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#onEmpty = resolve));
  }

  /** The latest request that arrived in one of these callbacks. A connection can have several. */
  findByAsyncId(ids: readonly number[]): RequestLine | undefined {
    let found: RequestLine | undefined;
    for (const [request, { gated }] of this.#entries) {
      if (gated.asyncId !== undefined && ids.includes(gated.asyncId)) found = request;
    }
    return found;
  }

  *[Symbol.iterator](): Iterator<GatedRequest> {
    for (const [, { gated }] of this.#entries) yield gated;
  }

  some(predicate: (gated: GatedRequest) => boolean): boolean {
    for (const [, { gated }] of this.#entries) if (predicate(gated)) return true;
    return false;
  }

  countLongLived(): number {
    let count = 0;
    for (const [, { gated }] of this.#entries) if (gated.isLongLived()) count++;
    return count;
  }

  /** The requests that match, oldest first. */
  stragglers(now: number, matches: (gated: GatedRequest) => boolean): Straggler[] {
    const found: Straggler[] = [];
    for (const [, { gated, since }] of this.#entries) {
      if (!matches(gated)) continue;
      const waitsFor = gated.clientWait?.()?.waitsFor;
      const ageMs = Math.round(now - since);
      found.push({ ...describe(gated.request), ageMs, ...(waitsFor && { waitsFor }) });
      if (found.length === MAX_STRAGGLERS) break;
    }
    return found;
  }
}
