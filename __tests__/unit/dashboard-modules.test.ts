/** The parts of the dashboard's page that need no browser: its words, its figures and the data of its chart. */
import { describe, expect, it } from '@jest/globals';
import type { Report, Samples, Status } from '../../lib/admin/dashboard/status.d.ts';
import { describeStatus } from '../../lib/gate/status-text.ts';
import { statusFields } from '../support/status-fields.ts';

// Plain JavaScript, checked against a browser's types rather than these.
const load = async <T>(name: string): Promise<T> =>
  (await import(new URL(`../../lib/admin/dashboard/${name}.js`, import.meta.url).href)) as never;

const {
  adviceFor,
  backendText,
  badgeOf,
  compareApps,
  lastKnownLines,
  reportLines,
  summaryOf,
  whyText,
} = await load<{
  adviceFor(status: Status): string[];
  lastKnownLines(status: Status, seenAt: number): string[];
  backendText(status: Status, now: number, passedMs: number): string;
  badgeOf(status: Status): string;
  compareApps(a: Status, b: Status): number;
  reportLines(report: Report): string[];
  summaryOf(apps: readonly Status[]): string;
  whyText(status: Status): string;
}>('words');
const { commandsFor, extensionOf, inWordsOfForm, parametersOf, questionFor } = await load<{
  commandsFor(status: Status): string[];
  parametersOf(command: string, status: Status): object;
  extensionOf(status: Status, passedMs: number): object;
  inWordsOfForm(detail: string, labels: ReadonlyMap<string, string>): string;
  questionFor(command: string, status: Status): { title: string; text: string; confirm: string };
}>('commands');
const { figuresOf, formatCountdown } = await load<{
  figuresOf(
    status: Status,
    passedMs: number,
  ): { name: string; label: string; value: string; note?: string; level?: string }[];
  formatCountdown(ms: number): string;
}>('figures');
const { History } = await load<{
  History: new () => {
    add(time: number, status: Status): void;
    load(samples: Samples): void;
    addGap(): void;
    start(now: number): number;
    columns(now: number): [number[], ...(number | null)[][]];
  };
}>('history');

const status = (given: Parameters<typeof statusFields>[0]): Status =>
  describeStatus(statusFields({ app: 'shop', ...given }));

const DOWN = {
  state: 'down',
  reason: 'ECONNREFUSED',
  forMs: 5000,
  seenMs: 0,
  probing: true,
  summary: 'The backend is down: connection refused (ECONNREFUSED).',
  next: null,
} as const;

const TRAFFIC = {
  windowMs: 60_000,
  requestsPerSecond: 4.25,
  p50Ms: 44,
  p95Ms: 101,
  errorShare: 0.02,
  latestPerSecond: 4,
  latestErrorsPerSecond: 0,
};

describe('a backend that is down', () => {
  it('is what the badge says where requests fail or wait for it, and not in a pause', () => {
    for (const phase of ['running', 'releasing'] as const) {
      expect(badgeOf(status({ phase, backend: DOWN }))).toBe('backend down');
    }
    for (const phase of ['pausing', 'paused', 'stopped'] as const) {
      expect(badgeOf(status({ phase, backend: DOWN }))).toBe(phase);
    }
  });

  it('is described with its reason and its time, which continues between snapshots', () => {
    expect(backendText(status({ backend: DOWN }), Date.now(), 7400)).toMatch(
      /^The backend is down: connection refused \(ECONNREFUSED\), since [\d:]+ \(12 s\)$/,
    );
    const beside = { ...status({ backend: DOWN }), target: 'http://127.0.0.1:3000' };
    expect(backendText(beside, Date.now(), 0)).toMatch(/^down: connection refused /);
  });
});

describe('what the operator should know or do', () => {
  const probe = { lastSeen: null, forMs: 1, endsInMs: 8000, unplanned: false };

  it('is to pause where requests fail or are about to', () => {
    expect(adviceFor(status({ backend: DOWN }))).toEqual([
      'Requests are not held: clients get errors. Pause to hold them.',
    ]);
    expect(adviceFor(status({ phase: 'releasing', backend: DOWN, probe }))).toEqual([
      'Pause to keep the held requests waiting.',
    ]);
    expect(adviceFor(status({}))).toEqual([]);
  });

  it('is that a longer pause does not extend the wait of a request', () => {
    const paused = { phase: 'paused', maxWaitMs: 55_000 } as const;
    const end = '+5 min extends the pause, not this limit.';
    expect(adviceFor(status(paused))).toEqual([`A request that is held for 55 s gets 503. ${end}`]);
    expect(adviceFor(status({ ...paused, onMaxWait: 'release' }))).toEqual([
      `A request that is held for 55 s is passed on. ${end}`,
    ]);
  });

  it('is what was known when the contact was lost, and what happens without it', () => {
    const paused = { phase: 'paused', held: 3, endsInMs: 60_000 } as const;
    expect(lastKnownLines(status(paused), 0)).toEqual([
      'Last known: 3 held, 0 in flight.',
      expect.stringMatching(
        /^The pause continues without this page\. It ends by itself at \d\d:\d\d:00\.$/,
      ),
    ]);
  });
});

describe('the list of apps', () => {
  const failing = { ...TRAFFIC, errorShare: 0.5 };
  const apps = [
    status({ app: 'b' }),
    status({ app: 'a10' }),
    status({ app: 'a2' }),
    status({ app: 'failing', traffic: failing }),
    status({ app: 'stopped', phase: 'stopped' }),
    status({ app: 'paused', phase: 'paused' }),
    status({ app: 'down', backend: DOWN }),
  ];

  it('begins with the apps in trouble, and sorts the others by name', () => {
    expect(apps.toSorted(compareApps).map(({ app }) => app)).toEqual(
      'down paused stopped failing a2 a10 b'.split(' '),
    );
  });

  it('has a summary', () => {
    expect(summaryOf(apps)).toBe(
      '1 backend down, 1 paused, 1 stopped, 1 running with errors, 3 running',
    );
  });
});

describe('the figures of an app', () => {
  const names = (given: Parameters<typeof statusFields>[0]): string[] =>
    figuresOf(status(given), 0).map(({ name }) => name);
  const figure = (name: string, given: Parameters<typeof statusFields>[0], passedMs = 0) =>
    figuresOf(status(given), passedMs).find((each) => each.name === name);

  it('are those that mean something in its phase', () => {
    expect(names({})).toEqual(['rate', 'inFlight']);
    expect(names({ traffic: TRAFFIC })).toEqual(['rate', 'latency', 'errors', 'inFlight']);
    const pause = { phase: 'paused', pausedForMs: 1, endsInMs: 1 } as const;
    expect(names(pause)).toEqual(['ends', 'held', 'elapsed']);
    expect(names({ ...pause, oldestHoldMs: 1 })).toEqual(['oldest', 'ends', 'held', 'elapsed']);
    expect(names({ phase: 'stopped', stoppedForMs: 1 })).toEqual(['elapsed', 'ends']);
  });

  it('become critical as the oldest request nears its limit, also between snapshots', () => {
    const given = { phase: 'paused', oldestHoldMs: 30_000, maxWaitMs: 60_000 } as const;
    const note = 'held 30 s of 1 min';
    expect(figure('oldest', given)).toMatchObject({ value: '0:30', note, level: '' });
    expect(figure('oldest', given, 5000)).toMatchObject({ value: '0:25', level: 'warning' });
    expect(figure('oldest', given, 15_000)).toMatchObject({ value: '0:15', level: 'critical' });
    const label = 'First passed on in';
    expect(figure('oldest', { ...given, onMaxWait: 'release' })).toMatchObject({ label });
    // The pause ends before.
    const short = { ...given, endsInMs: 20_000 };
    expect(figure('oldest', short)).toMatchObject({ value: '30 s', note: 'of 1 min' });
    const unlimited = { ...given, maxWaitMs: null };
    expect(figure('oldest', unlimited)).toMatchObject({ level: 'warning' });
    expect(figure('oldest', unlimited, 30_000)).toMatchObject({ level: 'critical' });
  });

  it('become critical as the end of the pause nears, except the end of a lease', () => {
    const given = { phase: 'paused', endsInMs: 90_000 } as const;
    expect(figure('ends', given)).toMatchObject({ value: '1:30', level: '' });
    expect(figure('ends', given, 40_000)).toMatchObject({ value: '0:50', level: 'warning' });
    expect(figure('ends', given, 75_000)).toMatchObject({ value: '0:15', level: 'critical' });
    expect(figure('ends', { ...given, leaseEndsInMs: 9000 })).toMatchObject({
      value: '0:09',
      note: 'unless renewed',
      level: '',
    });
  });

  it('say when a pause takes longer than expected', () => {
    const given = { phase: 'paused', pausedForMs: 5000, expectedEndInMs: 3000 } as const;
    expect(figure('elapsed', given)?.note).toBe('3 s expected');
    expect(figure('elapsed', given, 5000)).toMatchObject({
      note: 'overdue by 2 s',
      level: 'warning',
    });
  });
});

describe('times on the page', () => {
  it.each([
    [288_000, '4:48'],
    [287_001, '4:48'],
    [1, '0:01'],
    [-50, '0:00'],
    [3_900_000, '1:05:00'],
  ])('count %p ms down as %p', (ms, text) => expect(formatCountdown(ms)).toBe(text));
});

describe('the commands of an app', () => {
  it('change something, the most likely one first', () => {
    const commands = (given: Parameters<typeof statusFields>[0]) => commandsFor(status(given));
    expect(commands({})).toEqual(['enable', 'stop']);
    expect(commands({ phase: 'stopped' })).toEqual(['disable', 'enable']);
    expect(commands({ phase: 'paused' })).toEqual(['disable', 'extend', 'narrow', 'stop']);
    const ofWrites = { phase: 'paused', only: 'writes' } as const;
    expect(commands(ofWrites)).toEqual(['disable', 'extend', 'stop']);
  });

  it('apply only to the pause that the page shows', () => {
    const paused = status({ phase: 'paused', pauseId: 'p1' });
    expect(parametersOf('disable', paused)).toEqual({ app: 'shop', if_pause: 'p1' });
    expect(parametersOf('narrow', paused)).toEqual({
      app: 'shop',
      if_pause: 'p1',
      only: 'writes',
    });
    expect(parametersOf('disable', status({ phase: 'stopped' }))).toEqual({ app: 'shop' });
  });

  it('ask by the name of the app, and say who is affected', () => {
    expect(questionFor('stop', status({ held: 7, inFlight: 2 }))).toEqual({
      title: 'Stop shop?',
      text: 'New requests will get 503, and so will 7 held requests. 2 requests in flight will complete. A stop has no end, unless you set one below.',
      confirm: 'Stop',
    });
  });

  it('extend the pause that the page shows, and no other one', () => {
    const paused = status({ phase: 'paused', endsInMs: 60_000, pauseId: 'p1' });
    expect(extensionOf(paused, 2000)).toEqual({ max_time: '358000ms', if_pause: 'p1' });
  });

  it('fail in the words of the form', () => {
    const labels = new Map([['max_time', 'Longest duration']]);
    expect(inWordsOfForm("Expected `max_time` to be a duration, got 'x'.", labels)).toBe(
      '"Longest duration" must be a duration, not \'x\'.',
    );
  });
});

describe('the words about a pause', () => {
  it('say why the app is paused, and by whom', () => {
    const by = { name: 'ada@laptop', address: '10.0.0.7', token: null };
    expect(whyText(status({ reason: 'migration', by }))).toBe('migration, by ada@laptop');
    expect(whyText(status({}))).toBe('');
  });

  it('report what happened to its requests', () => {
    const report: Report = {
      pauseId: 'p1',
      startedAt: 0,
      complete: true,
      reason: null,
      pausedForMs: 42_000,
      endedBy: 'resume',
      held: 31,
      carriedOver: null,
      released: 29,
      abandoned: 2,
      rejected: 0,
      waitingPages: 0,
      longestHoldMs: 40_000,
      medianHoldMs: 20_000,
      drainedAfterMs: 380,
    };
    expect(reportLines(report).slice(0, 3)).toEqual([
      'Resumed after 42 s; 31 requests were held: 29 released, 2 given up by clients.',
      'Longest wait 40 s, median 20 s.',
      'Drained after 380 ms.',
    ]);
    const replaced = { ...report, complete: false, released: 20, carriedOver: 9 };
    expect(reportLines(replaced)[0]).toBe(
      'Resumed after 42 s; 31 requests were held: 20 released, 2 given up by clients, 9 carried over to the next pause.',
    );
  });
});

describe('the data of a chart', () => {
  it('has each change, and no point for what stays the same', () => {
    const history = new History();
    for (let time = 0; time < 100; time++) {
      history.add(time, status({ held: time < 50 ? 0 : 3, inFlight: 1 }));
    }
    const [times, held, inFlight] = history.columns(100);
    expect(times).toEqual([0, 49, 50, 99, 100]);
    expect(held).toEqual([0, 0, 3, 3, 3]);
    expect(inFlight).toEqual([1, 1, 1, 1, 1]);
  });

  it('drops points older than ten minutes, except the one where the line enters the chart', () => {
    const history = new History();
    for (let time = 0; time <= 1000; time++) history.add(time, status({ held: time }));
    const [times] = history.columns(1000);
    expect(times[0]).toBe(400);
    expect(times).toHaveLength(602);
  });

  it('has a gap where nothing was known', () => {
    const history = new History();
    history.add(0, status({ held: 1 }));
    history.addGap();
    history.addGap();
    history.add(60, status({ held: 2 }));
    const [times, held] = history.columns(61);
    expect(times).toEqual([0, 0, 60, 61]);
    expect(held).toEqual([1, null, 2, 2]);
  });

  it('begins with the samples of the server, and continues with later snapshots', () => {
    const history = new History();
    history.add(3, status({ held: 5 }));
    history.add(9, status({ held: 7, inFlight: 2 }));
    history.load({
      at: [2000, 4000],
      held: [1, 6],
      inFlight: [0, 0],
      requestsPerSecond: [2.5, 0],
      errorsPerSecond: [null, 0],
    });
    expect(history.columns(10)).toEqual([
      [2, 4, 9, 10],
      [1, 6, 7, 7],
      [0, 0, 2, 2],
      [2.5, 0, 0, 0],
      [null, 0, 0, 0],
    ]);
  });

  it('begins with a minute, and grows to ten', () => {
    const history = new History();
    history.add(1000, status({}));
    expect([1001, 1060, 1200, 2000].map((now) => history.start(now))).toEqual([
      941, 1000, 1000, 1400,
    ]);
  });
});
