/** Durations and counts as people read them, on the server and in the dashboard. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatBytes, formatCount, formatMs } from '../../lib/common/format.js';
import { createDashboard } from '../../lib/admin/views/dashboard-page.ts';

const UNITS: Record<string, number> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };

describe('a duration', () => {
  it.each([
    [0, '0 ms'],
    [0.4, '0 ms'],
    [58, '58 ms'],
    [999, '999 ms'],
    [999.6, '1 s'],
    [1000, '1 s'],
    [1004, '1 s'],
    [1005, '1 s'],
    [1500, '1.5 s'],
    [1563, '1.56 s'],
    [9996, '10 s'],
    [12_345, '12.3 s'],
    [59_900, '59.9 s'],
    [59_960, '1 min'],
    [60_000, '1 min'],
    [125_000, '2 min 5 s'],
    [288_000, '4 min 48 s'],
    [3_569_999, '59 min 30 s'],
    [3_599_600, '1 h'],
    [7_500_000, '2 h 5 min'],
    [86_399_000, '1 d'],
    [2 ** 31 - 1, '24 d 21 h'],
  ])('of %d ms is shown as %s', (ms, shown) => {
    expect(formatMs(ms)).toBe(shown);
  });

  it('is formatted by the same function in the dashboard', () => {
    expect(createDashboard().page().body).toContain(formatMs.toString());
  });

  it('is shown within 2 % of its value, above 25 ms', () => {
    const durations = fc.oneof(
      ...[1000, 60_000, 3_600_000, 2 ** 31 - 1].map((max) => fc.integer({ min: 25, max })),
    );
    fc.assert(
      fc.property(durations, (ms) => {
        const words = formatMs(ms).split(' ');
        let shown = 0;
        for (let i = 0; i < words.length; i += 2) {
          shown += Number(words[i]) * (UNITS[words[i + 1] as string] as number);
        }
        expect(Math.abs(shown - ms)).toBeLessThanOrEqual(ms * 0.021);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('a count', () => {
  it('is in the singular where it is one, and has its thousands separated', () => {
    expect([0, 1, 1200].map((n) => formatCount(n, 'request'))).toEqual([
      '0 requests',
      '1 request',
      '1,200 requests',
    ]);
  });
});

describe('a size', () => {
  it.each([
    [0, '0 bytes'],
    [1, '1 byte'],
    [1023, '1,023 bytes'],
    [1024, '1 KiB'],
    [1_572_864, '1.5 MiB'],
    [1024 ** 3, '1 GiB'],
  ])('of %d bytes is shown as %s', (bytes, shown) => expect(formatBytes(bytes)).toBe(shown));
});
