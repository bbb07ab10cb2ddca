import { beforeEach, describe, expect, it } from '@jest/globals';
import { METHODS } from 'node:http';
import type { Gate } from '../../lib/gate/gate.ts';
import type { AppOptions } from '../../lib/options/options.ts';
import type { EmitEvent } from '../../lib/gate/events.ts';
import type { GatedRequest, Ticket } from '../../lib/gate/gated-request.ts';
import { FakeClock } from '../support/fake-clock.ts';
import {
  createGate as gateWith,
  endResponse,
  enter,
  gatedRequest,
  get,
  hold,
  passes,
  verdictOf,
  verdictsOf,
  disable,
  enable,
  stop,
} from '../support/gate.ts';
import { UNKNOWN_BACKEND } from '../support/unknown-backend.ts';

let clock: FakeClock;
let events: string[];

beforeEach(() => {
  clock = new FakeClock();
  events = [];
});

function createGate(options: AppOptions = {}): Gate {
  return gateWith(options, { clock, emit: (event) => events.push(event) });
}

describe('a pause', () => {
  it('holds new requests and lets the requests in flight end', async () => {
    const gate = createGate();
    const before = enter(gate);
    enable(gate);
    const ticket = hold(gate);
    expect(gate.status()).toMatchObject({ phase: 'pausing', held: 1, inFlight: 1 });
    endResponse(gate, before);
    expect(gate.status()).toMatchObject({ phase: 'paused', held: 1, inFlight: 0 });
    expect(await verdictOf(ticket)).toBeUndefined();
    expect(events).toEqual(['paused', 'held', 'drained']);
  });

  it('counts the end of each response once, even if it is reported twice', () => {
    const gate = createGate();
    const [one, other] = [enter(gate), enter(gate)];
    endResponse(gate, one);
    endResponse(gate, one);
    expect(gate.inFlight).toBe(1);
    endResponse(gate, other);
    expect(gate.inFlight).toBe(0);
  });

  it('finds a request at each gate that it passed, until it ends there', () => {
    const [outer, inner] = [createGate(), createGate()];
    const { request } = gatedRequest();
    const [atOuter, atInner] = [gatedRequest({ request }), gatedRequest({ request })];
    enter(outer, atOuter);
    enter(inner, atInner);
    enable(outer);
    enable(inner);
    expect([outer.wouldHold(request), inner.wouldHold(request)]).toEqual([true, true]);
    inner.onClientDisconnect(atInner);
    expect([outer.wouldHold(request), inner.wouldHold(request)]).toEqual([true, false]);
    outer.onClientDisconnect(atOuter);
    expect([outer.inFlight, inner.inFlight, outer.wouldHold(request)]).toEqual([0, 0, false]);
  });

  it('lists the requests that the drain waits for, oldest first, without their query', () => {
    const gate = createGate();
    enter(gate, get('/old?token=secret'));
    clock.advance(500);
    enter(gate, get('/new'));
    enable(gate);
    clock.advance(100);
    expect(gate.status().stragglers).toEqual([
      { method: 'GET', path: '/old', ageMs: 600 },
      { method: 'GET', path: '/new', ageMs: 100 },
    ]);
  });

  it('has a whole number of milliseconds in its event, even if the clock counts fractions', () => {
    const ends: unknown[] = [];
    for (let i = 0; i < 100; i++) {
      clock.advance(100 * Math.PI);
      const emit: EmitEvent = (_event, payload) =>
        ends.push('endsInMs' in payload && payload.endsInMs);
      enable(gateWith({ maxTime: '1m' }, { clock, emit }));
    }
    expect(new Set(ends.filter((end) => end !== false))).toEqual(new Set([60_000]));
  });

  it('shows its duration, the longest wait and the time left in the status', () => {
    const gate = createGate({ maxTime: '1m' });
    enable(gate, { reason: 'migration' });
    clock.advance(1000);
    hold(gate);
    clock.advance(2000);
    expect(gate.status()).toEqual({
      app: 'shop',
      phase: 'paused',
      held: 1,
      inFlight: 0,
      longLived: 0,
      spooledBytes: 0,
      oldestHoldMs: 2000,
      heldLimit: 10_000,
      maxWaitMs: null,
      onMaxWait: 'reject',
      maxTimeMs: 60_000,
      heldDelta: null,
      by: null,
      traffic: expect.objectContaining({ requestsPerSecond: 0, p95Ms: null }),
      pausedForMs: 3000,
      stoppedForMs: null,
      endsInMs: 57_000,
      leaseEndsInMs: null,
      expectedEndInMs: null,
      pauseId: expect.any(String),
      only: null,
      reason: 'migration',
      message: null,
      backend: UNKNOWN_BACKEND,
      probe: null,
    });
  });

  it('ends after maxTime and releases the held requests', async () => {
    const gate = createGate({ maxTime: '1m' });
    enable(gate);
    const ticket = hold(gate);
    clock.advance(59_999);
    expect(await verdictOf(ticket)).toBeUndefined();
    clock.advance(1);
    expect(await verdictOf(ticket)).toBe('proceed');
    expect(events).toEqual(['paused', 'drained', 'held', 'expired', 'resumed']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is extended by a second enable() only if that call names a maxTime', () => {
    const gate = createGate({ maxTime: '1m' });
    enable(gate, { reason: 'first' });
    clock.advance(50_000);
    expect(enable(gate)).toBe(false);
    expect(gate.status()).toMatchObject({ endsInMs: 10_000, reason: 'first' });
    expect(enable(gate, { maxTime: 30_000, reason: 'second' })).toBe(false);
    expect(gate.status()).toMatchObject({
      endsInMs: 30_000,
      reason: 'second',
      pausedForMs: 50_000,
    });
    clock.advance(29_999);
    expect(gate.desiredKind).toBe('paused');
    clock.advance(1);
    expect(gate.desiredKind).toBe('running');
  });

  it('can be shortened by a second enable()', () => {
    const gate = createGate({ maxTime: '1m' });
    enable(gate);
    enable(gate, { maxTime: 1000 });
    clock.advance(1000);
    expect(gate.desiredKind).toBe('running');
  });

  it('does not hold a request at the second mount of a gate that the request has passed', () => {
    const gate = createGate();
    const request = enter(gate);
    enable(gate);
    expect(gate.admit(gatedRequest({ request }))).toBe('pass');
    endResponse(gate, request);
    expect(gate.inFlight).toBe(0);
  });
});

describe('a release', () => {
  it('releases held requests first in, first out, and counts them as in flight at once', async () => {
    const gate = createGate();
    enable(gate);
    const order: number[] = [];
    const tickets = [0, 1, 2].map(() => hold(gate));
    const done = tickets.map((ticket, i) => ticket.verdict.then(() => order.push(i)));
    disable(gate);
    expect(gate.status()).toMatchObject({ held: 0, inFlight: 3 });
    await Promise.all(done);
    expect(order).toEqual([0, 1, 2]);
  });

  it('makes new requests join the tail of the queue until the queue is empty', async () => {
    const gate = createGate({ release: { concurrency: 1 } });
    enable(gate);
    const [first, second] = [hold(gate), hold(gate)];
    disable(gate);
    const newRequest = hold(gate);
    expect(gate.status().phase).toBe('releasing');
    expect(await verdictsOf([first, second, newRequest])).toEqual([
      'proceed',
      undefined,
      undefined,
    ]);
    gate.onResponseStart(first.request, true);
    expect(await verdictsOf([second, newRequest])).toEqual(['proceed', undefined]);
    endResponse(gate, second.request);
    expect(await verdictOf(newRequest)).toBe('proceed');
    enter(gate);
  });

  it('interrupted by a second pause keeps the remaining requests in order', async () => {
    const gate = createGate({ release: { concurrency: 1 } });
    enable(gate);
    const tickets = [hold(gate), hold(gate), hold(gate)];
    disable(gate);
    enable(gate);
    tickets.push(hold(gate));
    for (const ticket of tickets.slice(0, 1)) endResponse(gate, ticket.request);
    expect(await verdictsOf(tickets)).toEqual(['proceed', undefined, undefined, undefined]);
    disable(gate);
    expect(await verdictsOf(tickets)).toEqual(['proceed', 'proceed', undefined, undefined]);
  });

  it('releases no more requests a second than perSecond', async () => {
    const gate = createGate({ release: { perSecond: 10 } });
    enable(gate);
    const tickets = [hold(gate), hold(gate), hold(gate)];
    disable(gate);
    expect(await verdictsOf(tickets)).toEqual(['proceed', undefined, undefined]);
    clock.advance(100);
    expect(await verdictsOf(tickets)).toEqual(['proceed', 'proceed', undefined]);
    clock.advance(100);
    expect(await verdictsOf(tickets)).toEqual(['proceed', 'proceed', 'proceed']);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a release of more requests than one turn of the event loop releases', () => {
  const HELD = 100;
  let gate: Gate;
  let tickets: Ticket[];

  /** The places of the released requests in the queue, in the order of their verdicts. */
  let released: number[];

  beforeEach(() => {
    gate = createGate({ release: { strategy: 'immediate' } });
    released = [];
    enable(gate);
    tickets = Array.from({ length: HELD }, () => hold(gate));
    for (const [i, ticket] of tickets.entries()) {
      void ticket.verdict.then(({ kind }) => kind === 'proceed' && released.push(i));
    }
  });

  /** Begins the release. Returns how many requests the first turn has released. */
  function begin(): number {
    disable(gate);
    expect(gate.held).toBeGreaterThan(0);
    return gate.inFlight;
  }

  /** Lets as many turns pass as the longest release needs. */
  async function finish(): Promise<void> {
    for (let turn = 0; turn < HELD; turn++) clock.turn();
    await Promise.resolve();
  }

  it('releases some of them at once and is releasing until the last one', async () => {
    expect(begin()).toBeGreaterThan(0);
    for (let held = HELD; gate.held > 0; clock.turn()) {
      expect(gate.held).toBeLessThan(held);
      expect(gate.status().phase).toBe('releasing');
      held = gate.held;
    }
    expect(gate.status()).toMatchObject({ phase: 'running', held: 0, inFlight: HELD });
    await finish();
    expect(released).toEqual(tickets.map((_ticket, i) => i));
  });

  it('releases in one turn only a few of them, however many responses arrive in it', async () => {
    const perTurn = begin();
    expect(perTurn).toBeLessThan(HELD / 4);
    await Promise.resolve();
    for (const i of released) gate.onResponseStart((tickets[i] as Ticket).request, true);
    expect(gate.held).toBe(HELD - perTurn);
    clock.turn();
    expect(gate.held).toBe(HELD - 2 * perTurn);
  });

  it('releases one request for each response at once, and the rest when the connection is free', () => {
    gate = createGate({ release: { strategy: 'slow-start', initial: 2 } });
    enable(gate);
    tickets = Array.from({ length: HELD }, () => hold(gate));
    expect(begin()).toBe(2);
    // The window grows to three, and one response is pending.
    gate.onResponseStart((tickets[0] as Ticket).request, true);
    expect(gate.held).toBe(HELD - 3);
    clock.turn();
    expect(gate.held).toBe(HELD - 4);
  });

  it('makes a request that arrives between two turns join the tail', async () => {
    begin();
    const late = hold(gate);
    void late.verdict.then(() => released.push(HELD));
    await finish();
    expect(released).toEqual([...tickets.keys(), HELD]);
    enter(gate);
  });

  it('stops at a pause and continues in order after it', async () => {
    const first = begin();
    enable(gate);
    clock.turn();
    expect(gate.status()).toMatchObject({ phase: 'pausing', held: HELD - first });
    disable(gate);
    await finish();
    expect(released).toEqual([...tickets.keys()]);
  });

  it('continues at once after a pause that begins and ends within one turn', () => {
    const first = begin();
    enable(gate);
    disable(gate);
    expect(gate.inFlight).toBe(2 * first);
  });

  it('ends with a stop, which rejects the rest', async () => {
    const first = begin();
    stop(gate);
    clock.turn();
    await Promise.resolve();
    expect(released).toHaveLength(first);
    expect(await verdictOf(tickets[HELD - 1] as Ticket)).toBe('reject');
    expect(clock.pendingTimers).toBe(0);
  });

  it('ends with a shutdown, which rejects the rest', async () => {
    const first = begin();
    gate.close();
    expect(clock.pendingTimers).toBe(0);
    await Promise.resolve();
    expect(released).toHaveLength(first);
    expect(await verdictOf(tickets[HELD - 1] as Ticket)).toBe('reject');
  });

  it('skips a request that disconnects or is rejected between two turns', async () => {
    const [gone, rejected] = tickets.slice(begin()) as [Ticket, Ticket];
    gate.onClientDisconnect(gone.gated);
    gate.reject(rejected, 'too-large');
    await finish();
    expect(await verdictsOf([gone, rejected])).toEqual(['gone', 'reject']);
    expect(released).toHaveLength(HELD - 2);
    expect(gate.inFlight).toBe(HELD - 2);
  });

  it('ends when the rest disconnects between two turns', () => {
    const outcomes: unknown[] = [];
    gate.releaser.watch((outcome) => outcomes.push(outcome));
    for (const { gated } of tickets.slice(begin())) gate.onClientDisconnect(gated);
    expect(outcomes).toEqual(['reopened']);
    enter(gate);
  });

  it('has reopened after the last turn and not before', () => {
    const outcomes: unknown[] = [];
    gate.releaser.watch((outcome) => outcomes.push(outcome));
    begin();
    for (let turn = 0; gate.held > 0 && turn < HELD; turn++) {
      expect(outcomes).toEqual([]);
      clock.turn();
    }
    expect(outcomes).toEqual(['reopened']);
  });

  it('never exceeds the concurrency', async () => {
    gate = createGate({ release: { strategy: 'fixed', concurrency: 30 } });
    enable(gate);
    tickets = Array.from({ length: HELD }, () => hold(gate));
    disable(gate);
    await finish();
    expect(gate.status()).toMatchObject({ inFlight: 30, held: HELD - 30 });
  });

  it('also releases in parts what has waited for maxWait', async () => {
    gate = createGate({ maxWait: 1000, onMaxWait: 'release' });
    enable(gate);
    tickets = Array.from({ length: HELD }, () => hold(gate));
    clock.leap(1000);
    clock.turn();
    expect(gate.inFlight).toBeGreaterThan(0);
    expect(gate.inFlight).toBeLessThan(HELD);
    clock.advance(0);
    expect(gate.inFlight).toBe(HELD);
  });
});

describe('a client that disconnects', () => {
  it('is removed from the queue at once', async () => {
    const gate = createGate();
    enable(gate);
    const [first, second] = [hold(gate), hold(gate)];
    gate.onClientDisconnect(first.gated);
    expect(gate.held).toBe(1);
    disable(gate);
    expect(await verdictsOf([first, second])).toEqual(['gone', 'proceed']);
    expect(events.filter((event) => event === 'abandoned')).toHaveLength(1);
  });

  it('between its verdict and the next handler counts as abandoned, not as released', () => {
    const gate = createGate();
    enable(gate);
    const ticket = hold(gate);
    disable(gate);
    gate.onClientDisconnect(ticket.gated);
    expect(gate.pass(ticket)).toBe(false);
    expect(gate.inFlight).toBe(0);
    expect(events).toEqual(['paused', 'drained', 'held', 'resumed', 'abandoned']);
  });

  it('frees its place in the concurrency of the release', async () => {
    const gate = createGate({ release: { concurrency: 1 } });
    enable(gate);
    const [first, second] = [hold(gate), hold(gate)];
    disable(gate);
    gate.onClientDisconnect(first.gated);
    expect(await verdictOf(second)).toBe('proceed');
  });
});

describe('a request that arrives or waits', () => {
  const refused = (gate: Gate): unknown => gate.admit(gatedRequest());

  it('is rejected if the queue is full', () => {
    const gate = createGate({ maxQueue: 1 });
    enable(gate);
    hold(gate);
    expect(refused(gate)).toMatchObject({ reason: 'full' });
    expect(gate.held).toBe(1);
  });

  it('is rejected after maxWait, counted from its own arrival', async () => {
    const gate = createGate({ maxWait: 1000 });
    enable(gate);
    const first = hold(gate);
    clock.advance(400);
    const second = hold(gate);
    clock.advance(600);
    expect(await verdictsOf([first, second])).toEqual(['reject', undefined]);
    clock.advance(400);
    expect(await verdictOf(second)).toBe('reject');
    expect(await first.verdict).toMatchObject({ heldMs: 1000, rejection: { reason: 'timeout' } });
  });

  it("is released after maxWait if onMaxWait is 'release'", async () => {
    const gate = createGate({ maxWait: 1000, onMaxWait: 'release' });
    enable(gate);
    const ticket = hold(gate);
    clock.advance(1000);
    expect(await verdictOf(ticket)).toBe('proceed');
    expect(gate.status()).toMatchObject({ phase: 'pausing', inFlight: 1, held: 0 });
  });

  it('is rejected with the message of the stop, also if it was held before the stop', async () => {
    const gate = createGate();
    enable(gate);
    const ticket = hold(gate);
    stop(gate, { message: 'Back on Monday.' });
    expect(await ticket.verdict).toMatchObject({
      kind: 'reject',
      rejection: { reason: 'stopped', message: 'Back on Monday.' },
    });
    expect(refused(gate)).toMatchObject({ reason: 'stopped', message: 'Back on Monday.' });
    expect(gate.status()).toMatchObject({
      phase: 'stopped',
      message: 'Back on Monday.',
      endsInMs: null,
    });
  });

  it('is rejected with a retry time, which the end of the stop or an expected end decides', () => {
    const gate = createGate();
    stop(gate, { maxTime: 10_000 });
    expect(refused(gate)).toMatchObject({ reason: 'stopped', retryAfterMs: 10_000 });
    disable(gate);
    stop(gate);
    expect(refused(gate)).toMatchObject({ reason: 'stopped', retryAfterMs: 30_000 });
    stop(gate, { expect: 100_000 });
    clock.advance(1000);
    expect(refused(gate)).toMatchObject({ retryAfterMs: 99_000 });
    expect(gate.status()).toMatchObject({ expectedEndInMs: 99_000, endsInMs: null });
    stop(gate, { expect: 0 });
    expect(gate.status().expectedEndInMs).toBeNull();
  });

  it('is rejected at shutdown, also if it was held before', async () => {
    const gate = createGate();
    enable(gate);
    const ticket = hold(gate);
    gate.close();
    expect(await verdictOf(ticket)).toBe('reject');
    expect(refused(gate)).toMatchObject({ reason: 'shutdown' });
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a stop', () => {
  it('ends after its maxTime and not before', () => {
    const gate = createGate();
    stop(gate, { maxTime: 1000 });
    expect(gate.status()).toMatchObject({ stoppedForMs: 0, endsInMs: 1000, pausedForMs: null });
    clock.advance(999);
    expect(gate.status()).toMatchObject({ phase: 'stopped', stoppedForMs: 999, endsInMs: 1 });
    clock.advance(1);
    expect(gate.status()).toMatchObject({ phase: 'running', stoppedForMs: null, endsInMs: null });
    expect(clock.pendingTimers).toBe(0);
  });

  it('without a maxTime never ends by itself', () => {
    const gate = createGate({ maxTime: 1000 });
    stop(gate);
    clock.advance(1_000_000);
    expect(gate.status()).toMatchObject({ phase: 'stopped', stoppedForMs: 1_000_000 });
    expect(gate.status().endsInMs).toBe(null);
  });

  it('of a stopped app changes only the named options and restarts the countdown', () => {
    const gate = createGate();
    stop(gate, { message: 'Soon.' });
    clock.advance(500);
    expect(stop(gate, { maxTime: 1000 })).toBe(false);
    expect(gate.status()).toMatchObject({ message: 'Soon.', stoppedForMs: 500, endsInMs: 1000 });
    clock.advance(500);
    stop(gate, { message: 'Later.' });
    expect(gate.status()).toMatchObject({ message: 'Later.', endsInMs: 500 });
    stop(gate, { maxTime: 1000 });
    clock.advance(999);
    expect(gate.desiredKind).toBe('stopped');
    clock.advance(1);
    expect(gate.desiredKind).toBe('running');
  });

  it('inherits neither the end nor the lease of the pause before it', () => {
    const gate = createGate({ maxTime: 1000 });
    enable(gate, { lease: 500 });
    stop(gate);
    clock.advance(10_000);
    expect(gate.desiredKind).toBe('stopped');
    disable(gate);
    enable(gate);
    stop(gate, { maxTime: 5000 });
    clock.advance(4999);
    expect(gate.desiredKind).toBe('stopped');
    clock.advance(1);
    expect(gate.desiredKind).toBe('running');
  });

  it('followed by a pause does not pass its end on to the pause', () => {
    const gate = createGate({ maxTime: 5000 });
    stop(gate, { maxTime: 1000 });
    enable(gate);
    expect(gate.status()).toMatchObject({ pausedForMs: 0, stoppedForMs: null, endsInMs: 5000 });
    clock.advance(1000);
    expect(gate.desiredKind).toBe('paused');
    clock.advance(4000);
    expect(gate.desiredKind).toBe('running');
  });
});

describe('an app', () => {
  it('has one timer for any number of held requests', () => {
    const gate = createGate({ maxWait: '10s', release: { perSecond: 1 } });
    enable(gate);
    for (let i = 0; i < 100; i++) hold(gate);
    expect(clock.pendingTimers).toBe(1);
    disable(gate);
    expect(clock.pendingTimers).toBe(1);
  });

  it('has no timer when no deadline is left', () => {
    const gate = createGate();
    enable(gate);
    disable(gate);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a drain with 50 long-lived requests', () => {
  const longLived = (end: () => void): GatedRequest =>
    gatedRequest({ isLongLived: () => true, end });

  it('ends each of them once and emits one event', () => {
    const gate = createGate({ longLived: 'close' });
    let ends = 0;
    const sockets = Array.from({ length: 50 }, () => longLived(() => ends++));
    for (const socket of sockets) enter(gate, socket);
    enable(gate);
    for (const { request } of sockets) endResponse(gate, request);
    expect(ends).toBe(50);
    expect(events).toEqual(['paused', 'drained']);
  });

  it('that ignores them emits no second event when they end', () => {
    const gate = createGate({ longLived: 'ignore' });
    const sockets = Array.from({ length: 50 }, () => longLived(() => undefined));
    for (const socket of sockets) enter(gate, socket);
    enable(gate);
    for (const { request } of sockets) endResponse(gate, request);
    expect(events).toEqual(['paused', 'drained']);
  });

  it('is followed by a second drained event after a request was released in between', () => {
    const gate = createGate({ maxWait: 1000, onMaxWait: 'release' });
    enable(gate);
    const ticket = hold(gate);
    clock.advance(1000);
    endResponse(gate, ticket.request);
    expect(events.filter((event) => event === 'drained')).toHaveLength(2);
  });
});

describe('a pause of writes', () => {
  const request = (method: string): GatedRequest => gatedRequest({ request: { method, url: '/' } });

  it('lets only GET, HEAD, OPTIONS and TRACE pass', () => {
    const gate = createGate();
    enable(gate, { only: 'writes' });
    const safe = ['GET', 'HEAD', 'OPTIONS', 'TRACE'];
    // As Node has them, and what it may learn; a method in lower case is another one.
    for (const method of [...METHODS, 'UNKNOWN', 'get']) {
      expect([method, passes(gate, request(method))]).toEqual([method, safe.includes(method)]);
    }
    expect(gate.status()).toMatchObject({ phase: 'paused', only: 'writes', inFlight: 4 });
  });

  it('waits for the writes in flight alone', () => {
    const gate = createGate();
    const [read, write] = [request('GET'), request('POST')];
    enter(gate, read);
    enter(gate, write);
    enable(gate, { only: 'writes' });
    expect(gate.status()).toMatchObject({ phase: 'pausing', stragglers: [{ method: 'POST' }] });
    endResponse(gate, write.request);
    expect(gate.status()).toMatchObject({ phase: 'paused', inFlight: 1 });
    expect(events).toEqual(['paused', 'drained']);
  });

  it('leaves no exception for reads to the next pause', () => {
    const gate = createGate();
    enable(gate, { only: 'writes' });
    disable(gate);
    enable(gate);
    expect(passes(gate, request('GET'))).toBe(false);
    expect(gate.status().only).toBeNull();
  });

  it('followed by a stop rejects reads too', () => {
    const gate = createGate();
    enable(gate, { only: 'writes' });
    stop(gate, undefined);
    expect(passes(gate, request('GET'))).toBe(false);
  });
});

describe('the heldDelta of a release', () => {
  it('is negative while the queue shrinks and positive while it grows', () => {
    const gate = createGate({ release: { perSecond: 1 } });
    enable(gate);
    for (let i = 0; i < 5; i++) hold(gate);
    expect(gate.status().heldDelta).toBeNull();
    disable(gate);
    expect(gate.status().heldDelta).toBe(-1);
    for (let i = 0; i < 3; i++) hold(gate);
    expect(gate.status().heldDelta).toBe(2);
    clock.advance(7000);
    expect(gate.status()).toMatchObject({ phase: 'running', heldDelta: null });
  });
});
