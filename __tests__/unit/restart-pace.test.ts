/** How soon a worker that has ended is started again. */
import { expect, it } from '@jest/globals';
import { RestartPace, STABLE_MS } from '../../lib/cli/workers/restart-pace.ts';

it('a worker that ran stably is restarted at once, whatever happened before', () => {
  const pace = new RestartPace();
  expect([STABLE_MS, 0, 0, STABLE_MS, 0].map((lived) => pace.next(lived))).toEqual([
    0, 250, 500, 0, 250,
  ]);
});

it('a worker that keeps crashing is restarted after growing delays of up to 30 seconds', () => {
  const pace = new RestartPace();
  const pauses = Array.from({ length: 12 }, () => pace.next(1));
  expect(pauses).toEqual([...pauses].sort((a, b) => a - b));
  expect(pauses.at(-1)).toBe(30_000);
});
