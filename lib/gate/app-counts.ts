/**
 * Counts what happened to the requests and the pauses of one app, for metrics. Has a fixed size, and costs a
 * request one addition.
 */
import { Histogram } from '../common/histogram.ts';
import type { RejectReason } from './phase.ts';

/** By the first digit of a status. */
export const STATUS_CLASSES = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const;

/** Seconds: from a delay that users barely notice to the longest pauses. */
const WAIT_BOUNDS = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

/** Seconds: from a cached response to the default of `proxyTimeout`. */
const BACKEND_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

export class AppCounts {
  /** Requests that passed on arrival and have ended, in the order of {@link STATUS_CLASSES}. */
  readonly passed = STATUS_CLASSES.map(() => 0);
  /** The same for requests that were held. */
  readonly released = STATUS_CLASSES.map(() => 0);
  readonly rejected: Partial<Record<RejectReason, number>> = {};
  abandoned = 0;
  /** Pauses and unplanned holds, by reason. */
  readonly pauses = { asked: 0, lease: 0, unplanned: 0 };
  stops = 0;
  /** How long requests were held, in seconds. */
  readonly holds = new Histogram(WAIT_BOUNDS);
  /** How long drains took, in seconds. */
  readonly drains = new Histogram(WAIT_BOUNDS);
  /** How long the backend took until it began to respond, in seconds. Only a proxy knows it. */
  readonly backend = new Histogram(BACKEND_BOUNDS);

  /** @param status 0 if there was no response. */
  addEnded(status: number, wasHeld: boolean): void {
    const ended = wasHeld ? this.released : this.passed;
    // A backend may respond with a status above 599.
    const index = Math.min(Math.floor(status / 100), STATUS_CLASSES.length - 1);
    ended[index] = (ended[index] as number) + 1;
  }

  /** Adds the counts of another app, or of an earlier gate of this one. */
  add(other: AppCounts): void {
    addAll(this.passed, other.passed);
    addAll(this.released, other.released);
    for (const [reason, count] of Object.entries(other.rejected)) {
      this.rejected[reason as RejectReason] = (this.rejected[reason as RejectReason] ?? 0) + count;
    }
    this.abandoned += other.abandoned;
    this.pauses.asked += other.pauses.asked;
    this.pauses.lease += other.pauses.lease;
    this.pauses.unplanned += other.pauses.unplanned;
    this.stops += other.stops;
    this.holds.add(other.holds);
    this.drains.add(other.drains);
    this.backend.add(other.backend);
  }
}

function addAll(counts: number[], others: readonly number[]): void {
  for (const [i, other] of others.entries()) counts[i] = (counts[i] as number) + other;
}
