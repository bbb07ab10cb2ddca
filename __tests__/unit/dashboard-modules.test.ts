/** What of the dashboard's page needs no browser: its questions, its clock, and the history of its chart. */
import { describe, expect, it } from '@jest/globals';
import type { Status } from '../../lib/admin/dashboard/status.d.ts';

// Plain JavaScript, checked against a browser's types rather than these.
const load = async (name: string): Promise<Record<string, unknown>> =>
  (await import(new URL(`../../lib/admin/dashboard/${name}.js`, import.meta.url).href)) as never;

const { formatCountdown } = (await load('card')) as { formatCountdown(ms: number): string };
const { badgeOf, commandsFor, questionFor } = (await load('words')) as {
  badgeOf(status: Status): string;
  commandsFor(phase: Status['phase']): string[];
  questionFor(command: string, status: Status): { title: string; text: string; confirm: string };
};
const { History } = (await load('history')) as {
  History: new () => {
    add(time: number, held: number, inFlight: number): void;
    addGap(): void;
    start(now: number): number;
    columns(now: number): [number[], (number | null)[], (number | null)[]];
  };
};

const STATUS: Status = {
  app: 'shop',
  phase: 'running',
  held: 0,
  inFlight: 0,
  oldestHoldMs: null,
  pausedForMs: null,
  endsInMs: null,
  summary: '',
  details: [],
};

describe('a backend that is down', () => {
  const backend = { state: 'down' } as const;

  it('is what the badge says where requests fail or wait for it, and not in a pause', () => {
    for (const phase of ['running', 'releasing'] as const) {
      expect(badgeOf({ ...STATUS, phase, backend })).toBe('Backend down');
    }
    for (const phase of ['pausing', 'paused', 'stopped'] as const) {
      expect(badgeOf({ ...STATUS, phase, backend })).toBe(phase);
    }
  });
});

describe('times on the page', () => {
  it.each([
    [288_000, '4:48'],
    [287_001, '4:48'],
    [9000, '0:09'],
    [1, '0:01'],
    [0, '0:00'],
    [-50, '0:00'],
    [3_900_000, '1:05:00'],
  ])('count %p ms down as %p', (ms, text) => expect(formatCountdown(ms)).toBe(text));
});

describe('the words of the page', () => {
  it('offer no command that would change nothing', () => {
    expect(commandsFor('running')).toEqual(['enable', 'stop']);
    expect(commandsFor('paused')).toEqual(['disable', 'stop']);
    expect(commandsFor('stopped')).toEqual(['disable', 'enable']);
  });

  it('ask by the name of the app, and say who is affected', () => {
    expect(questionFor('stop', { ...STATUS, held: 7 })).toEqual({
      title: 'Stop shop?',
      text: 'Requests will be answered 503 at once, including 7 held requests.',
      confirm: 'Stop',
    });
  });
});

describe("a chart's memory", () => {
  it('keeps each change, and no point for what stays the same', () => {
    const history = new History();
    for (let time = 0; time < 100; time++) history.add(time, time < 50 ? 0 : 3, 1);
    const [times, held, inFlight] = history.columns(100);
    expect(times).toEqual([0, 49, 50, 99, 100]);
    expect(held).toEqual([0, 0, 3, 3, 3]);
    expect(inFlight).toEqual([1, 1, 1, 1, 1]);
  });

  it('drops points older than five minutes, except the one where the line enters the chart', () => {
    const history = new History();
    for (let time = 0; time <= 1000; time++) history.add(time, time, 0);
    const [times] = history.columns(1000);
    expect(times[0]).toBe(700);
    expect(times).toHaveLength(302);
  });

  it('has a gap where nothing was known', () => {
    const history = new History();
    history.add(0, 1, 1);
    history.addGap();
    history.addGap();
    history.add(60, 2, 2);
    expect(history.columns(61)).toEqual([
      [0, 0, 60, 61],
      [1, null, 2, 2],
      [1, null, 2, 2],
    ]);
  });

  it('begins with a minute, and grows to five', () => {
    const history = new History();
    history.add(1000, 0, 0);
    expect([1001, 1060, 1200, 2000].map((now) => history.start(now))).toEqual([
      941, 1000, 1000, 1700,
    ]);
  });
});
