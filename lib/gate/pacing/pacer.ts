/**
 * How many held requests may go now. Pure: is given the time, the counts, the outcomes and chance,
 * and never waits itself. One pacer lives for one release.
 */
import type { ReleaseSettings } from '../../options/settings.ts';

export interface PaceCounts {
  /** Requests that still wait to be let go. */
  readonly held: number;
  /** Requests that were let go and whose answer has not begun. */
  readonly unanswered: number;
}

/** Which of several processes that release to the same backend this is: the first is 0. */
export interface Share {
  readonly index: number;
  readonly of: number;
}

export const WHOLE: Share = Object.freeze({ index: 0, of: 1 });

export interface Pacer {
  /** Milliseconds until one more may go: 0 is now, `Infinity` not before another answer. */
  delay(now: number, counts: PaceCounts): number;
  /** One was let go. Returns its number, by which its answer is told. */
  released(now: number, counts: PaceCounts): number;
  /** The answer to one has begun, or it is known that there will be none. */
  answered(now: number, number: number, good: boolean): void;
}

/** Decides when one more may go, by one consideration of several. */
type Consideration = Pick<Pacer, 'answered'> & {
  delay(now: number, counts: PaceCounts): number;
  released(now: number, counts: PaceCounts, number: number): void;
};

// A timer is late by a millisecond or two; up to this much is caught up on, so that a rate above
// one a millisecond can be kept, while a process that slept does not burst.
const CATCH_UP_MS = 20;

/** How long a slow start waits for any answer before it goes on without. */
const QUIET_MS = 1000;

/** @param share of every limit, as others release to the same backend; it may change meanwhile. */
export function createPacer(
  settings: ReleaseSettings,
  start: number,
  random: () => number,
  share: () => Share = () => WHOLE,
): Pacer {
  const { strategy, perSecond, jitter, concurrency, initial } = settings;
  const considerations = [
    createRate(() => perSecond / share().of, start),
    createSpread(jitter, start, random),
    createLimit(() => portion(concurrency, share())),
    ...(strategy === 'slow-start' ? [createSlowStart(portion(initial, share()), start)] : []),
  ];
  let count = 0;
  return {
    delay: (now, counts) => Math.max(...considerations.map((one) => one.delay(now, counts))),
    released(now, counts) {
      count++;
      for (const one of considerations) one.released(now, counts, count);
      return count;
    },
    answered(now, number, good) {
      for (const one of considerations) one.answered(now, number, good);
    },
  };
}

const nothing = (): void => undefined;

/** All portions together are the limit, also where that is less than how many share it. */
function portion(limit: number, { index, of }: Share): number {
  if (limit === Infinity) return Infinity;
  return Math.floor(limit / of) + (index < limit % of ? 1 : 0);
}

function createRate(perSecond: () => number, start: number): Consideration {
  let next = start;
  return {
    delay: (now) => Math.max(0, next - now),
    released: (now) => (next = Math.max(next, now - CATCH_UP_MS) + 1000 / perSecond()),
    answered: nothing,
  };
}

/**
 * The gaps between n points thrown at random on what is left of the spread, drawn one at a time, which
 * keeps the requests in order: https://en.wikipedia.org/wiki/Order_statistic
 */
function createSpread(jitter: number, start: number, random: () => number): Consideration {
  let next: number | undefined;
  const draw = (now: number, held: number): number => {
    const left = Math.max(0, start + jitter - now);
    return held > 0 ? now + left * (1 - random() ** (1 / held)) : now;
  };
  return {
    delay: (now, { held }) => Math.max(0, (next ??= draw(now, held)) - now),
    released: (now, { held }) => (next = draw(now, held)),
    answered: nothing,
  };
}

function createLimit(concurrency: () => number): Consideration {
  return {
    delay: (_now, { unanswered }) => (unanswered < concurrency() ? 0 : Infinity),
    released: nothing,
    answered: nothing,
  };
}

/**
 * A window as in TCP (RFC 5681): one more for each good answer, which doubles it with each round trip;
 * half of it when one goes wrong, and once only for all that had gone out by then. Where that was too
 * much for a backend that answers, one more with each round trip from then on.
 */
function createSlowStart(initial: number, start: number): Consideration {
  let window = initial;
  let quietSince = start;
  let last = 0;
  let cutAt = 0;
  /** From here on it grows slowly. */
  let threshold = Infinity;
  let isAnswering = false;
  return {
    delay(now, { unanswered }) {
      if (unanswered < Math.floor(window)) return 0;
      const left = quietSince + QUIET_MS - now;
      if (left > 0) return left;
      // Nobody answers, for long polls perhaps: they must not keep all others waiting.
      window++;
      quietSince = now;
      return unanswered < Math.floor(window) ? 0 : QUIET_MS;
    },
    released(now, { unanswered }, number) {
      if (unanswered <= 1) quietSince = now;
      last = number;
    },
    answered(now, number, good) {
      quietSince = now;
      if (good) {
        isAnswering = true;
        window += window < threshold ? 1 : 1 / window;
      } else if (number > cutAt) {
        window = Math.max(1, Math.floor(window / 2));
        // Else it is not the number that is wrong.
        if (isAnswering) threshold = window;
        isAnswering = false;
        cutAt = last;
      }
    },
  };
}
