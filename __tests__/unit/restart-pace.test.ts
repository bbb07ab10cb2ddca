/** How soon a worker that has ended is started again. */
import { expect, it } from '@jest/globals';
import { RestartPace, STABLE_MS } from '../../lib/cli/workers/restart-pace.ts';

it('one that was well is replaced at once, whatever was before', () => {
  const pace = new RestartPace();
  expect([STABLE_MS, 0, 0, STABLE_MS, 0].map((lived) => pace.next(lived))).toEqual([
    0, 250, 500, 0, 250,
  ]);
});

it('one that keeps dying is replaced later each time, and twice a minute in the end', () => {
  const pace = new RestartPace();
  const pauses = Array.from({ length: 12 }, () => pace.next(1));
  expect(pauses).toEqual([...pauses].sort((a, b) => a - b));
  expect(pauses.at(-1)).toBe(30_000);
});
