/** Counts how long the requests of a pause waited, by buckets. Has a fixed size. */

// Each bucket is 5 % wider than the previous one, up to the 24 days that a pause can last.
const WIDTH = Math.log(1.05);
const BUCKETS = Math.ceil(Math.log(2 ** 31) / WIDTH) + 1;

/** How many waits are in each bucket that has any. */
export type WaitEntries = readonly (readonly [bucket: number, count: number])[];

export class Waits {
  readonly #counts = new Uint32Array(BUCKETS);
  #total = 0;
  longest: number | null = null;

  add(ms: number): void {
    this.#count(ms, 1);
    this.longest = Math.max(this.longest ?? 0, ms);
  }

  /** The request waits again. Its next wait includes this one, so {@link longest} stays. */
  remove(ms: number): void {
    this.#count(ms, -1);
    if (this.#total === 0) this.longest = null;
  }

  entries(): WaitEntries {
    return [...this.#counts.entries()].filter(([, count]) => count > 0);
  }

  join(waits: WaitEntries, longest: number | null): void {
    for (const [bucket, count] of waits) {
      if (!(bucket in this.#counts)) continue;
      this.#counts[bucket] = (this.#counts[bucket] as number) + count;
      this.#total += count;
    }
    if (longest !== null) this.longest = Math.max(this.longest ?? 0, longest);
  }

  median(): number | null {
    let passed = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      passed += count;
      // The middle of a bucket can exceed the longest wait, which is exact.
      if (passed * 2 > this.#total) {
        return Math.min(this.longest ?? 0, Math.round(Math.exp(bucket * WIDTH)));
      }
    }
    return null;
  }

  #count(ms: number, by: 1 | -1): void {
    const bucket = Math.min(BUCKETS - 1, Math.round(Math.log(Math.max(1, ms)) / WIDTH));
    this.#counts[bucket] = (this.#counts[bucket] as number) + by;
    this.#total += by;
  }
}
