/** When a client should come back: from the expected end, the limits of the pause, or how long it lasts. */
import { describe, expect, it } from '@jest/globals';
import { running, type DesiredState } from '../../lib/gate/desired-state.ts';
import { retryAfterMs } from '../../lib/gate/retry-after.ts';

const S = 1000;
const NOW = 1_000_000;

/** `lastsMs` is how long the state has lasted; all other times are milliseconds from now. */
function state(kind: DesiredState['kind'], lastsMs: number, ends: Partial<DesiredState> = {}) {
  const times = { until: ends.until, leaseEnd: ends.leaseEnd, expectedEnd: ends.expectedEnd };
  const given = Object.entries(times).filter(([, time]) => time !== undefined);
  const absolute = given.map(([name, time]) => [name, NOW + (time as number)]);
  return { ...running(NOW - lastsMs), kind, ...Object.fromEntries(absolute) } as DesiredState;
}

const seconds = (from: DesiredState): number => retryAfterMs(from, NOW) / S;

describe('a rejected client should come back', () => {
  it('when the pause is expected to end, whatever its lease', () => {
    const terms = { expectedEnd: 100 * S, until: 300 * S, leaseEnd: 15 * S };
    expect(seconds(state('paused', 20 * S, terms))).toBe(100);
  });

  it('at the end of the pause, if it is expected to last longer than it may', () => {
    expect(seconds(state('paused', 0, { expectedEnd: 200 * S, until: 60 * S }))).toBe(60);
  });

  it('within five minutes, because the work may be done sooner', () => {
    expect(seconds(state('stopped', 0, { expectedEnd: 7200 * S }))).toBe(300);
    expect(seconds(state('stopped', 0, { until: 7200 * S }))).toBe(300);
  });

  it('when a stop ends by itself', () => {
    expect(seconds(state('stopped', 0, { until: 90 * S }))).toBe(90);
    expect(seconds(state('stopped', 0, { until: 90 * S, expectedEnd: 40 * S }))).toBe(40);
    expect(seconds(state('stopped', 60 * S, { until: 90 * S, expectedEnd: -S }))).toBe(90);
  });

  it.each([
    ['paused', 0, 5],
    ['paused', 12 * S, 12],
    ['paused', 200 * S, 30],
    ['stopped', 0, 30],
    ['stopped', 100 * S, 100],
    ['stopped', 9000 * S, 300],
    ['running', 9000 * S, 5],
  ] as const)(
    'after as long again, if no end of the state is known: %s for %d ms',
    (kind, lasts, wait) => {
      expect(seconds(state(kind, lasts))).toBe(wait);
    },
  );

  it('after as long again as the expected end is overdue', () => {
    const overdue = (ms: number) => state('paused', 600 * S, { expectedEnd: -ms, until: 900 * S });
    expect([S, 8 * S, 90 * S].map((ms) => seconds(overdue(ms)))).toEqual([5, 8, 30]);
  });

  it('not after the end of the pause or of its lease, if no other end is known', () => {
    expect(seconds(state('paused', 20 * S, { until: 3 * S }))).toBe(3);
    expect(seconds(state('paused', 20 * S, { until: 60 * S, leaseEnd: 12 * S }))).toBe(12);
  });

  it('after a whole number of milliseconds, even if the clock counts fractions', () => {
    const times = Array.from({ length: 100 }, (_, n) => 1000 + n * 100 * Math.PI);
    const waits = times.map((now) => retryAfterMs({ ...running(now), kind: 'paused' }, now));
    expect(new Set(waits)).toEqual(new Set([5000]));
  });
});
