import { describe, expect, it } from '@jest/globals';
import { createPacer } from '../../lib/gate/pacing/pacer.ts';
import type { Share } from '../../lib/gate/pacing/strategy.ts';
import type { ReleaseSettings } from '../../lib/gate/pacing/strategies.ts';

const whole = (): Share => ({ index: 0, of: 1 });

const unlimited: ReleaseSettings = {
  strategy: 'fixed',
  concurrency: Infinity,
  perSecond: Infinity,
  jitter: 0,
  initial: 8,
};

/** Lets `held` requests go as the pacer allows, none of them ever answered; returns the times. */
function releaseTimes(settings: ReleaseSettings, held: number, random = () => 0.5): number[] {
  const pacer = createPacer({ settings, start: 0, random, share: whole });
  const times: number[] = [];
  let now = 0;
  while (times.length < held) {
    const counts = { held: held - times.length, pending: times.length };
    const delay = pacer.delay(now, counts);
    if (delay === Infinity) break;
    now += delay;
    if (delay > 0) continue;
    times.push(now);
    pacer.onRelease(now, { held: held - times.length, pending: times.length });
  }
  return times;
}

describe('the fixed release strategy', () => {
  it('releases all held requests at once by default', () => {
    expect(releaseTimes(unlimited, 5)).toEqual([0, 0, 0, 0, 0]);
  });

  it('has no more pending requests than concurrency', () => {
    expect(releaseTimes({ ...unlimited, concurrency: 3 }, 10)).toEqual([0, 0, 0]);
  });

  it('sets no timer while all of its concurrency is in use', () => {
    const pacer = createPacer({
      settings: { ...unlimited, concurrency: 1 },
      start: 0,
      random: () => 0.5,
      share: whole,
    });
    expect(pacer.delay(0, { held: 2, pending: 1 })).toBe(Infinity);
    expect(pacer.delay(0, { held: 2, pending: 0 })).toBe(0);
  });

  it('spaces releases evenly at perSecond', () => {
    expect(releaseTimes({ ...unlimited, perSecond: 4 }, 4)).toEqual([0, 250, 500, 750]);
  });

  it('does not catch up in a burst after the process was frozen', () => {
    const pacer = createPacer({
      settings: { ...unlimited, perSecond: 10 },
      start: 0,
      random: () => 0.5,
      share: whole,
    });
    pacer.onRelease(0, { held: 9, pending: 1 });
    expect(pacer.delay(5000, { held: 9, pending: 1 })).toBe(0);
    pacer.onRelease(5000, { held: 8, pending: 2 });
    expect(pacer.delay(5000, { held: 8, pending: 2 })).toBeGreaterThan(50);
  });

  it('spreads held requests over the jitter in order and never beyond it', () => {
    for (const chance of [0, 0.001, 0.5, 0.999]) {
      const times = releaseTimes({ ...unlimited, jitter: 1000 }, 20, () => chance);
      expect(times).toHaveLength(20);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(times.at(-1)).toBeLessThanOrEqual(1000);
    }
    const spread = releaseTimes({ ...unlimited, jitter: 1000 }, 20);
    expect(new Set(spread).size).toBe(20);
  });
});

describe('the slow-start release strategy', () => {
  const settings: ReleaseSettings = { ...unlimited, strategy: 'slow-start', initial: 8 };

  /** A release in which nothing happens by itself. */
  function begin(overrides: Partial<ReleaseSettings> = {}) {
    const pacer = createPacer({
      settings: { ...settings, ...overrides },
      start: 0,
      random: () => 0.5,
      share: whole,
    });
    const open: number[] = [];
    const counts = () => ({ held: 1000, pending: open.length });
    return {
      open,
      delay: (now: number) => pacer.delay(now, counts()),
      /** Lets go as many as may, and returns how many. */
      fill(now: number): number {
        let count = 0;
        for (; pacer.delay(now, counts()) === 0; count++) {
          open.push(0);
          open[open.length - 1] = pacer.onRelease(now, counts());
        }
        return count;
      },
      answer(now: number, good = true): void {
        pacer.onResponse(now, open.shift() as number, good);
      },
    };
  }

  it('doubles its concurrency with each successful round trip', () => {
    const release = begin();
    const sizes: number[] = [];
    for (let round = 0; round < 4; round++) {
      release.fill(round * 20);
      sizes.push(release.open.length);
      while (release.open.length > 0) release.answer(round * 20 + 10);
    }
    expect(sizes).toEqual([8, 16, 32, 64]);
  });

  it('halves its concurrency once for all requests that fail together', () => {
    const release = begin({ initial: 16 });
    release.fill(0);
    while (release.open.length > 0) release.answer(10, false);
    release.fill(20);
    expect(release.open).toHaveLength(8);
    while (release.open.length > 0) release.answer(30, false);
    release.fill(40);
    expect(release.open).toHaveLength(4);
  });

  it('grows by one a round trip once the backend was overloaded', () => {
    const release = begin({ initial: 16 });
    release.fill(0);
    for (let i = 0; i < 12; i++) release.answer(10);
    while (release.open.length > 0) release.answer(10, false);
    const sizes: number[] = [];
    for (let round = 1; round < 5; round++) {
      release.fill(round * 20);
      sizes.push(release.open.length);
      while (release.open.length > 0) release.answer(round * 20 + 10);
    }
    expect(sizes).toEqual([14, 14, 15, 16]);
  });

  it('never reduces its concurrency to zero', () => {
    const release = begin({ initial: 1 });
    for (let round = 0; round < 5; round++) {
      expect(release.fill(round)).toBe(1);
      release.answer(round, false);
    }
  });

  it('grows after a second without an answer', () => {
    const release = begin({ initial: 2 });
    release.fill(0);
    expect(release.delay(400)).toBe(600);
    expect(release.fill(1000)).toBe(1);
    expect(release.delay(1000)).toBe(1000);
    release.answer(1500);
    release.fill(1500);
    expect(release.delay(1500)).toBe(1000);
  });

  it('never exceeds the configured concurrency', () => {
    const release = begin({ concurrency: 5 });
    release.fill(0);
    expect(release.open).toHaveLength(5);
  });
});
