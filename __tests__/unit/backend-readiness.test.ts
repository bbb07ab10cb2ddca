import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Probe } from '../../lib/gate/probe-cycle.ts';
import type { Gate, GateDeps } from '../../lib/gate/gate.ts';
import type { AppOptions } from '../../lib/options/options.ts';
import type { RequestLine } from '../../lib/common/request.ts';
import { type GatedRequest, Ticket } from '../../lib/gate/gated-request.ts';
import { FakeClock } from '../support/fake-clock.ts';
import {
  createGate as gateWith,
  enter,
  gatedRequest,
  hold,
  passes,
  verdictOf,
  disable,
  enable,
  stop,
  endResponse,
} from '../support/gate.ts';

let clock: FakeClock;
let events: string[];
/** The probes under way: each can be told that the backend answers, and what it sees. */
let probes: {
  healthy(): Promise<void>;
  seen(what: string, isGood?: boolean): void;
  signal: AbortSignal;
}[];

const probe: Probe = (signal, seen) =>
  new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')));
    probes.push({
      seen,
      signal,
      async healthy() {
        resolve();
        await new Promise(setImmediate);
      },
    });
  });

beforeEach(() => {
  clock = new FakeClock();
  events = [];
  probes = [];
});

function createGate(options: AppOptions = {}, parts: Partial<GateDeps> = {}): Gate {
  const withCheck = { ...options, probe: { check: () => true, ...options.probe } };
  return gateWith(withCheck, { clock, probe, emit: (event) => events.push(event), ...parts });
}

/** Holds a request during a pause and releases it. It is in flight then. */
async function release(gate: Gate): Promise<RequestLine> {
  const ticket = hold(gate);
  disable(gate);
  await probes.at(-1)?.healthy();
  expect(gate.pass(ticket)).toBe(true);
  return ticket.request;
}

describe('a release', () => {
  it('after a pause that reached maxTime starts at once and is over when the backend answers', async () => {
    const gate = createGate({ maxTime: 1000 });
    enable(gate);
    const ticket = hold(gate);
    clock.advance(1000);
    expect([await verdictOf(ticket), gate.isOpen, gate.releaser.isDone]).toEqual([
      'proceed',
      true,
      false,
    ]);
    let outcome: string | undefined;
    gate.releaser.watch((told) => (outcome = told));
    probes[0]?.seen('ECONNREFUSED');
    expect([passes(gate), outcome]).toEqual([true, undefined]);
    await probes[0]?.healthy();
    expect([gate.releaser.isDone, outcome, gate.status().probe]).toEqual([true, 'reopened', null]);
  });

  it('at the end of a stop waits until the backend answers the probe', async () => {
    const gate = createGate({ maxTime: 5000 });
    stop(gate, { maxTime: 1000 });
    clock.advance(1000);
    expect([gate.desiredKind, gate.isOpen]).toEqual(['running', false]);
    expect(gate.status().probe).toMatchObject({ endsInMs: 5000 });
    const ticket = hold(gate);
    await probes[0]?.healthy();
    expect([await verdictOf(ticket), gate.releaser.isDone]).toEqual(['proceed', true]);
    expect(events.slice(0, 4)).toEqual(['stopped', 'drained', 'expired', 'resumed']);
  });

  it('makes held and new requests wait until the backend answers the probe', async () => {
    const gate = createGate();
    enable(gate);
    const ticket = hold(gate);
    disable(gate);
    probes[0]?.seen('ECONNREFUSED');
    clock.advance(1000);
    expect(gate.status()).toMatchObject({
      phase: 'releasing',
      held: 1,
      probe: { lastSeen: 'ECONNREFUSED', forMs: 1000, unplanned: false },
    });
    expect(passes(gate)).toBe(false);
    const newRequest = hold(gate);
    await probes[0]?.healthy();
    expect([await verdictOf(ticket), await verdictOf(newRequest)]).toEqual(['proceed', 'proceed']);
    expect(gate.status()).toMatchObject({ phase: 'running', probe: null });
  });

  it('has the phase releasing while no request is held but the backend is probed', async () => {
    const gate = createGate();
    enable(gate);
    disable(gate);
    expect(gate.status().phase).toBe('releasing');
    await probes[0]?.healthy();
    expect(gate.status().phase).toBe('running');
  });

  it('starts without an answer to the probe after the rest of maxTime', async () => {
    const gate = createGate({ maxTime: '60s' });
    enable(gate);
    const ticket = hold(gate);
    clock.advance(50_000);
    disable(gate);
    clock.advance(9_999);
    expect(await verdictOf(ticket)).toBeUndefined();
    clock.advance(1);
    expect(await verdictOf(ticket)).toBe('proceed');
    expect(events).toContain('unhealthy');
    expect(clock.pendingTimers).toBe(0);
  });

  it('after the rest of maxTime makes no request wait again, and fails what the backend refuses', async () => {
    const gate = createGate({ maxTime: '15s', holdOnOutage: '10s' });
    enable(gate);
    const ticket = hold(gate);
    clock.advance(1000);
    disable(gate);
    expect(gate.status().probe).toMatchObject({ endsInMs: 14_000 });
    clock.advance(14_000);
    expect([await verdictOf(ticket), gate.pass(ticket)]).toEqual(['proceed', true]);
    expect([gate.requeue(ticket.request), refuse(gate)]).toEqual([undefined, undefined]);
    expect(gate.status()).toMatchObject({ phase: 'running', held: 0, probe: { endsInMs: 0 } });
    await probes[0]?.healthy();
    expect(refuse(gate)).toBeInstanceOf(Ticket);
  });

  it('that had not waited for the backend makes refused requests wait, once', async () => {
    const gate = createGate({ maxTime: '15s', holdOnOutage: '10s' });
    enable(gate);
    const ticket = hold(gate);
    clock.advance(15_000);
    gate.pass(ticket);
    const again = gate.requeue(ticket.request) as Ticket;
    expect(gate.status().probe).toMatchObject({ endsInMs: 15_000, unplanned: false });
    clock.advance(15_000);
    expect([await verdictOf(again), gate.pass(again)]).toEqual(['proceed', true]);
    expect(gate.requeue(again.request)).toBeUndefined();
  });

  it('that started without an answer keeps probing and is over when the backend answers', async () => {
    const told: string[] = [];
    for (const isAskedFirst of [true, false]) {
      const gate = createGate({ probe: { timeout: '5s' } });
      enable(gate);
      disable(gate);
      gate.releaser.watch((outcome) => told.push(outcome));
      clock.advance(5000);
      expect(gate.status()).toMatchObject({ phase: 'running', probe: { endsInMs: 0 } });
      expect([gate.releaser.isDone, told.splice(0)]).toEqual([false, []]);
      if (isAskedFirst) await probes.at(-1)?.healthy();
      else answer(gate);
      expect([gate.releaser.isDone, told.splice(0)]).toEqual([true, ['reopened']]);
      expect(gate.status().probe).toBeNull();
      expect(probes.at(-1)?.signal.aborted).toBe(!isAskedFirst);
    }
  });

  it("stops the app after the timeout of the probe if onTimeout is 'stop'", async () => {
    const gate = createGate({ probe: { timeout: '5s', onTimeout: 'stop' } });
    enable(gate);
    const ticket = hold(gate);
    disable(gate);
    probes[0]?.seen('ECONNREFUSED');
    clock.advance(5000);
    expect(await verdictOf(ticket)).toBe('reject');
    expect(gate.status()).toMatchObject({
      phase: 'stopped',
      reason: 'The backend did not answer within 5 s (ECONNREFUSED).',
    });
  });

  it('is interrupted by another pause, which aborts the probe', async () => {
    const gate = createGate();
    enable(gate);
    const ticket = hold(gate);
    disable(gate);
    enable(gate);
    expect(probes[0]?.signal.aborted).toBe(true);
    await probes[0]?.healthy();
    expect(await verdictOf(ticket)).toBeUndefined();
    expect(gate.status().phase).toBe('paused');
  });

  it('at a slow pace releases all remaining requests after maxTime', async () => {
    const gate = createGate({ maxTime: '60s', release: { concurrency: 1 } });
    enable(gate);
    const tickets = [hold(gate), hold(gate), hold(gate)];
    disable(gate);
    await probes[0]?.healthy();
    clock.advance(59_999);
    expect(gate.held).toBe(2);
    clock.advance(1);
    expect(await Promise.all(tickets.map(verdictOf))).toEqual(['proceed', 'proceed', 'proceed']);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a slow start', () => {
  it('is not sped up by clients that disconnect before the response', async () => {
    const gate = createGate({ release: { strategy: 'slow-start', initial: 2 } });
    enable(gate);
    const tickets = [hold(gate), hold(gate), hold(gate), hold(gate), hold(gate), hold(gate)];
    disable(gate);
    await probes[0]?.healthy();
    for (const ticket of tickets.slice(0, 2)) {
      gate.pass(ticket);
      endResponse(gate, ticket.request);
    }
    expect(gate.status()).toMatchObject({ held: 2, inFlight: 2 });
    gate.onResponseStart((tickets[2] as Ticket).request, true);
    clock.turn();
    expect(gate.status()).toMatchObject({ held: 0, inFlight: 4 });
  });
});

describe('a request that the backend refused', () => {
  it('is requeued at its old place, and all held requests wait until the backend answers', async () => {
    const gate = createGate({ release: { concurrency: 1 } });
    enable(gate);
    const [first, second] = [hold(gate), hold(gate)];
    disable(gate);
    await probes[0]?.healthy();
    gate.pass(first);
    expect(await verdictOf(second)).toBeUndefined();
    const again = gate.requeue(first.request) as Ticket;
    expect(gate.status()).toMatchObject({ phase: 'releasing', held: 2, inFlight: 0 });
    clock.advance(250);
    await probes[1]?.healthy();
    expect([await verdictOf(again), await verdictOf(second)]).toEqual(['proceed', undefined]);
  });

  it('is requeued into a full queue only if it was held before', async () => {
    const gate = createGate({ maxQueue: 2, release: { concurrency: 1 } });
    const newRequest = enter(gate);
    enable(gate);
    const [first, second] = [hold(gate), hold(gate)];
    disable(gate);
    await probes[0]?.healthy();
    gate.pass(first);
    hold(gate);
    expect(gate.requeue(newRequest)).toMatchObject({ reason: 'full' });
    const again = gate.requeue(first.request) as Ticket;
    clock.advance(250);
    await probes[1]?.healthy();
    expect([await verdictOf(again), await verdictOf(second)]).toEqual(['proceed', undefined]);
  });

  it('fails if it had been released because of maxWait', async () => {
    for (const desired of ['running', 'paused']) {
      const gate = createGate({ maxWait: '1s', onMaxWait: 'release' });
      enable(gate);
      const ticket = hold(gate);
      if (desired === 'running') disable(gate);
      clock.advance(1000);
      expect(gate.pass(ticket)).toBe(true);
      expect(gate.requeue(ticket.request)).toBeUndefined();
      expect(gate.status()).toMatchObject({ held: 0, inFlight: 1 });
    }
  });

  it('fails if it is not in flight at this gate', () => {
    expect(createGate({ holdOnOutage: '10s' }).requeue({})).toBeUndefined();
  });

  it('is held by a pause that has begun meanwhile, and ends its drain', async () => {
    const gate = createGate();
    const one = enter(gate);
    enable(gate);
    const ticket = gate.requeue(one) as Ticket;
    expect(gate.status()).toMatchObject({ phase: 'paused', held: 1 });
    expect(events).toContain('drained');
    expect(await verdictOf(ticket)).toBeUndefined();
  });

  it('is rejected if the app has been stopped meanwhile', () => {
    const gate = createGate();
    const one = enter(gate);
    stop(gate, { message: 'Closed.' });
    expect(gate.requeue(one)).toMatchObject({ reason: 'stopped', message: 'Closed.' });
    expect(gate.inFlight).toBe(0);
  });

  it('is counted once although it is requeued three times', async () => {
    const gate = createGate();
    enable(gate);
    const one = await release(gate);
    for (let round = 0; round < 3; round++) {
      const ticket = gate.requeue(one) as Ticket;
      clock.advance(2000);
      await probes.at(-1)?.healthy();
      expect(gate.pass(ticket)).toBe(true);
      expect(gate.status()).toMatchObject({ held: 0, inFlight: 1 });
    }
    endResponse(gate, one);
    expect(gate.inFlight).toBe(0);
  });
});

function refuse(gate: Gate): Ticket | undefined {
  const one = enter(gate);
  return gate.requeue(one) as Ticket | undefined;
}

/** A request that is let through at once, and answered. */
function answer(gate: Gate): void {
  endResponse(gate, enter(gate, gatedRequest({ hasGoodResponse: () => true })));
}

describe('holdOnOutage', () => {
  it('holds requests while the backend is down and the app is not paused', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    const ticket = refuse(gate) as Ticket;
    const newRequest = hold(gate);
    expect(gate.status()).toMatchObject({
      phase: 'releasing',
      held: 2,
      probe: { unplanned: true },
    });
    await probes[0]?.healthy();
    expect([await verdictOf(ticket), await verdictOf(newRequest)]).toEqual(['proceed', 'proceed']);
    expect(events).toEqual(['unreachable', 'held', 'held', 'reachable']);
    expect(gate.isOpen).toBe(true);
  });

  it('shows in heldDelta whether its release makes the queue shorter', async () => {
    const gate = createGate({ holdOnOutage: '10s', release: { perSecond: 1 } });
    refuse(gate);
    for (let i = 0; i < 4; i++) hold(gate);
    await probes[0]?.healthy();
    expect(gate.status()).toMatchObject({ held: 4, heldDelta: -1 });
    hold(gate);
    hold(gate);
    expect(gate.status().heldDelta).toBe(1);
  });

  it('after its time rejects the held requests and holds no others until the backend answers', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    const ticket = refuse(gate) as Ticket;
    clock.advance(10_000);
    expect(await ticket.verdict).toMatchObject({ rejection: { reason: 'unreachable' } });
    expect(gate.status()).toMatchObject({ phase: 'running', held: 0, probe: { unplanned: true } });
    expect(refuse(gate)).toBeUndefined();
    await probes[0]?.healthy();
    expect(events).toEqual(['unreachable', 'held', 'rejected', 'reachable']);
    answer(gate);
    expect(refuse(gate)).toBeInstanceOf(Ticket);
  });

  it('is off by default', () => {
    expect(refuse(createGate())).toBeUndefined();
  });

  it('ends when a pause begins, which keeps the held requests', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    const ticket = refuse(gate) as Ticket;
    enable(gate);
    clock.advance(20_000);
    expect(await verdictOf(ticket)).toBeUndefined();
    expect(gate.status()).toMatchObject({ phase: 'paused', held: 1 });
    disable(gate);
    await probes.at(-1)?.healthy();
    expect(await verdictOf(ticket)).toBe('proceed');
  });
});

describe('a probe that succeeds while connections are refused', () => {
  /** Holds a request that was refused, and releases it after a successful probe. */
  async function refuseAndRelease(gate: Gate): Promise<RequestLine> {
    const ticket = refuse(gate) as Ticket;
    await probes.at(-1)?.healthy();
    expect(gate.pass(ticket)).toBe(true);
    return ticket.request;
  }

  /** Refuses and releases the request again. Returns the time until the next probe in ms. */
  async function again(gate: Gate, one: RequestLine): Promise<number> {
    const { length } = probes;
    const ticket = gate.requeue(one) as Ticket;
    expect(gate.isOpen).toBe(false);
    let ms = 0;
    for (; probes.length === length; ms++) clock.advance(1);
    await probes.at(-1)?.healthy();
    expect(gate.pass(ticket)).toBe(true);
    return ms;
  }

  it('is repeated after a delay that grows to one second', async () => {
    const gate = createGate({ holdOnOutage: '1m' });
    const one = await refuseAndRelease(gate);
    const pauses: number[] = [];
    for (let i = 0; i < 8; i++) pauses.push(await again(gate, one));
    expect(pauses).toEqual([250, 375, 563, 844, 1000, 1000, 1000, 1000]);
    // Only one probe runs at a time, and none during a pause.
    gate.requeue(one);
    enable(gate);
    clock.advance(2000);
    expect(probes).toHaveLength(9);
    disable(gate);
    await probes.at(-1)?.healthy();
    expect(clock.pendingTimers).toBe(0);
  });

  it('does not extend holdOnOutage, and emits one pair of events', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    const one = await refuseAndRelease(gate);
    while (clock.now() < 10_000) await again(gate, one);
    const ticket = gate.requeue(one) as Ticket;
    const newRequest = hold(gate);
    const { endsInMs, forMs, unplanned } = gate.status().probe ?? {};
    expect([Number(endsInMs) + Number(forMs), unplanned]).toEqual([10_000, true]);
    clock.advance(endsInMs as number);
    for (const held of [ticket, newRequest]) {
      expect(await held.verdict).toMatchObject({ rejection: { reason: 'unreachable' } });
    }
    const told = events.filter((event) => event.endsWith('reachable'));
    expect(told).toEqual(['unreachable', 'reachable', 'unreachable']);
  });

  it('leads to a rejection at once if the time of holdOnOutage ended while the gate was open', async () => {
    const gate = createGate({ holdOnOutage: '10s', release: { concurrency: 1 } });
    const one = await refuseAndRelease(gate);
    await again(gate, one);
    gate.requeue(one);
    const second = hold(gate);
    clock.advance(9000);
    await probes.at(-1)?.healthy();
    clock.advance(1000);
    expect([await verdictOf(second), gate.held]).toEqual([undefined, 1]);
    expect(gate.requeue(one)).toBeUndefined();
    expect([await verdictOf(second), gate.held]).toEqual(['reject', 0]);
    expect(gate.status().probe).toMatchObject({ unplanned: true, endsInMs: 0 });
    expect(gate.isOpen).toBe(true);
  });

  it('is not confirmed by a client that disconnects', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    const one = await refuseAndRelease(gate);
    clock.advance(100);
    endResponse(gate, one);
    refuse(gate);
    expect(gate.status().probe).toMatchObject({ forMs: 100, endsInMs: 9900 });
    expect(events.at(-2)).toBe('unreachable');
  });

  it('is confirmed by the answer to any request, held before or not', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    const one = await refuseAndRelease(gate);
    await again(gate, one);
    gate.onResponseStart(one, true);
    expect(events.at(-1)).toBe('reachable');
    const two = await refuseAndRelease(gate);
    expect(gate.requeue(two)).toBeInstanceOf(Ticket);
    clock.advance(250);
    await probes.at(-1)?.healthy();
    expect(events.filter((event) => event !== 'held').at(-1)).toBe('unreachable');
    answer(gate);
    expect(events.at(-1)).toBe('reachable');
    clock.advance(1000);
    refuse(gate);
    expect(gate.status().probe).toMatchObject({ forMs: 0, endsInMs: 10_000 });
  });

  it('is confirmed neither by a request that was sent before nor by an error of the backend', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    const before = enter(gate, gatedRequest({ hasGoodResponse: () => true }));
    clock.advance(1);
    const one = await refuseAndRelease(gate);
    await again(gate, one);
    endResponse(gate, before);
    gate.onResponseStart(one, false);
    const ticket = gate.requeue(one) as Ticket;
    // Refused here, while it is held.
    gate.reject(ticket, 'too-large');
    gate.onResponseStart(one, true);
    expect(gate.status().probe).toMatchObject({ forMs: 250, endsInMs: 9750 });
    expect(events.filter((event) => event === 'reachable')).toHaveLength(1);
  });

  it('gets the full time of holdOnOutage again with each answer of the backend', async () => {
    const gate = createGate({ holdOnOutage: '10s', maxTime: '15s' });
    const [one, two] = [enter(gate), enter(gate)];
    const tickets = [gate.requeue(one), gate.requeue(two)] as Ticket[];
    clock.advance(4000);
    await probes.at(-1)?.healthy();
    for (const ticket of tickets) gate.pass(ticket);
    tickets[0] = gate.requeue(one) as Ticket;
    clock.advance(2000);
    gate.onResponseStart(two, true);
    expect(gate.status().probe).toMatchObject({ forMs: 6000, endsInMs: 10_000 });
    await probes.at(-1)?.healthy();
    gate.pass(tickets[0]);
    // The probe starts without a delay: a refusal after an answer begins a new outage.
    const { length } = probes;
    gate.requeue(one);
    expect(probes).toHaveLength(length + 1);
    clock.advance(10_000);
    expect([gate.held, gate.isOpen]).toEqual([0, true]);
  });

  it('is confirmed after a while without requests, so that the next refusal begins a new outage', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    const one = await refuseAndRelease(gate);
    endResponse(gate, one);
    clock.advance(5000);
    refuse(gate);
    expect(probes).toHaveLength(2);
    expect(gate.status().probe).toMatchObject({ forMs: 0, endsInMs: 10_000 });
  });

  it('does not extend the timeout of the probe after a pause', async () => {
    const gate = createGate({ probe: { timeout: '5s' }, maxTime: '20s' });
    enable(gate);
    const one = await release(gate);
    while (clock.now() < 4000) await again(gate, one);
    const ticket = gate.requeue(one) as Ticket;
    const { endsInMs } = gate.status().probe ?? {};
    expect(endsInMs).toBe(6000 - clock.now());
    clock.advance(endsInMs as number);
    expect([await verdictOf(ticket), events.at(-1)]).toEqual(['proceed', 'unhealthy']);
    gate.pass(ticket);
    expect(gate.requeue(one)).toBeUndefined();
  });

  it("stops the app if onTimeout is 'stop' and a request is refused after the timeout", async () => {
    const gate = createGate({ probe: { timeout: '5s', onTimeout: 'stop' } });
    enable(gate);
    const ticket = hold(gate);
    disable(gate);
    clock.advance(4900);
    await probes[0]?.healthy();
    gate.pass(ticket);
    clock.advance(200);
    expect(gate.requeue(ticket.request)).toMatchObject({ reason: 'stopped' });
    expect(gate.status()).toMatchObject({ phase: 'stopped', inFlight: 0 });
  });
});

describe('an outage after the release of a pause is over', () => {
  const HELD_ON_OUTAGE = { holdOnOutage: '10s', maxTime: '5m' } as const;

  it.each(['pause', 'stop'])(
    'is limited by holdOnOutage, although the %s had time left and no request was answered',
    async (before) => {
      const gate = createGate(HELD_ON_OUTAGE);
      if (before === 'stop') stop(gate);
      else enable(gate);
      disable(gate);
      await probes.at(-1)?.healthy();
      clock.advance(1000);
      const ticket = refuse(gate) as Ticket;
      expect(gate.status().probe).toMatchObject({ endsInMs: 10_000, unplanned: true });
      expect(events.at(-2)).toBe('unreachable');
      clock.advance(10_000);
      expect(await ticket.verdict).toMatchObject({ rejection: { reason: 'unreachable' } });
    },
  );

  it('fails its request at once without holdOnOutage, and does not stop the app', async () => {
    const gate = createGate({ probe: { timeout: '1s', onTimeout: 'stop' } });
    enable(gate);
    disable(gate);
    clock.advance(900);
    await probes.at(-1)?.healthy();
    clock.advance(200);
    expect(refuse(gate)).toBeUndefined();
    expect(gate.status()).toMatchObject({ phase: 'running', held: 0 });
    expect(events).not.toContain('unhealthy');
  });

  it('is limited by holdOnOutage while the requests of an earlier outage are released', async () => {
    const gate = createGate({ ...HELD_ON_OUTAGE, release: { concurrency: 1 } });
    const one = refuse(gate) as Ticket;
    const [two, three] = [hold(gate), hold(gate)];
    await probes.at(-1)?.healthy();
    gate.pass(one);
    gate.onResponseStart(one.request, true);
    gate.pass(two);
    expect(gate.held).toBe(1);
    gate.requeue(two.request);
    expect(gate.status().probe).toMatchObject({ endsInMs: 10_000, unplanned: true });
    clock.advance(10_000);
    expect(await verdictOf(three)).toBe('reject');
  });

  it('is limited by maxTime while a request that the pause had held still waits', async () => {
    const gate = createGate({ ...HELD_ON_OUTAGE, release: { concurrency: 1 } });
    enable(gate);
    const [one, two] = [hold(gate), hold(gate)];
    clock.advance(10_000);
    disable(gate);
    await probes.at(-1)?.healthy();
    gate.pass(one);
    gate.requeue(one.request);
    const newRequest = hold(gate);
    expect(gate.status().probe).toMatchObject({ endsInMs: 290_000, unplanned: false });
    clock.advance(60_000);
    expect(await Promise.all([two, newRequest].map(verdictOf))).toEqual([undefined, undefined]);
  });

  it('is limited by maxTime once a request that the pause had held is refused', async () => {
    const gate = createGate(HELD_ON_OUTAGE);
    enable(gate);
    const one = await release(gate);
    refuse(gate);
    expect(gate.status().probe).toMatchObject({ unplanned: true });
    expect(gate.requeue(one)).toBeInstanceOf(Ticket);
    expect(gate.status().probe).toMatchObject({ unplanned: false });
    clock.advance(10_000);
    expect(gate.held).toBe(2);
  });

  it.each([{ holdOnOutage: '10s' }, {}] as const)(
    'is unplanned once the clients of the requests held by the pause have disconnected (%j)',
    async (options) => {
      const gate = createGate({ maxTime: '5m', ...options });
      enable(gate);
      const one = await release(gate);
      const again = gate.requeue(one) as Ticket;
      gate.onClientDisconnect(again.gated);
      if ('holdOnOutage' in options) {
        expect(gate.status().probe).toMatchObject({ endsInMs: 10_000, unplanned: true });
        const newRequest = hold(gate);
        clock.advance(10_000);
        expect(await verdictOf(newRequest)).toBe('reject');
      } else {
        expect(refuse(gate)).toBeUndefined();
        expect(gate.releaser.isDone).toBe(false);
      }
    },
  );

  it('is limited by holdOnOutage if requests had waited because the desired state was unknown', async () => {
    let isInformed = false;
    const gate = createGate({ holdOnOutage: '10s' }, { isInformed: () => isInformed });
    const ticket = hold(gate);
    isInformed = true;
    gate.releaser.reconsider();
    gate.pass(ticket);
    gate.requeue(ticket.request);
    expect(gate.status().probe).toMatchObject({ endsInMs: 10_000, unplanned: true });
  });
});

describe('the event unreachable', () => {
  const outageEvents = () => events.filter((event) => event.endsWith('reachable'));

  it('is followed by reachable if the release of a pause has given up on the backend meanwhile', async () => {
    const told: unknown[] = [];
    const emit: GateDeps['emit'] = (event, payload) => {
      events.push(event);
      if (event === 'reachable') told.push(payload);
    };
    const gate = createGate({ holdOnOutage: '10s', maxTime: '5m' }, { emit });
    enable(gate);
    const one = await release(gate);
    clock.advance(1000);
    refuse(gate);
    clock.advance(1000);
    // Its release has more time than `holdOnOutage`.
    gate.requeue(one);
    clock.advance(300_000);
    expect(events).toContain('unhealthy');
    expect(outageEvents()).toEqual(['unreachable']);
    await probes.at(-1)?.healthy();
    expect(outageEvents()).toEqual(['unreachable', 'reachable']);
    expect(told).toEqual([expect.objectContaining({ afterMs: 301_000 })]);
    // The next refusal begins another outage.
    refuse(gate);
    expect(outageEvents()).toEqual(['unreachable', 'reachable', 'unreachable']);
  });

  it.each(['pause', 'stop'])('is followed by reachable after a %s that began', async (command) => {
    const gate = createGate({ holdOnOutage: '10s' });
    refuse(gate);
    if (command === 'pause') enable(gate);
    else stop(gate);
    disable(gate);
    expect(outageEvents()).toEqual(['unreachable']);
    await probes.at(-1)?.healthy();
    expect(outageEvents()).toEqual(['unreachable', 'reachable']);
  });
});

describe('the end of a release', () => {
  it('is reported when all requests are released or when a pause interrupts it', async () => {
    const told: string[] = [];
    const gate = createGate();
    enable(gate);
    hold(gate);
    disable(gate);
    gate.releaser.watch((outcome) => told.push(outcome));
    enable(gate);
    disable(gate);
    gate.releaser.watch((outcome) => told.push(outcome));
    expect(told).toEqual(['paused']);
    await probes.at(-1)?.healthy();
    expect(told).toEqual(['paused', 'reopened']);
  });
});

describe('a read that the backend refuses during a pause of writes', () => {
  const write = (): GatedRequest => {
    return gatedRequest({ request: { method: 'POST', url: '/' } });
  };
  const refuse = (gate: Gate): Ticket => {
    const read = enter(gate);
    const ticket = gate.requeue(read);
    if (!(ticket instanceof Ticket)) throw new Error('The request was not requeued.');
    return ticket;
  };

  it('waits with new reads until the backend answers, not for the end of the pause', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    enable(gate, { only: 'writes' });
    const refused = refuse(gate);
    expect(passes(gate)).toBe(false);
    const newRequest = hold(gate);
    const held = hold(gate, write());
    expect(gate.status()).toMatchObject({ phase: 'paused', held: 3, probe: { unplanned: true } });
    await probes[0]?.healthy();
    expect([await verdictOf(refused), await verdictOf(newRequest), await verdictOf(held)]).toEqual([
      'proceed',
      'proceed',
      undefined,
    ]);
    expect(passes(gate)).toBe(true);
    // It was never what the drain had waited for.
    gate.pass(refused);
    endResponse(gate, refused.request);
    expect(events.filter((event) => event === 'drained')).toHaveLength(1);
  });

  it('fails when holdOnOutage is over, while writes stay held', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    enable(gate, { only: 'writes' });
    const held = hold(gate, write());
    const refused = refuse(gate);
    clock.advance(10_000);
    expect([await verdictOf(refused), await verdictOf(held)]).toEqual(['reject', undefined]);
    expect(passes(gate)).toBe(true);
  });

  it('fails at once without holdOnOutage', () => {
    const gate = createGate();
    enable(gate, { only: 'writes' });
    const read = enter(gate);
    expect(gate.requeue(read)).toBeUndefined();
  });

  it('is released if it was held before the pause began', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    const refused = refuse(gate);
    enable(gate, { only: 'writes' });
    expect(await verdictOf(refused)).toBe('proceed');
  });

  it('is held by a following pause of all requests, and released with them', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    enable(gate, { only: 'writes' });
    const refused = refuse(gate);
    disable(gate);
    enable(gate);
    await probes.at(-1)?.healthy();
    expect(await verdictOf(refused)).toBeUndefined();
    disable(gate);
    await probes.at(-1)?.healthy();
    expect(await verdictOf(refused)).toBe('proceed');
  });
});

describe('a connection that the backend drops before it responds', () => {
  /** A request that passes at once, and whose connection is dropped. */
  function drop(gate: Gate): void {
    const one = enter(gate);
    gate.backend.noteDrop(one);
    endResponse(gate, one);
  }

  /** The probe finds the backend well. */
  async function healthy(): Promise<void> {
    probes.at(-1)?.seen('ok', true);
    await probes.at(-1)?.healthy();
  }

  it('holds requests until the probe has answered, and emits no outage event after a false alarm', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    drop(gate);
    const held = hold(gate);
    await healthy();
    expect(await held.verdict).toMatchObject({ kind: 'proceed' });
    expect(events).toEqual(['held']);
    expect(gate.status()).toMatchObject({ phase: 'running', probe: null });
  });

  it('begins an outage if the probe fails', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    drop(gate);
    probes[0]?.seen('ECONNRESET');
    const held = hold(gate);
    expect(events).toEqual(['unreachable', 'held']);
    await healthy();
    expect(await held.verdict).toMatchObject({ kind: 'proceed' });
    expect(events).toEqual(['unreachable', 'held', 'reachable']);
  });

  it('soon after a false alarm holds no requests unless the probe fails', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    drop(gate);
    await healthy();
    for (let i = 0; i < 10; i++) {
      drop(gate);
      expect(gate.isOpen).toBe(true);
      await healthy();
    }
    drop(gate);
    probes.at(-1)?.seen('ECONNRESET');
    expect(gate.isOpen).toBe(false);
    expect(events).toEqual(['unreachable']);
  });

  it('long after a false alarm holds requests again', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    drop(gate);
    await healthy();
    clock.advance(5000);
    drop(gate);
    expect(gate.isOpen).toBe(false);
  });

  it('is ignored if its request was sent before the last successful probe', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    const old = enter(gate);
    clock.advance(1000);
    drop(gate);
    await healthy();
    gate.backend.noteDrop(old);
    expect(probes).toHaveLength(1);
  });

  it('begins an outage once another connection is refused', async () => {
    const gate = createGate({ holdOnOutage: '10s' });
    drop(gate);
    await healthy();
    const refused = enter(gate);
    drop(gate);
    expect(gate.isOpen).toBe(true);
    expect(gate.requeue(refused)).toBeInstanceOf(Ticket);
    expect(gate.isOpen).toBe(false);
    expect(events).toEqual(['unreachable', 'held']);
  });

  it('changes nothing without holdOnOutage or while the app is paused', () => {
    const gate = createGate({ holdOnOutage: 0 });
    drop(gate);
    expect(gate.isOpen).toBe(true);
    const holding = createGate({ holdOnOutage: '10s' });
    const one = enter(holding);
    enable(holding);
    holding.backend.noteDrop(one);
    expect(holding.status().probe).toBeNull();
    expect(probes).toHaveLength(0);
  });

  it('during a release interrupts the release until the probe has answered', async () => {
    const gate = createGate({ release: { strategy: 'fixed', concurrency: 1 } });
    enable(gate);
    const first = hold(gate);
    const second = hold(gate);
    disable(gate);
    await healthy();
    expect(gate.pass(first)).toBe(true);
    clock.advance(5000);
    gate.backend.noteDrop(first.request);
    endResponse(gate, first.request);
    expect(gate.held).toBe(1);
    await healthy();
    expect(gate.held).toBe(0);
    expect(await second.verdict).toMatchObject({ kind: 'proceed' });
  });
});
