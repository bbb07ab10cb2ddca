/** The requests that passed the gate and whose response has not ended. */
import { LinkedList } from '../common/linked-list.ts';
import { describe, type RequestLine } from '../common/request.ts';
import type { Arrival, GatedRequest } from './gated-request.ts';

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

/** When a request in flight arrived. */
export function arrivalOf(gated: GatedRequest): Arrival {
  return gated.ticket ?? gated;
}

/** The property of a request with its latest {@link GatedRequest}, which links to the earlier ones. */
const LATEST = Symbol('antract');

type Marked = RequestLine & { [LATEST]?: GatedRequest };

export class InFlight {
  readonly #list = new LinkedList<GatedRequest>();
  #onEmpty: (() => void) | undefined;

  /** Counts long-lived requests too. */
  get size(): number {
    return this.#list.size;
  }

  has(request: RequestLine): boolean {
    return this.get(request) !== undefined;
  }

  get(request: Marked): GatedRequest | undefined {
    let gated = request[LATEST];
    while (gated && !(gated.owner === this && gated.isListed)) gated = gated.earlier;
    return gated;
  }

  /** Adds a request that passes. One that passed another mount of this gate before is counted once. */
  add(gated: GatedRequest, now: number): void {
    gated.since = now;
    if (gated.owner === undefined) this.#mark(gated);
    this.#list.add(gated);
  }

  /** False if the request was not in flight: its end may be reported more than once. */
  remove(gated: GatedRequest): boolean {
    if (!this.#list.remove(gated)) return false;
    if (this.size === 0) this.#onEmpty?.();
    return true;
  }

  /** Resolves when nothing is in flight. Meant for a closed gate, which passes no new requests. */
  whenEmpty(): Promise<void> {
    if (this.size === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#onEmpty = resolve));
  }

  /** The latest request that arrived in one of these callbacks. A connection can have several. */
  findByAsyncId(ids: readonly number[]): RequestLine | undefined {
    let found: RequestLine | undefined;
    for (const { asyncId, request } of this.#list) {
      if (asyncId !== undefined && ids.includes(asyncId)) found = request;
    }
    return found;
  }

  [Symbol.iterator](): Iterator<GatedRequest> {
    return this.#list[Symbol.iterator]();
  }

  some(predicate: (gated: GatedRequest) => boolean): boolean {
    for (const gated of this.#list) if (predicate(gated)) return true;
    return false;
  }

  countLongLived(): number {
    let count = 0;
    for (const gated of this.#list) if (gated.isLongLived()) count++;
    return count;
  }

  /** The requests that match, oldest first. */
  stragglers(now: number, matches: (gated: GatedRequest) => boolean): Straggler[] {
    const found: Straggler[] = [];
    for (const gated of this.#list) {
      if (!matches(gated)) continue;
      const waitsFor = gated.clientWait()?.waitsFor;
      const ageMs = Math.round(now - gated.since);
      found.push({ ...describe(gated.request), ageMs, ...(waitsFor && { waitsFor }) });
      if (found.length === MAX_STRAGGLERS) break;
    }
    return found;
  }

  #mark(gated: GatedRequest): void {
    const request: Marked = gated.request;
    const earlier = request[LATEST];
    if (earlier) {
      const atOtherMount = this.get(request);
      if (atOtherMount) this.#list.remove(atOtherMount);
      gated.earlier = earlier;
    }
    request[LATEST] = gated;
    gated.owner = this;
  }
}
