/** Leases, conditions on a pause, and what is reported of one, at the registry. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { AntractError } from '../../lib/common/errors.ts';
import { OpenRegistry } from '../support/open-registry.ts';
import { renderHistory } from '../../lib/admin/views/history-text.ts';
import { renderReport } from '../../lib/admin/views/report-text.ts';
import {
  joinReports,
  type PauseReport,
  PauseReports,
  type SharedPauseReport,
} from '../../lib/gate/pause-report.ts';
import type { Ticket } from '../../lib/gate/gated-request.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { endResponse, enter, gatedRequest, hold as holdAt } from '../support/gate.ts';

let clock: FakeClock;
let warnings: string[];
let registry: OpenRegistry;

beforeEach(() => {
  clock = new FakeClock();
  clock.chances = [0.1, 0.2, 0.3];
  warnings = [];
  const logger = { info: () => undefined, warn: (text: string) => void warnings.push(text) };
  registry = new OpenRegistry({ logger: { ...logger, error: logger.warn }, maxTime: '1m' }, clock);
});

const hold = (): Ticket => holdAt(registry.gate('default'));

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'done',
    (error: AntractError) => error.code,
  );

describe('the lease of a pause', () => {
  it('ends the pause when it is not renewed, and the log says why', async () => {
    await registry.enable('default', { lease: '15s' });
    expect(registry.status().leaseEndsInMs).toBe(15_000);
    clock.advance(14_999);
    expect(registry.status().phase).toBe('paused');
    clock.advance(1);
    expect(registry.status()).toMatchObject({ phase: 'running', leaseEndsInMs: null });
    expect(warnings).toEqual([expect.stringContaining('had a lease that was not renewed')]);
    expect(registry.report()).toMatchObject({ endedBy: 'lease', pausedForMs: 15_000 });
  });

  it('continues as long as it is renewed, up to the maxTime of the pause', async () => {
    await registry.enable('default', { lease: '15s' });
    for (let i = 0; i < 5; i++) {
      clock.advance(10_000);
      expect(await registry.enable('default', { lease: '15s' })).toMatchObject({ changed: false });
    }
    clock.advance(10_000);
    expect(registry.status().phase).toBe('running');
    expect(registry.report()).toMatchObject({ endedBy: 'maxTime', pausedForMs: 60_000 });
  });

  it('is removed by `lease: 0`, and stays when `enable` gives no lease', async () => {
    await registry.enable('default', { lease: '15s' });
    await registry.enable('default', { reason: 'still at it' });
    expect(registry.status().leaseEndsInMs).toBe(15_000);
    await registry.enable('default', { lease: 0 });
    clock.advance(59_999);
    expect(registry.status()).toMatchObject({ phase: 'paused', leaseEndsInMs: null });
  });

  it('ends with its pause, and does not end the next one', async () => {
    await registry.enable('default', { lease: '15s' });
    await registry.disable();
    await registry.enable();
    clock.advance(20_000);
    expect(registry.status().phase).toBe('paused');
  });
});

describe('the condition of a command', () => {
  it('`none` rejects a command that would join a pause or end a stop', async () => {
    await registry.enable('default', { ifPause: 'none' });
    const again = registry.enable('default', { ifPause: 'none', reason: 'mine' });
    expect(await codeOf(again)).toBe('ERR_ANTRACT_ALREADY_PAUSED');
    expect(registry.status().reason).toBeNull();
    await registry.stop();
    const third = registry.enable('default', { ifPause: 'none' });
    expect(await codeOf(third)).toBe('ERR_ANTRACT_ALREADY_PAUSED');
  });

  it.each(['enable', 'disable', 'stop'] as const)(
    'with an id rejects %s of any other pause',
    async (command) => {
      const first = (await registry.enable()).status.pauseId as string;
      expect(await codeOf(registry[command]('default', { ifPause: first }))).toBe('done');
      await registry.disable();
      await registry.enable('default', { reason: 'another deploy' });
      const late = registry[command]('default', { ifPause: first });
      expect(await codeOf(late)).toBe('ERR_ANTRACT_NOT_PAUSED');
      expect(registry.status()).toMatchObject({ phase: 'paused', reason: 'another deploy' });
    },
  );

  it('with an id is false for an app that runs', async () => {
    const { pauseId } = (await registry.enable()).status;
    await registry.disable();
    const renewal = registry.enable('default', { lease: 5, ifPause: pauseId as string });
    expect(await codeOf(renewal)).toBe('ERR_ANTRACT_NOT_PAUSED');
    expect(registry.status().phase).toBe('running');
  });
});

describe('the report of a pause', () => {
  it('exists from the first pause on, and begins anew with each pause', async () => {
    expect(registry.report()).toBeUndefined();
    const { pauseId } = (await registry.enable('default', { reason: 'disk' })).status;
    expect(registry.report()).toMatchObject({ pauseId, reason: 'disk', endedBy: null, held: 0 });
    hold();
    await registry.disable();
    await registry.enable();
    expect(registry.report()?.pauseId).not.toBe(pauseId);
    expect(registry.report()).toMatchObject({ held: 0, complete: false });
  });

  it('counts the held requests and their outcomes', async () => {
    const gate = registry.gate('default');
    const slow = { method: 'POST', url: '/upload?token=1' };
    enter(gate, gatedRequest({ request: slow }));
    clock.advance(100);
    await registry.enable();
    const tickets = [hold(), hold(), hold(), hold()] as const;
    clock.advance(400);
    endResponse(gate, slow);
    clock.advance(600);
    gate.onClientDisconnect(tickets[0].gated);
    clock.advance(1000);
    await registry.disable();
    expect(registry.report()).toMatchObject({ endedBy: 'resume', complete: false, released: 0 });
    for (const ticket of tickets.slice(1)) gate.pass(ticket);
    expect(registry.report()).toEqual({
      pauseId: expect.any(String),
      startedAt: expect.any(Number),
      by: null,
      reason: null,
      complete: true,
      pausedForMs: 2000,
      endedBy: 'resume',
      held: 4,
      stillHeld: 0,
      carriedOver: null,
      released: 3,
      abandoned: 1,
      rejected: 0,
      waitingPages: 0,
      longestHoldMs: 2000,
      medianHoldMs: expect.closeTo(2000, -2),
      drainedAfterMs: 400,
      stragglers: [{ method: 'POST', path: '/upload', ageMs: 100 }],
    });
  });

  it('counts the requests rejected by a stop or by a full queue', async () => {
    registry = new OpenRegistry({ maxQueue: 2 }, clock);
    await registry.enable();
    for (let i = 0; i < 2; i++) hold();
    const arrive = () => registry.gate('default').admit(gatedRequest());
    expect(arrive()).toMatchObject({ reason: 'full' });
    await registry.stop();
    // They come after the pause.
    expect(arrive()).toMatchObject({ reason: 'stopped' });
    expect(registry.report()).toMatchObject({
      complete: true,
      endedBy: 'stop',
      held: 2,
      rejected: 3,
    });
  });

  it('covers requests that arrive after the end of the pause, until the backend answers', async () => {
    let answer = (_isUp: boolean): void => undefined;
    const check = (): Promise<boolean> => new Promise((resolve) => (answer = resolve));
    registry = new OpenRegistry({ probe: { check }, maxTime: '1m' }, clock);
    const gate = registry.gate('default');
    await registry.enable();
    clock.advance(1000);
    await registry.disable();
    expect(registry.report()).toMatchObject({ endedBy: 'resume', complete: false, held: 0 });
    const late = hold();
    const stays = hold();
    clock.advance(1000);
    gate.onClientDisconnect(late.gated);
    expect(registry.report()).toMatchObject({ complete: false, held: 2, abandoned: 1 });
    answer(true);
    await settled();
    expect(gate.pass(stays)).toBe(true);
    expect(registry.report()).toMatchObject({
      complete: true,
      pausedForMs: 1000,
      held: 2,
      released: 1,
      longestHoldMs: 1000,
    });
  });

  it('counts requests that an outage held before the pause', async () => {
    let answer = (_isUp: boolean): void => undefined;
    const check = (): Promise<boolean> => new Promise((resolve) => (answer = resolve));
    registry = new OpenRegistry({ probe: { check }, maxTime: '1m', holdOnOutage: '10s' }, clock);
    const gate = registry.gate('default');
    const early = [gate.requeue(enter(gate)), hold()] as Ticket[];
    await registry.enable();
    expect(registry.report()).toMatchObject({ held: 2, complete: false });
    await registry.disable();
    answer(true);
    await settled();
    expect(gate.pass(early[0]!)).toBe(true);
    expect(registry.report()).toMatchObject({ released: 1, complete: false });
    expect(gate.pass(early[1]!)).toBe(true);
    expect(registry.report()).toMatchObject({ held: 2, released: 2, complete: true });
  });

  describe('about a request that the backend refuses after its release', () => {
    let answer: (isUp: boolean) => void;
    let ticket: Ticket;

    /** The probe succeeds, and the request is released. */
    const release = async (): Promise<void> => {
      answer(true);
      await settled();
      expect(registry.gate('default').pass(ticket)).toBe(true);
      expect(registry.report()).toMatchObject({ held: 1, released: 1, stillHeld: 0 });
    };
    const requeue = () => registry.gate('default').requeue(ticket.request);

    beforeEach(async () => {
      const check = (): Promise<boolean> => new Promise((resolve) => (answer = resolve));
      const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
      registry = new OpenRegistry(
        { probe: { check }, maxTime: '1m', holdOnOutage: '10s', logger },
        clock,
      );
      await registry.enable();
      ticket = hold();
      clock.advance(1000);
      await registry.disable();
      await release();
    });

    it('counts it once, with its last outcome', async () => {
      ticket = requeue() as Ticket;
      expect(registry.report()).toMatchObject({ complete: false, held: 1, stillHeld: 1 });
      expect(registry.report()).toMatchObject({ released: 0, longestHoldMs: null });
      clock.advance(1000);
      await release();
      expect(registry.report()).toMatchObject({ complete: true, longestHoldMs: 2000 });
      ticket = requeue() as Ticket;
      clock.advance(1000);
      registry.gate('default').onClientDisconnect(ticket.gated);
      const once = { held: 1, stillHeld: 0, released: 0, abandoned: 1, longestHoldMs: 3000 };
      expect(registry.report()).toMatchObject({ complete: true, ...once });
      expect(registry.report()?.medianHoldMs).toBeGreaterThan(2800);
    });

    it('counts it as rejected if it can not be held again', async () => {
      await registry.stop();
      expect(requeue()).toMatchObject({ reason: 'stopped' });
      const once = { held: 1, stillHeld: 0, released: 0, rejected: 1, longestHoldMs: 1000 };
      expect(registry.report()).toMatchObject({ complete: true, ...once });
    });
  });

  it('leaves out requests that are held for a later outage', async () => {
    registry = new OpenRegistry(
      { probe: { check: () => true }, maxTime: '1m', holdOnOutage: '10s' },
      clock,
    );
    await registry.enable();
    await registry.disable();
    await settled();
    expect(registry.report()).toMatchObject({ complete: true, held: 0 });
    const gate = registry.gate('default');
    expect(gate.requeue(enter(gate))).toBeDefined();
    expect(registry.status()).toMatchObject({ held: 1 });
    expect(registry.report()).toMatchObject({ complete: true, held: 0 });
  });

  it('is complete after a stop that follows the pause, whether or not the backend answers', async () => {
    registry = new OpenRegistry({ probe: { check: () => false }, maxTime: '1m' }, clock);
    await registry.enable();
    hold();
    await registry.disable();
    expect(registry.report()).toMatchObject({ complete: false });
    await registry.stop();
    expect(registry.report()).toMatchObject({ complete: true, endedBy: 'resume', rejected: 1 });
  });

  it('ends when the next pause begins, whose report counts the requests that still wait', async () => {
    registry = new OpenRegistry({ probe: { check: () => false }, maxTime: '1m' }, clock);
    const textOf = (): string => {
      const times = { at: clock.date(), since: clock.date() };
      return renderHistory([registry.core.history.of('default')], true, times).text;
    };
    await registry.enable();
    const [left, stays] = [hold(), hold()];
    clock.advance(1000);
    await registry.disable();
    registry.gate('default').onClientDisconnect(left.gated);
    expect(registry.report()).toMatchObject({ held: 2, stillHeld: 1, carriedOver: null });
    await registry.enable();
    const first = { endedBy: 'resume', held: 2, abandoned: 1, stillHeld: 0, carriedOver: 1 };
    const pauses = () => registry.core.history.of('default').pauses;
    expect(pauses()).toMatchObject([first, { held: 1, stillHeld: 1, carriedOver: null }]);
    expect(textOf()).toMatch(
      / An earlier pause of app default ended after 1 s; 1 request was carried over to the next pause\.\n/,
    );
    await registry.disable();
    registry.gate('default').onClientDisconnect(stays.gated);
    await registry.enable();
    const second = { held: 1, abandoned: 1, stillHeld: 0, carriedOver: 0, complete: false };
    expect(pauses()).toMatchObject([first, second, { held: 0 }]);
    expect(textOf()).toMatch(/; the next pause began before the backend answered\.\n/);
  });

  it('says how many requests are still held in all processes, or that only the backend is awaited', async () => {
    registry = new OpenRegistry({ probe: { check: () => false }, maxTime: '1m' }, clock);
    await registry.enable();
    const tickets = [hold(), hold()];
    await registry.disable();
    const own = registry.core.reports.of('default') as SharedPauseReport;
    const textOf = (report: PauseReport) => renderReport('shop', report).text;
    expect(textOf(joinReports(own, [own]))).toMatch(/; 4 requests are still held\.\n/);
    for (const { gated } of tickets) registry.gate('default').onClientDisconnect(gated);
    const after = registry.report() as PauseReport;
    expect(after).toMatchObject({ complete: false, held: 2, stillHeld: 0, abandoned: 2 });
    expect(textOf(after)).toMatch(/; the backend has not answered since\.\n/);
  });

  it.each([0, 1, 7, 83, 950, 12_345, 2_000_000_000])(
    'finds a median of %d ms within 3 %',
    (median) => {
      const reports = new PauseReports(() => undefined, clock);
      const request = { app: 'a', method: 'GET', path: '/' };
      reports.record('paused', { app: 'a', pauseId: 'p1', reason: null, endsInMs: 1 });
      for (const heldMs of [0, median, median, median, 2_100_000_000]) {
        reports.record('held', request);
        reports.record('released', { ...request, heldMs });
      }
      const found = reports.of('a')?.medianHoldMs as number;
      expect(Math.abs(found - median)).toBeLessThanOrEqual(Math.max(1, median * 0.03));
    },
  );
});
