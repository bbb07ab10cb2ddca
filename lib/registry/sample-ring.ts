/** The samples of one app, the latest ten minutes, in memory of a fixed size. */
import type { StatusFields } from '../gate/status.ts';

/** Samples by column, oldest first: the same index in each column is one sample. */
export interface Samples {
  /** When each sample was taken, in milliseconds since 1970. */
  at: number[];
  /** Held requests. */
  held: (number | null)[];
  /** Requests in flight. */
  inFlight: (number | null)[];
  /** How long the first request in the queue had waited; null if the queue was empty. */
  oldestHoldMs: (number | null)[];
  /** Requests that ended per second, in the 5 s before the sample. */
  requestsPerSecond: (number | null)[];
  /** Responses with a status of 500 or more per second, in the 5 s before the sample. */
  errorsPerSecond: (number | null)[];
  /** The median duration of the requests of the minute before the sample; null without requests. */
  p50Ms: (number | null)[];
  /** The 95th percentile of the same. */
  p95Ms: (number | null)[];
}

type Column = Exclude<keyof Samples, 'at'>;

const READ: Readonly<Record<Column, (status: StatusFields) => number | null>> = {
  held: ({ held }) => held,
  inFlight: ({ inFlight }) => inFlight,
  oldestHoldMs: ({ oldestHoldMs }) => oldestHoldMs,
  requestsPerSecond: ({ traffic }) => traffic.latestPerSecond,
  errorsPerSecond: ({ traffic }) => traffic.latestErrorsPerSecond,
  p50Ms: ({ traffic }) => traffic.p50Ms,
  p95Ms: ({ traffic }) => traffic.p95Ms,
};

const COLUMNS = Object.keys(READ) as Column[];

/** The time between two samples. */
export const STEP_MS = 2000;
const LENGTH = 600_000 / STEP_MS;

export class SampleRing {
  readonly #at = new Float64Array(LENGTH);
  readonly #columns = COLUMNS.map((name) => [name, new Float32Array(LENGTH)] as const);
  #count = 0;

  add(at: number, status: StatusFields): void {
    const index = this.#count++ % LENGTH;
    this.#at[index] = at;
    for (const [name, values] of this.#columns) values[index] = READ[name](status) ?? NaN;
  }

  read(): Samples {
    const samples = emptySamples();
    for (let i = Math.max(0, this.#count - LENGTH); i < this.#count; i++) {
      samples.at.push(this.#at[i % LENGTH] as number);
      for (const [name, values] of this.#columns) {
        const value = values[i % LENGTH] as number;
        samples[name].push(Number.isNaN(value) ? null : Math.round(value * 100) / 100);
      }
    }
    return samples;
  }
}

export function emptySamples(): Samples {
  const columns = Object.fromEntries(COLUMNS.map((name) => [name, []]));
  return { at: [], ...columns } as unknown as Samples;
}

/** An app without requests needs no memory for samples. */
export function isIdle({ held, inFlight, traffic }: StatusFields): boolean {
  return held === 0 && inFlight === 0 && traffic.requestsPerSecond === 0;
}
