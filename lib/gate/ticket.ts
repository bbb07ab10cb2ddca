/**
 * One held request's place in the queue, and the promise of what becomes of it. Knows no gate.
 */
import type { Queued } from './hold-queue.ts';
import type { Verdict } from './phase.ts';
import type { GatedRequest } from './gated-request.ts';
import type { RequestLine } from '../common/request.ts';

/** When a request arrived at its gate, and as which of all: times may be equal. */
export interface Arrival {
  readonly since: number;
  readonly order: number;
}

export class Ticket implements Queued {
  previous: this | undefined = undefined;
  next: this | undefined = undefined;
  queued = false;
  /** Whether the request has gone on to the next handler. */
  passed = false;

  readonly passage: GatedRequest;
  readonly since: number;
  readonly order: number;
  /** Settles once. The waiting request awaits it and then goes on in its own async context. */
  readonly verdict: Promise<Verdict>;
  readonly settle: (verdict: Verdict) => void;

  /** @param arrival when the request arrived, and as which of all. */
  constructor(passage: GatedRequest, arrival: Arrival) {
    this.passage = passage;
    this.since = arrival.since;
    this.order = arrival.order;
    let settle!: (verdict: Verdict) => void;
    this.verdict = new Promise((resolve) => {
      settle = resolve;
    });
    this.settle = settle;
  }

  get request(): RequestLine {
    return this.passage.request;
  }
}
