/** What a registry remembers of the last minutes: who did what, the reports of pauses, and samples. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { LogRecord } from '../../lib/common/logger.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { endResponse, enter, gatedRequest, get, hold } from '../support/gate.ts';
import { OpenRegistry } from '../support/open-registry.ts';

let clock: FakeClock;
let lines: LogRecord[];
let registry: OpenRegistry;

beforeEach(() => {
  clock = new FakeClock();
  lines = [];
  const logger = {
    info() {},
    warn() {},
    error() {},
    record: (line: LogRecord) => lines.push(line),
  };
  registry = new OpenRegistry({ logger, maxTime: '1m', holdOnOutage: 0 }, clock);
});

const events = (): string[] => registry.core.transitions.list().map(({ event }) => event);
const ADA = { name: 'ada@laptop', address: '10.0.0.7', token: null };

describe('the transitions of an app', () => {
  it('say who paused it and why, with the counts, in the list, the status, the events and the log', async () => {
    const paused: unknown[] = [];
    registry.on('paused', ({ by }) => paused.push(by));
    const request = enter(registry.gate('default'), get('/slow'));
    await registry.enable('default', { by: ADA, reason: 'migration' });
    hold(registry.gate('default'));
    clock.advance(1500);
    endResponse(registry.gate('default'), request);
    expect(registry.status()).toMatchObject({
      by: ADA,
      details: expect.arrayContaining(['Paused by: ada@laptop (10.0.0.7)']),
    });
    await registry.disable('default', { by: 'a script' });
    expect(registry.status().by).toBeNull();
    expect(paused).toEqual([ADA]);
    const none = { cause: null, forMs: null, endsInMs: null, reason: null, by: null };
    const list = registry.core.transitions
      .list('default')
      .map(({ id: _id, at: _at, ...rest }) => rest);
    expect(list).toEqual([
      {
        ...none,
        app: 'default',
        event: 'paused',
        by: ADA,
        reason: 'migration',
        endsInMs: 60_000,
        held: 0,
        inFlight: 1,
        text: 'App default is paused by ada@laptop (10.0.0.7): 0 requests held, 1 request in flight, ends by itself in 1 min. Reason: migration',
      },
      {
        ...none,
        app: 'default',
        event: 'drained',
        forMs: 1500,
        held: 1,
        inFlight: 0,
        text: 'App default is drained after 1.5 s: nothing is in flight that the drain waits for, 1 request held.',
      },
      {
        ...none,
        app: 'default',
        event: 'resumed',
        by: { name: 'a script', address: null, token: null },
        forMs: 1500,
        held: 1,
        inFlight: 0,
        text: 'App default is resumed by a script after 1.5 s: 1 held request to release.',
      },
    ]);
    expect(
      lines.map(({ level, message, fields }) => [level, { ...fields, text: message }]),
    ).toEqual(list.map((transition) => ['info', transition]));
  });

  it('have one line for a pause that expires, which is a warning', async () => {
    await registry.enable('default', { lease: '5s' });
    clock.advance(5000);
    expect(events()).toEqual(['paused', 'drained', 'expired']);
    expect(lines.at(-1)).toMatchObject({
      level: 'warn',
      message: expect.stringMatching(/^WRN_ANTRACT_EXPIRED: /),
      fields: { event: 'expired', cause: 'lease', forMs: 5000 },
    });
    // The next pause is resumed by a command again.
    await registry.enable();
    await registry.disable();
    expect(events().slice(-1)).toEqual(['resumed']);
  });

  it('tell when the backend goes down and answers again, once for each outage', async () => {
    const gate = registry.gate('default');
    gate.backend.noteStartCheck('ok', true);
    expect(events()).toEqual([]);
    for (let i = 0; i < 3; i++) gate.backend.noteStartCheck('ECONNREFUSED', false);
    clock.advance(2000);
    await registry.enable();
    await registry.disable();
    gate.backend.noteStartCheck('ok', true);
    gate.backend.noteStartCheck('ok', true);
    const outage = registry.core.transitions.list().filter(({ event }) => /backend/.test(event));
    expect(outage).toMatchObject([
      {
        event: 'backendDown',
        reason: 'ECONNREFUSED',
        text: 'The backend of app default is down: connection refused (ECONNREFUSED). 0 requests held, 0 requests in flight.',
      },
      { event: 'backendUp', forMs: 2000 },
    ]);
  });

  it('count the held requests that a stop rejects, and give its message as the reason', async () => {
    await registry.enable();
    hold(registry.gate('default'));
    await registry.stop('default', { message: 'back at noon', by: 'ada' });
    expect(registry.core.transitions.list().at(-2)).toMatchObject({
      event: 'stopped',
      held: 1,
      reason: 'back at noon',
      forMs: 0,
      endsInMs: null,
      text: 'App default is stopped by ada: requests get 503, including 1 held request. Clients are told: back at noon',
    });
    expect(registry.status().by?.name).toBe('ada');
  });

  it('tell of a command that changes the terms of a pause, and not of a renewed lease', async () => {
    await registry.enable('default', { lease: '10s' });
    await registry.enable('default', { lease: '10s' });
    await registry.enable('default', { maxTime: '5m', by: ADA });
    expect(events()).toEqual(['paused', 'drained', 'changed']);
    expect(registry.core.transitions.list().at(-1)).toMatchObject({ by: ADA, endsInMs: 300_000 });
    expect(lines.at(-1)?.message).toBe(
      'The terms of app default were changed by ada@laptop (10.0.0.7): 0 requests held, 0 requests in flight, ends by itself in 5 min.',
    );
  });

  it('are at most 50 for each app', async () => {
    for (let i = 0; i < 30; i++) {
      await registry.enable();
      await registry.disable();
    }
    const list = registry.core.transitions.list('default');
    expect(list).toHaveLength(50);
    expect(list.at(-1)).toMatchObject({ id: 90, event: 'resumed' });
  });

  it('reach a logger without `record` as text', async () => {
    const texts: string[] = [];
    const logger = { info: (text: string) => texts.push(text), warn() {}, error() {} };
    const other = new OpenRegistry({ logger }, clock);
    await other
      .enable('default', { by: 'ada\u001b[2J' })
      .catch((error: Error) => texts.push(error.message));
    await other.enable('default', { by: { name: 'ada\u001b[2J' } });
    expect(texts).toEqual([
      expect.stringMatching(/^Expected `by` to be printable text of at most 100 characters/),
      expect.stringMatching(/^App default is paused by ada\ufffd\[2J: /),
      expect.stringMatching(/^App default is drained/),
    ]);
  });
});

describe('the history of an app', () => {
  it('has a sample every two seconds of the last ten minutes', () => {
    const { history } = registry.core;
    const gate = registry.gate('default');
    clock.advance(60_000);
    expect(history.of('default').samples.at).toEqual([]);
    for (let second = 0; second < 700; second++) {
      const request = enter(gate, gatedRequest({ status: second % 2 === 0 ? 200 : 502 }));
      clock.advance(40);
      endResponse(gate, request);
      clock.advance(960);
    }
    const { samples } = history.of('default');
    expect(samples.at).toHaveLength(300);
    expect(samples.at.at(-1)).toBeGreaterThan(clock.date() - 2000);
    expect((samples.at[1] ?? 0) - (samples.at[0] ?? 0)).toBe(2000);
    for (const column of Object.values(samples)) expect(column).toHaveLength(300);
    expect(samples.requestsPerSecond.at(-1)).toBe(1);
    expect(samples.errorsPerSecond.at(-1)).toBeCloseTo(0.5, 0);
    expect(samples.p95Ms.at(-1)).toBeCloseTo(42, -1);
    expect(samples.oldestHoldMs.at(-1)).toBeNull();
  });

  it('has the reports of the last ten pauses, with who began each and when', async () => {
    for (let i = 0; i < 12; i++) {
      clock.advance(1000);
      await registry.enable('default', { reason: `number ${i}`, by: ADA });
      hold(registry.gate('default'));
      clock.advance(1000);
      await registry.disable();
    }
    const { pauses } = registry.core.history.of('default');
    expect(pauses.map(({ reason }) => reason)).toEqual(
      Array.from({ length: 10 }, (_, i) => `number ${i + 2}`),
    );
    expect(pauses.at(-1)).toMatchObject({
      by: ADA,
      startedAt: clock.date() - 1000,
      held: 1,
      pausedForMs: 1000,
      endedBy: 'resume',
    });
    expect(pauses.at(-1)).toEqual(registry.report());
  });

  it('takes no samples before it is asked for, and none after the registry is closed', async () => {
    enter(registry.gate('default'));
    const before = clock.pendingTimers;
    expect(registry.core.history).toBe(registry.core.history);
    expect(clock.pendingTimers).toBe(before + 1);
    await registry.close();
    expect(clock.pendingTimers).toBe(before);
  });
});
