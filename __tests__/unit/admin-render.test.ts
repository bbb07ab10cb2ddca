/** How the admin endpoints put numbers and states into words. */
import { describe, expect, it } from '@jest/globals';
import { renderDisable, renderDrain, renderEnable } from '../../lib/admin/views/command-text.ts';
import { renderList, renderStatus } from '../../lib/admin/views/status-lines.ts';
import { renderTraffic } from '../../lib/admin/views/traffic-text.ts';
import { printable } from '../../lib/common/printable.ts';
import { describeStatus } from '../../lib/gate/status-text.ts';
import type { StatusFields } from '../../lib/gate/status.ts';
import type { AppStatus, CommandResult } from '../../lib/index.ts';
import { statusFields } from '../support/status-fields.ts';

const status = (given: Partial<StatusFields>): AppStatus => describeStatus(statusFields(given));

describe('lines', () => {
  it('control characters are replaced, everything else stays', () => {
    expect(printable('a\u001b[2J\r\n\u009bb\u007f – größe 💾')).toBe(
      'a\ufffd[2J\ufffd\ufffd\ufffdb\ufffd – größe 💾',
    );
  });

  it('control characters in what clients sent are replaced', () => {
    const stragglers = [{ method: 'GET', path: '/\u009b2J', ageMs: 5 }];
    const { text } = renderStatus(status({ phase: 'pausing', inFlight: 1, stragglers }), '');
    expect(text).toContain('\n  GET /\ufffd2J for 5 ms\n');
  });

  it.each(
    ['\u061c', '\u200e', '\u200f', '\u202a', '\u202b', '\u202c', '\u202d', '\u202e', '\u2066']
      .concat(['\u2067', '\u2068', '\u2069', '\u2028', '\u2029', '\u200b', '\ufeff', '\u{e0001}'])
      .map((character) => [character.codePointAt(0)!.toString(16), character]),
  )('the character U+%s is replaced wherever it comes from', (_code, character) => {
    const nasty = `a${character}b`;
    const stragglers = [{ method: nasty, path: `/${nasty}`, ageMs: 5 }];
    const probe = { lastSeen: nasty, forMs: 1, endsInMs: 1, unplanned: false };
    const given = { app: nasty, reason: nasty, message: nasty, probe };
    const phases = ['running', 'pausing', 'paused', 'releasing', 'stopped'] as const;
    const texts = phases.flatMap((phase) => {
      const one = status({ ...given, phase, ...(phase === 'pausing' && { stragglers }) });
      return [renderStatus(one, '').text, renderList([status({}), one], status({}), '').text];
    });
    expect(texts.join('')).not.toContain(character);
    expect(texts.join('')).toContain('a\ufffdb');
  });

  it('stragglers that are not named are counted', () => {
    const stragglers = [{ method: 'GET', path: '/a', ageMs: 61_000 }];
    const { text } = renderStatus(
      status({ phase: 'pausing', inFlight: 3, stragglers }),
      '/_antract',
    );
    expect(text).toContain(': 0 held, 3 in flight');
    expect(text).toContain('\n  GET /a for 1 min 1 s\n  and 2 more\n');
  });

  it('of a pause of writes, reads in flight are not said to be in the way', () => {
    const stragglers = [{ method: 'POST', path: '/a', ageMs: 1000 }];
    const paused = status({ phase: 'pausing', inFlight: 3, only: 'writes', stragglers });
    const text = (outcome: 'drained' | 'timeout') =>
      renderDrain({ outcome, waitedMs: 1000, stragglers }, paused, '').text;
    expect(text('timeout')).toContain('Not drained after 1 s: writes still in flight.\n');
    expect(text('timeout')).toContain('\n  POST /a for 1 s\nNext');
    expect(text('drained')).toContain('Drained after 1 s: no write is in flight.\n');
    expect(text('drained')).toContain(
      'GET, HEAD, OPTIONS and TRACE pass; all other methods are held.',
    );
  });

  it('a drain that the store hinders names it, and how to go on without it', () => {
    const drain = { waitedMs: 1000, stragglers: [], store: 'lost' as const };
    const pausing = status({ phase: 'pausing', inFlight: 1, store: 'lost' });
    const lost = renderDrain({ ...drain, outcome: 'lost' }, pausing, '/_antract');
    expect(lost.status).toBe(202);
    expect(lost.text).toMatch(
      /^Not drained after 1 s: the store does not answer, so other processes/,
    );
    expect(lost.text).toContain('/_antract/drain?lost=ignore drains without them.');
    expect(lost.json).toMatchObject({ drained: false, store: 'lost' });
    const timeout = renderDrain({ ...drain, outcome: 'timeout' }, pausing, '/_antract');
    expect(timeout.text).toMatch(
      /^Not drained after 1 s: 1 request still in flight, and the store does not answer\.\n/,
    );
    const paused = renderStatus(status({ phase: 'paused', store: 'lost' }), '');
    expect(paused.text).toContain("Drained in this process; the others can't be asked");
  });

  it('counts of another process that are old are said to be', () => {
    const peer = {
      host: 'h',
      held: 0,
      inFlight: 1,
      acknowledged: true,
      drained: false,
      leaving: false,
    };
    const processes = [
      { ...peer, pid: 1, seenMs: 0 },
      { ...peer, pid: 2, seenMs: 20_000 },
    ];
    expect(renderStatus(status({ processes, store: 'lost' }), '').text).toContain(
      '  h 1: 0 held, 1 in flight\n  h 2: 0 held, 1 in flight, last heard from 20 s ago\n',
    );
  });

  it('a repeated command says which terms it has changed', () => {
    const result = (changed: boolean): CommandResult => {
      return { app: 'default', changed, held: 1, status: status({ phase: 'paused', held: 1 }) };
    };
    const given = { parameters: {}, by: null, base: '' };
    const terms = { max_time: 600_000, expect: 0, reason: 'migration' };
    expect(renderEnable(result(false), { ...given, parameters: terms }).text).toMatch(
      /^Pause is already enabled, 1 request is currently paused\.\nTerms changed: ends by itself in 10 min, no expected end, reason "migration"\.\n/,
    );
    expect(renderEnable(result(true), { ...given, parameters: terms }).text).not.toContain(
      'Terms changed',
    );
    expect(renderEnable(result(false), given).text).not.toContain('Terms changed');
  });

  it.each([
    [0, 'Pause is disabled. No requests were held.'],
    [1, 'Pause is disabled. 1 request was held in-flight.'],
    [12, 'Pause is disabled. 12 requests were held in-flight.'],
  ])('the end of a pause that held %d requests', (held, first) => {
    const { text } = renderDisable({ app: 'default', changed: true, held, status: status({}) }, '');
    expect(text.split('\n')[0]).toBe(first);
  });

  it('an app without traffic has no slowest request', () => {
    const traffic = {
      app: 'default',
      windowMs: 60_000,
      requestsPerSecond: 0,
      inFlight: 0,
      slowestMs: 0,
      expectedHeldIn30s: 0,
      lastMinute: status({}).traffic,
    };
    expect(renderTraffic(traffic).text).not.toContain('Slowest');
    expect(renderTraffic({ ...traffic, slowestMs: 5 }).text).toContain('\nSlowest: 5 ms;');
  });

  it('a release whose first probe is under way does not sound like a failure', () => {
    const probe = { lastSeen: null, forMs: 1, endsInMs: 8000, unplanned: false };
    const { text } = renderStatus(status({ phase: 'releasing', held: 2, probe }), '');
    expect(text).toMatch(/\nHeld requests are released as soon as the backend answers\.\n$/);
    const passed = { ...probe, endsInMs: 0 };
    expect(renderStatus(status({ phase: 'releasing', held: 2, probe: passed }), '').text).toMatch(
      /\nHeld requests are released, in order\.\n$/,
    );
  });

  it('one request is one', () => {
    const { text } = renderStatus(status({ phase: 'releasing', held: 1, oldestHoldMs: 2000 }), '');
    expect(text).toBe(
      'Pause is disabled.\nApp default is releasing: 1 held, 0 in flight, oldest wait 2 s.\nHeld requests are released, in order.\n',
    );
  });

  it.each([true, false])(
    'requests that wait for the backend are named with the end of the wait (unplanned: %j)',
    (unplanned) => {
      const probe = { lastSeen: 'ECONNREFUSED', forMs: 2000, endsInMs: 8000, unplanned };
      const waiting = { phase: 'releasing', held: 2, probe } as const;
      const { text } = renderStatus(status(waiting), '');
      expect(text).toMatch(
        /^Pause is disabled\. 2 requests wait for the backend, for another 8 s at most\.\n/,
      );
      const { text: list } = renderList(
        [status({}), status({ ...waiting, app: 'shop' })],
        status({}),
        '',
      );
      expect(list).toMatch(/App shop .*requests wait for the backend for another 8 s at most/);
      const none = renderStatus(status({ ...waiting, held: 0 }), '').text;
      expect(none).toMatch(/^Pause is disabled\.\nApp default is releasing: 0 held, /);
      const over = renderStatus(
        status({ phase: 'running', probe: { ...probe, endsInMs: 0 } }),
        '',
      ).text;
      expect(over).not.toMatch(/at most|rejected|wait for the backend/);
    },
  );

  it('a pause of writes says how long its reads wait for the backend', () => {
    const probe = { lastSeen: null, forMs: 1, endsInMs: 8000, unplanned: true };
    const { text } = renderStatus(status({ phase: 'paused', only: 'writes', held: 1, probe }), '');
    expect(text).toContain('requests wait for the backend for another 8 s at most');
  });

  it('a status of six apps lists all six, including those that are just running', () => {
    const apps = ['default', 'shop', 'blog', 'wiki', 'chat', 'mail'].map((app) => status({ app }));
    const { text } = renderList(apps, apps[0] as AppStatus, '');
    expect(text).toBe(
      'Pause is disabled.\nApp default is running: 0 held, 0 in flight.\n' +
        'App shop is running: 0 held, 0 in flight.\nApp blog is running: 0 held, 0 in flight.\n' +
        'App wiki is running: 0 held, 0 in flight.\nApp chat is running: 0 held, 0 in flight.\n' +
        'App mail is running: 0 held, 0 in flight.\n',
    );
  });

  it('no line of one app is taken for another', () => {
    const apps = [
      status({}),
      status({ app: 'shop', phase: 'pausing', held: 2, inFlight: 1, endsInMs: 1000 }),
    ];
    const { text, json } = renderList(apps, apps[0] as AppStatus, '');
    expect(text).toBe(
      'Pause is disabled.\nApp default is running: 0 held, 0 in flight.\nApp shop is pausing: 2 held, 1 in flight, ends by itself in 1 s.\n' +
        '  Draining: 1 request still in flight. New requests are held.\n',
    );
    expect(json).toEqual({ apps });
  });
});
