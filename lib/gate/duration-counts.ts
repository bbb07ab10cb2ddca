/**
 * Counts durations in buckets: 1 ms wide up to 16 ms, then eight buckets for each doubling. A percentile is
 * interpolated within its bucket.
 */

/** Up to 35 minutes. */
export const BUCKETS = 152;

/** Pairs of a bucket and its count, one after the other. A short text in a report. */
export type SparseCounts = readonly number[];

/** Integer arithmetic only, because this runs for each request. */
export function bucketOf(ms: number): number {
  const whole = Math.min(Math.trunc(ms), 2 ** 30);
  if (whole < 8) return Math.max(0, whole);
  const power = 31 - Math.clz32(whole);
  return Math.min(BUCKETS - 1, (power - 2) * 8 + ((whole >> (power - 3)) & 7));
}

function lowerBound(bucket: number): number {
  return bucket < 8 ? bucket : (8 + (bucket & 7)) * 2 ** ((bucket >> 3) - 1);
}

/**
 * The duration in milliseconds that a share of all durations does not exceed.
 *
 * @param share from 0 to 1; 0.5 for the median.
 * @returns null if there is no duration.
 */
export function percentile(counts: ArrayLike<number>, share: number): number | null {
  let total = 0;
  for (let bucket = 0; bucket < counts.length; bucket++) total += counts[bucket] as number;
  if (total === 0) return null;
  let left = total * share;
  for (let bucket = 0; bucket < counts.length; bucket++) {
    const count = counts[bucket] as number;
    if (count > 0 && left <= count) {
      const low = lowerBound(bucket);
      return low + (lowerBound(bucket + 1) - low) * (left / count);
    }
    left -= count;
  }
  return lowerBound(BUCKETS);
}

export function toSparse(counts: ArrayLike<number>): SparseCounts {
  const sparse: number[] = [];
  for (let bucket = 0; bucket < counts.length; bucket++) {
    const count = counts[bucket] as number;
    if (count > 0) sparse.push(bucket, count);
  }
  return sparse;
}

/** Ignores buckets of another version. */
export function addSparse(counts: Float64Array, sparse: SparseCounts): void {
  for (let i = 0; i + 1 < sparse.length; i += 2) {
    const bucket = sparse[i] as number;
    if (bucket in counts) counts[bucket] = (counts[bucket] as number) + (sparse[i + 1] as number);
  }
}
