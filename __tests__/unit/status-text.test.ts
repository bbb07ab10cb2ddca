/** The sentences of a status, which text answers, the command line and the dashboard show. */
import { describe, expect, it } from '@jest/globals';
import { describeStatus } from '../../lib/gate/status-text.ts';
import { sumCounts } from '../../lib/gate/status.ts';
import type { ProbeStatus, LostProcessStatus, StatusFields } from '../../lib/gate/status.ts';
import { statusFields } from '../support/status-fields.ts';

const details = (given: Partial<StatusFields>): string[] =>
  describeStatus(statusFields(given)).details;

const PROBE: ProbeStatus = { lastSeen: null, forMs: 1, endsInMs: 8000, unplanned: false };

const LOST: LostProcessStatus = {
  host: 'h',
  pid: 1,
  silentForMs: 6000,
  lostForMs: 1000,
  ended: false,
  fenced: false,
  blocksDrain: true,
};

describe('the summary of a status', () => {
  it('has the phase, the counts and the times', () => {
    const given = { phase: 'pausing', held: 1200, inFlight: 1, only: 'writes' } as const;
    const times = {
      oldestHoldMs: 2000,
      pausedForMs: 5000,
      endsInMs: 60_000,
      leaseEndsInMs: 30_000,
    };
    expect(describeStatus(statusFields({ ...given, ...times, app: 'shop' })).summary).toBe(
      'App shop is pausing for writes: 1,200 held, 1 in flight, oldest wait 2 s, ends by itself in ' +
        '1 min, its lease ends in 30 s, paused for 5 s.',
    );
  });

  it('has the expected end, and how long it is overdue', () => {
    const summary = (expectedEndInMs: number) =>
      describeStatus(statusFields({ phase: 'paused', expectedEndInMs })).summary;
    expect(summary(100_000)).toContain(', expected to end in 1 min 40 s.');
    expect(summary(-20_000)).toContain(', expected to end 20 s ago.');
  });
});

describe('the details of a status', () => {
  it('are none for an app that runs without trouble', () => expect(details({})).toEqual([]));

  it('say what a drain waits for, and what happens to new requests', () => {
    const pausing = { phase: 'pausing', inFlight: 2 } as const;
    const stragglers = [{ method: 'POST', path: '/', ageMs: 1 }];
    const reads = 'GET, HEAD, OPTIONS and TRACE pass; all other methods are held.';
    expect(details(pausing)).toEqual([
      'Draining: 2 requests still in flight. New requests are held.',
    ]);
    expect(details({ ...pausing, only: 'writes', stragglers })).toEqual([
      `Draining: writes still in flight. ${reads}`,
    ]);
    expect(details({ ...pausing, inFlight: 0 })).toEqual([
      'Draining: not every process has confirmed yet. New requests are held.',
    ]);
    expect(details({ phase: 'paused', only: 'writes' })).toEqual([
      `Drained: no write is in flight. ${reads}`,
    ]);
  });

  it('say that the expected end is later than the end', () => {
    const end = { phase: 'stopped', endsInMs: 60_000 } as const;
    const warning = expect.stringContaining('before its expected end');
    expect(details({ ...end, expectedEndInMs: 60_001 })).toContainEqual(warning);
    expect(details({ ...end, expectedEndInMs: 60_000 })).not.toContainEqual(warning);
    expect(details({ ...end, endsInMs: null, expectedEndInMs: 1 })).not.toContainEqual(warning);
  });

  it('say what held requests wait for, and whether they become fewer', () => {
    expect(details({ phase: 'releasing', held: 3, heldDelta: -2 })).toEqual([
      'Held requests are released, in order.',
      'Held now: 2 fewer than when the release began.',
    ]);
    expect(details({ phase: 'releasing', probe: PROBE })).toEqual([
      'Held requests are released as soon as the backend answers.',
    ]);
    expect(details({ phase: 'releasing', probe: { ...PROBE, unplanned: true } })).toEqual([
      'The app is not paused: requests are held because the backend does not answer.',
    ]);
  });

  it('say how much of the bodies of held requests is kept', () => {
    expect(details({ spooledBytes: 1_572_864 })).toEqual([
      'Bodies of held requests: 1.5 MiB, in memory and on disk.',
    ]);
  });

  it('name each process that an operator must not overlook', () => {
    const processes = [
      {
        host: 'h',
        pid: 2,
        held: 0,
        inFlight: 0,
        acknowledged: false,
        drained: true,
        leaving: false,
        seenMs: 4000,
      },
    ];
    const silent = 'Process 1 on h has not been heard from for 6 s.';
    const lost = (given: Partial<LostProcessStatus>): string[] =>
      details({ lostProcesses: [{ ...LOST, ...given }] });
    expect(details({ processes, store: 'lost' })).toEqual([
      'Process 2 on h has not acknowledged the last command yet; last heard from 4 s ago.',
      'The store does not answer: commands reach this process alone, and other processes may not follow.',
    ]);
    expect(lost({})).toEqual([`${silent} It may still send requests to the backend.`]);
    expect(lost({ fenced: true })).toEqual([
      `${silent} It holds new requests, but earlier ones may still be in flight.`,
    ]);
    expect(lost({ blocksDrain: false })).toEqual([`${silent} It had drained, and holds requests.`]);
    expect(lost({ ended: true })).toEqual([
      'Process 1 on h has ended. The requests it held are lost.',
    ]);
  });
});

describe('the counts of several processes', () => {
  it('are added up, and one that an older version does not report counts as 0', () => {
    const older = { held: 1, inFlight: 2, longLived: 0 };
    expect(sumCounts([{ ...older, spooledBytes: 7 }, older])).toEqual({
      held: 2,
      inFlight: 4,
      longLived: 0,
      spooledBytes: 7,
    });
  });
});
