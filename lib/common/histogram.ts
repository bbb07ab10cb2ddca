/** A histogram in memory of a fixed size: one addition for each value. */

export class Histogram {
  /** The upper bounds of the buckets, ascending. One more bucket has no bound. */
  readonly bounds: readonly number[];
  #sum = 0;
  // Allocated with the first value, because up to a thousand apps may never have one.
  #counts: number[] | undefined;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
  }

  get sum(): number {
    return this.#sum;
  }

  /** How many values each bucket has. The last one has those above all bounds. */
  get counts(): readonly number[] {
    return this.#counts ?? this.#empty();
  }

  observe(value: number): void {
    const { bounds } = this;
    const counts = (this.#counts ??= this.#empty());
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++;
    counts[bucket] = (counts[bucket] as number) + 1;
    this.#sum += value;
  }

  /** Adds the values of a histogram with the same bounds. */
  add(other: Histogram): void {
    this.#counts = this.counts.map((count, i) => count + (other.counts[i] as number));
    this.#sum += other.#sum;
  }

  #empty(): number[] {
    return Array.from({ length: this.bounds.length + 1 }, () => 0);
  }
}
