/** The figures of `antract run`, added up over all attempts to drain. */
import { expect, it } from '@jest/globals';
import { addPauseToReport, createRunReport } from '../../lib/cli/window/run-report.ts';
import { FakeClock } from '../support/fake-clock.ts';

it('counts a request once that several attempts to drain have held', () => {
  const report = createRunReport('default', 'true', new FakeClock());
  const pause = { abandoned: 0, rejected: 0, pausedForMs: 1000 };
  addPauseToReport(report, { ...pause, held: 30, released: 8 }, 22);
  addPauseToReport(report, { ...pause, held: 22, released: 10 }, 12);
  addPauseToReport(report, { ...pause, held: 15, released: 15 });
  expect(report).toMatchObject({ held: 33, released: 33, pausedForMs: 3000 });
});
