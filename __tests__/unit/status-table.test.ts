/** The table of `antract status`, and when it has colours. */
import { describe, expect, it } from '@jest/globals';
import { readSnapshot, type AppSnapshot } from '../../lib/cli/client/snapshot.ts';
import { statusTable, trafficSentence } from '../../lib/cli/status-table.ts';
import { createPaint } from '../../lib/cli/style.ts';
import { widthOf } from '../../lib/cli/terminal.ts';

const plain = createPaint({ isTTY: false }, {});

const traffic = {
  windowMs: 60_000,
  requestsPerSecond: 1234.5,
  p50Ms: 30,
  p95Ms: 1555.6,
  errorShare: 0.0123,
};

function app(name: string, fields: object = {}): AppSnapshot {
  return readSnapshot({ app: name, phase: 'running', held: 0, inFlight: 0, ...fields });
}

const paused = {
  phase: 'paused',
  held: 1234,
  oldestHoldMs: 61_000,
  endsInMs: 239_000,
  by: { name: 'ada@laptop', address: '10.0.0.7', token: null },
  reason: 'migration',
};

describe('the table of several apps', () => {
  it('has backend and traffic of each, troubled apps first, and notes below', () => {
    const apps = [
      app('blog', { traffic, inFlight: 3, backend: { state: 'up' } }),
      app('shop', paused),
      app('auth', { backend: { state: 'down', forMs: 12_000 } }),
    ];
    expect(statusTable(apps, 80, plain)).toEqual([
      'APP   PHASE    BACKEND  HELD       WAIT  FLIGHT  REQ/S     P95  ERRORS',
      'auth  running  down        0          -       0      -       -       -',
      'shop  paused   -        1234  1 min 1 s       0      -       -       -',
      'blog  running  up          0          -       3   1230  1.56 s   1.2 %',
      'auth: backend down for 12 s',
      'shop: ends in 3 min 59 s, by ada@laptop (10.0.0.7): migration',
    ]);
  });

  it('fits 80 columns, whatever the names and reasons are', () => {
    const reason = 'a very long reason '.repeat(20);
    const apps = [
      app('an.app.with.a.very.long.name.example.org', {
        ...paused,
        traffic,
        only: 'writes',
        reason,
      }),
      app('日本日本日本日本日本日本日本日本', { backend: { state: 'down', forMs: 1 } }),
    ];
    for (const line of statusTable(apps, 80, plain)) expect(widthOf(line)).toBeLessThanOrEqual(80);
    expect(statusTable(apps, 80, plain).join('\n')).toContain('paused writes');
  });

  it('has colours that take no columns, and says the same without them', () => {
    const painted = statusTable([app('shop', paused)], 80, createPaint({}, { FORCE_COLOR: '1' }));
    expect(painted[1]).toContain('\u001b[33mpaused\u001b[39m');
    expect(painted.map(widthOf)).toEqual(
      statusTable([app('shop', paused)], 80, plain).map(widthOf),
    );
  });
});

describe('the traffic of one app', () => {
  it('is a sentence, and nothing without requests or from an older server', () => {
    expect(trafficSentence(app('shop', { traffic }).traffic)).toBe(
      'Last minute: 1230 requests per second, median 30 ms, 95 % within 1.56 s, 1.2 % errors.',
    );
    expect(trafficSentence(app('shop').traffic)).toBeUndefined();
    const none = { ...traffic, p50Ms: null, p95Ms: null, errorShare: null };
    expect(trafficSentence(app('shop', { traffic: none }).traffic)).toBeUndefined();
  });
});

describe('colours', () => {
  const terminal = { isTTY: true, hasColors: () => true };

  it.each<[string, object, NodeJS.ProcessEnv, boolean]>([
    ['on a terminal', terminal, {}, true],
    ['not in a pipe', { isTTY: false }, {}, false],
    ['not with NO_COLOR', terminal, { NO_COLOR: '1' }, false],
    ['with an empty NO_COLOR', terminal, { NO_COLOR: '' }, true],
    ['not on a dumb terminal', terminal, { TERM: 'dumb' }, false],
    ['in a pipe with FORCE_COLOR', {}, { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
    ['not with FORCE_COLOR=0', terminal, { FORCE_COLOR: '0' }, false],
  ])('are printed: %s', (_when, out, env, isColoured) => {
    expect(createPaint(out, env)('red', 'x') !== 'x').toBe(isColoured);
  });
});
