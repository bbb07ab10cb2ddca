/** What is known of a backend, from requests and probes, and how it is worded. */
import { describe, expect, it } from '@jest/globals';
import {
  describeBackend,
  reasonInWords,
  type BackendSituation,
} from '../../lib/gate/backend-status.ts';
import { Backend } from '../../lib/gate/backend.ts';
import type { Phase } from '../../lib/gate/phase.ts';
import { DEFAULT_APP_SETTINGS } from '../../lib/options/settings.ts';
import type { ProbeStatus } from '../../lib/gate/status.ts';

const PROBE: ProbeStatus = { lastSeen: 'ECONNREFUSED', forMs: 1, endsInMs: 9, unplanned: true };
const CHECK = Object.assign(async () => undefined, { path: '/up' });

function situation(given: Partial<BackendSituation> = {}): BackendSituation {
  const settings = { probe: { ...DEFAULT_APP_SETTINGS.probe, check: CHECK } };
  return { now: 100, phase: 'running', probe: null, settings, ...given };
}

describe('the state of a backend', () => {
  it('is unknown until the first observation, and again when a command follows an answer', () => {
    const backend = new Backend();
    expect(backend.facts.state).toBe('unknown');
    backend.noteAnswer(1);
    expect(backend.facts.state).toBe('up');
    backend.onCommand();
    expect(backend.facts).toMatchObject({ state: 'unknown', answeredAt: 1 });
  });

  it('stays down over commands, since the first failure, and is outdated until the next failure', () => {
    const backend = new Backend();
    backend.noteFailure('ECONNREFUSED', 2);
    backend.onCommand();
    backend.onCommand();
    const outage = { state: 'down', reason: 'ECONNREFUSED', since: 2 };
    expect(backend.facts).toMatchObject({ ...outage, seenAt: 2, isOutdated: true });
    expect(backend.isSeenDown).toBe(false);
    backend.noteFailure('ECONNREFUSED', 9);
    expect(backend.facts).toMatchObject({ ...outage, seenAt: 9, isOutdated: false });
    expect(backend.isSeenDown).toBe(true);
    backend.onCommand();
    backend.noteAnswer(12);
    expect(backend.facts).toMatchObject({ state: 'up', since: 12, isOutdated: false });
  });

  it('comes with what has first seen it', () => {
    const seen: string[] = [];
    const backend = new Backend((seenBy) => seen.push(seenBy));
    backend.noteProbe('ECONNREFUSED', false, 1, 'startCheck');
    backend.noteFailure('ECONNREFUSED', 2);
    backend.noteProbe('ok', true, 3);
    backend.noteFailure('ECONNREFUSED', 4);
    expect(seen).toEqual(['startCheck', 'probe', 'request']);
  });

  it('is down since the first failure, with the last reason, until an answer', () => {
    const backend = new Backend();
    backend.noteFailure('ECONNRESET', 10);
    backend.noteFailure('ECONNREFUSED', 20);
    expect(backend.facts).toMatchObject({
      state: 'down',
      reason: 'ECONNREFUSED',
      since: 10,
      seenAt: 20,
    });
    backend.noteAnswer(30);
    expect(backend.facts).toMatchObject({ state: 'up', reason: null, since: 30 });
  });

  it('does not become down by the failure of a request older than the last answer', () => {
    const backend = new Backend();
    backend.noteAnswer(10);
    backend.noteFailure('ERR_ANTRACT_PROXY_TIMEOUT', 20, 5);
    expect(backend.facts.state).toBe('up');
    backend.noteFailure('ERR_ANTRACT_PROXY_TIMEOUT', 30, 15);
    expect(backend.facts.state).toBe('down');
  });

  it('does not become up by the answer to a request older than the last failure', () => {
    const backend = new Backend();
    backend.noteFailure('ECONNREFUSED', 10);
    backend.noteAnswer(20, 5);
    expect(backend.facts.state).toBe('down');
    backend.noteAnswer(30, 15);
    expect(backend.facts.state).toBe('up');
  });

  it.each(['HTTP 404', 'HTTP 401', 'HTTP 403', 'HTTP 405', 'HTTP 101'])(
    'is a wrong check, and not down, when a probe gets %s',
    (what) => {
      const backend = new Backend();
      backend.noteProbe(what, false, 1);
      expect(backend.facts).toMatchObject({ state: 'unknown', wrongCheck: what.slice(5) });
      backend.onCommand();
      expect(backend.isCheckWrong).toBe(true);
      backend.noteProbe('ok', true, 2);
      expect(backend.facts).toMatchObject({ state: 'up', wrongCheck: null });
    },
  );

  it.each(['HTTP 500', 'HTTP 503', 'HTTP 429', 'HTTP 408', 'ECONNREFUSED', 'no answer in 2000 ms'])(
    'is down when a probe gets %s',
    (what) => {
      const backend = new Backend();
      backend.noteProbe(what, false, 1);
      expect(backend.facts).toMatchObject({ state: 'down', reason: what, wrongCheck: null });
    },
  );
});

describe('the sentences about a backend', () => {
  it.each([
    ['ECONNREFUSED', 'connection refused (ECONNREFUSED)'],
    ['ECONNRESET', 'it closed the connection (ECONNRESET)'],
    ['ENOTFOUND', 'its host name is not known (ENOTFOUND)'],
    ['ERR_ANTRACT_PROXY_TIMEOUT', 'no answer in time (ERR_ANTRACT_PROXY_TIMEOUT)'],
    ['CERT_HAS_EXPIRED', 'its certificate is not accepted (CERT_HAS_EXPIRED)'],
    ['HPE_INVALID_CONSTANT', 'its answer is not valid HTTP (HPE_INVALID_CONSTANT)'],
    ['HTTP 502', 'it answers 502'],
    ['the check returned false', 'the check returned false'],
  ])('%s is: %s', (reason, words) => expect(reasonInWords(reason)).toBe(words));

  it('say what is wrong, why, and what happens next, in each phase', () => {
    const backend = new Backend();
    backend.noteFailure('ECONNREFUSED', 40);
    const next = (given: Partial<BackendSituation>) => {
      const { summary, next: after, ...rest } = describeBackend(backend.facts, situation(given));
      expect(summary).toBe('The backend is down: connection refused (ECONNREFUSED).');
      expect(rest).toMatchObject({ state: 'down', reason: 'ECONNREFUSED', forMs: 60, seenMs: 60 });
      return after;
    };
    const stop = {
      probe: { ...DEFAULT_APP_SETTINGS.probe, check: CHECK, onTimeout: 'stop' } as const,
    };
    const planned = { ...PROBE, unplanned: false };
    expect(next({})).toBe(
      'Requests are passed on; the next one shows whether the backend answers.',
    );
    expect(next({ probe: PROBE })).toBe(
      'Requests are passed on, and fail until the backend answers. It is probed meanwhile.',
    );
    expect(next({ phase: 'releasing', probe: PROBE })).toMatch(/in time, they are rejected\.$/);
    expect(next({ phase: 'releasing', probe: planned })).toMatch(/passed on, and may fail\.$/);
    expect(next({ phase: 'releasing', probe: planned, settings: stop })).toMatch(
      /app is stopped\.$/,
    );
    expect(next({ phase: 'releasing', probe: { ...planned, endsInMs: 0 } })).toMatch(
      /^Held requests are passed on, and fail/,
    );
    for (const phase of ['pausing', 'paused'] as const) {
      expect(next({ phase })).toBe(
        'After the pause, held requests wait until the backend answers.',
      );
    }
    expect(next({ phase: 'stopped' })).toBeNull();
  });

  it('say that an outage was seen before the last command', () => {
    const backend = new Backend();
    backend.noteFailure('ECONNREFUSED', 40);
    backend.onCommand();
    expect(describeBackend(backend.facts, situation({ phase: 'paused' }))).toMatchObject({
      state: 'down',
      forMs: 60,
      seenMs: 60,
      summary: 'The backend was down when it was last seen: connection refused (ECONNREFUSED).',
    });
  });

  it('name the wrong health check path, in each phase', () => {
    const backend = new Backend();
    backend.noteProbe('HTTP 404', false, 1);
    const phases: Phase[] = ['running', 'pausing', 'paused', 'releasing', 'stopped'];
    for (const phase of phases) {
      const { summary, next } = describeBackend(backend.facts, situation({ phase }));
      expect(summary).toBe('The backend answers, but the health check path /up answers 404.');
      expect(next).toMatch(/^Correct the health check, such as `healthCheckPath`\./);
    }
  });

  it('name the wrong health check of a backend that was down before, until it is down again', () => {
    const backend = new Backend();
    backend.noteFailure('ECONNREFUSED', 1);
    backend.noteProbe('HTTP 400', false, 40);
    const releasing = situation({ phase: 'releasing', probe: PROBE });
    const shown = describeBackend(backend.facts, releasing);
    expect(shown).toMatchObject({ reason: 'HTTP 400', forMs: 99, seenMs: 60 });
    expect(shown.summary).toBe('The backend answers, but the health check path /up answers 400.');
    expect(shown.next).toMatch(/^Correct the health check/);
    backend.noteFailure('ECONNREFUSED', 50);
    expect(describeBackend(backend.facts, releasing).summary).toMatch(/^The backend is down: conn/);
  });

  it('are absent if the backend answers, or its state is unknown', () => {
    const backend = new Backend();
    const nothing = { summary: null, next: null };
    expect(describeBackend(backend.facts, situation())).toMatchObject({
      state: 'unknown',
      forMs: null,
      seenMs: null,
      ...nothing,
    });
    const afterResume = situation({ phase: 'releasing', probe: { ...PROBE, lastSeen: null } });
    expect(describeBackend(backend.facts, afterResume)).toMatchObject(nothing);
    backend.noteAnswer(50);
    expect(describeBackend(backend.facts, situation())).toMatchObject({ state: 'up', ...nothing });
  });

  it('contain no durations, so that they change only with the state', () => {
    const backend = new Backend();
    backend.noteFailure('ECONNREFUSED', 40);
    const { summary, next } = describeBackend(backend.facts, situation({ probe: PROBE }));
    const later = describeBackend(backend.facts, situation({ now: 90_000, probe: PROBE }));
    expect([later.summary, later.next]).toEqual([summary, next]);
  });
});
