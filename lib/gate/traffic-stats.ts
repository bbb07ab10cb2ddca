/**
 * Counts the traffic of one app in the last minutes, in memory of a fixed size. A request costs a few
 * additions; the rest is computed when the traffic is reported.
 */
import type { GatedRequest } from './gated-request.ts';
import { bucketOf, BUCKETS, toSparse, type SparseCounts } from './duration-counts.ts';

export interface TrafficSummary {
  readonly windowMs: number;
  readonly ended: number;
  readonly slowestMs: number;
}

/** The counts of the last minute, which can be added up over processes. */
export interface MinuteCounts {
  readonly windowMs: number;
  readonly ended: number;
  readonly errors: number;
  /** The same for the last 5 s. */
  readonly latest: { readonly windowMs: number; readonly ended: number; readonly errors: number };
  readonly durations: SparseCounts;
}

/** A shorter request is timed, whether or not it was long-lived. */
const LONG_MS = 10_000;

const SECONDS = 300;
const MINUTE = 60;
const LATEST = 5;
/** The durations of a minute are kept in slots of 10 s, so their window varies from 50 to 60 s. */
const SLOT_SECONDS = 10;
const SLOTS = MINUTE / SLOT_SECONDS;

export class TrafficStats {
  /** How many requests passed without being held, since the gate was created. */
  passed = 0;

  readonly #begun: number;
  #second: number;
  // The counts of the present second. Not in the rings, because each further object costs a memory access.
  #ended = 0;
  #errors = 0;
  #slowest = 0;
  // Allocated when the first request ends, because up to a thousand apps may never have one.
  #rings: Rings | undefined;

  /** Times are milliseconds on a monotonic clock. */
  constructor(now: number) {
    this.#begun = now;
    this.#second = secondOf(now);
  }

  /** A request has ended. @param status 0 if there was no response. @param since when it passed. */
  recordRequest(
    request: Pick<GatedRequest, 'isLongLived'>,
    status: number,
    since: number,
    now: number,
  ): void {
    const durationMs = now - since;
    // Most requests are short. Only a long one is asked, because that takes 1 to 2 microseconds.
    const isTimed = durationMs < LONG_MS || !request.isLongLived();
    this.record(now, durationMs, status >= 500, isTimed);
  }

  /**
   * A request has ended that passed `durationMs` ago.
   *
   * @param isError whether the response has a status of 500 or more.
   * @param isTimed whether its duration says something about the backend. That of a WebSocket does not.
   */
  record(now: number, durationMs: number, isError = false, isTimed = true): void {
    const rings = (this.#rings ??= new Rings(this.#second));
    const second = secondOf(now);
    if (second > this.#second) this.#turnTo(second);
    this.#ended++;
    if (isError) this.#errors++;
    if (durationMs > this.#slowest) this.#slowest = durationMs;
    if (isTimed) rings.addDuration(durationMs);
  }

  summary(now: number): TrafficSummary {
    const second = this.#turn(now);
    return {
      windowMs: this.#windowMs(now, second - SECONDS + 1),
      ended: this.#rings?.counts.reduce((sum, count) => sum + count, 0) ?? 0,
      slowestMs: this.#rings?.slowest.reduce((most, ms) => Math.max(most, ms), 0) ?? 0,
    };
  }

  lastMinute(now: number): MinuteCounts {
    const second = this.#turn(now);
    const rings = this.#rings;
    // The present second has only begun. Its requests would make a rate of 5 s too low.
    const latest = { from: second - LATEST, to: second - 1 };
    return {
      windowMs: this.#windowMs(now, second - MINUTE + 1),
      ended: rings?.sum('counts', second - MINUTE + 1, second) ?? 0,
      errors: rings?.sum('errors', second - MINUTE + 1, second) ?? 0,
      latest: {
        windowMs: Math.min(LATEST * 1000, Math.max(0, now - this.#begun)),
        ended: rings?.sum('counts', latest.from, latest.to) ?? 0,
        errors: rings?.sum('errors', latest.from, latest.to) ?? 0,
      },
      durations: rings?.durations() ?? [],
    };
  }

  #windowMs(now: number, firstSecond: number): number {
    return Math.max(0, now - Math.max(this.#begun, firstSecond * 1000));
  }

  /** Brings the rings up to date. Returns the present second. */
  #turn(now: number): number {
    this.#turnTo(Math.max(this.#second, secondOf(now)));
    return this.#second;
  }

  #turnTo(second: number): void {
    this.#rings?.set(this.#second, this.#ended, this.#errors, this.#slowest);
    if (second === this.#second) return;
    this.#rings?.clear(this.#second, second);
    this.#second = second;
    this.#ended = 0;
    this.#errors = 0;
    this.#slowest = 0;
  }
}

/** One place for each second, and for durations one row of buckets for each slot. */
class Rings {
  readonly counts = new Uint32Array(SECONDS);
  readonly errors = new Uint32Array(SECONDS);
  readonly slowest = new Float64Array(SECONDS);
  readonly #rows = Array.from({ length: SLOTS }, emptyRow);
  /** The row of the present slot. */
  #row: number[];

  constructor(second: number) {
    this.#row = this.#rows[slotOf(second) % SLOTS] as number[];
  }

  set(second: number, ended: number, errors: number, slowest: number): void {
    const at = second % SECONDS;
    this.counts[at] = ended;
    this.errors[at] = errors;
    this.slowest[at] = slowest;
  }

  addDuration(durationMs: number): void {
    const bucket = bucketOf(durationMs);
    this.#row[bucket] = (this.#row[bucket] as number) + 1;
  }

  /** Empties the places of the seconds after `last`, up to `second`: their counts are too old. */
  clear(last: number, second: number): void {
    for (let each = Math.max(last, second - SECONDS) + 1; each <= second; each++) {
      this.set(each, 0, 0, 0);
    }
    const slot = slotOf(second);
    for (let each = Math.max(slotOf(last), slot - SLOTS) + 1; each <= slot; each++) {
      this.#row = emptyRow();
      this.#rows[each % SLOTS] = this.#row;
    }
  }

  sum(ring: 'counts' | 'errors', from: number, to: number): number {
    let sum = 0;
    for (let each = Math.max(0, from); each <= to; each++) sum += this[ring][each % SECONDS] ?? 0;
    return sum;
  }

  durations(): SparseCounts {
    const counts = emptyRow();
    for (const row of this.#rows) {
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        counts[bucket] = (counts[bucket] as number) + (row[bucket] as number);
      }
    }
    return toSparse(counts);
  }
}

function emptyRow(): number[] {
  return Array.from({ length: BUCKETS }, () => 0);
}

function secondOf(now: number): number {
  return Math.floor(now / 1000);
}

function slotOf(second: number): number {
  return Math.floor(second / SLOT_SECONDS);
}
