import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Probe } from '../lib/closure.ts';
import { Gate } from '../lib/gate.ts';
import { readOptions, type AppOptions } from '../lib/options.ts';
import type { Passage } from '../lib/passage.ts';
import { Ticket } from '../lib/ticket.ts';
import { FakeClock } from './support/fake-clock.ts';

let clock: FakeClock;
let events: string[];
/** The probes under way: each can be told that the backend answers, and what it sees. */
let probes: { healthy(): Promise<void>; seen(what: string): void; signal: AbortSignal }[];

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

function createGate(options: AppOptions = {}): Gate {
  const settings = readOptions({ health: { check: () => true }, ...options });
  return new Gate({ app: 'a', settings, clock, probe, emit: (event) => events.push(event) });
}

const passage = (url = '/'): Passage => ({
  request: { method: 'GET', url },
  isLongLived: () => false,
  end: () => undefined,
});

function hold(gate: Gate): Ticket {
  const ticket = gate.hold(passage());
  if (!(ticket instanceof Ticket)) throw new Error(ticket.reason);
  return ticket;
}

const verdictOf = (ticket: Ticket): Promise<unknown> =>
  Promise.race([ticket.verdict.then(({ kind }) => kind), Promise.resolve().then(() => undefined)]);

/** Held, let go and gone on. */
async function release(gate: Gate): Promise<Passage> {
  const ticket = hold(gate);
  gate.disable();
  await probes.at(-1)?.healthy();
  expect(gate.pass(ticket)).toBe(true);
  return ticket.passage;
}

describe('a release', () => {
  it('waits until the backend answers, newcomers too', async () => {
    const gate = createGate();
    gate.enable({});
    const ticket = hold(gate);
    gate.disable();
    probes[0]?.seen('ECONNREFUSED');
    clock.advance(1000);
    expect(gate.status()).toMatchObject({
      phase: 'releasing',
      held: 1,
      health: { lastSeen: 'ECONNREFUSED', forMs: 1000, unplanned: false },
    });
    expect(gate.tryEnter(passage())).toBe(false);
    const newcomer = hold(gate);
    await probes[0]?.healthy();
    expect([await verdictOf(ticket), await verdictOf(newcomer)]).toEqual(['proceed', 'proceed']);
    expect(gate.status()).toMatchObject({ phase: 'running', health: null });
  });

  it('shows as releasing while nobody is held but the backend is asked', async () => {
    const gate = createGate();
    gate.enable({});
    gate.disable();
    expect(gate.status().phase).toBe('releasing');
    await probes[0]?.healthy();
    expect(gate.status().phase).toBe('running');
  });

  it('goes on without an answer when its patience is over: what was left of the pause', async () => {
    const gate = createGate({ maxTime: '60s' });
    gate.enable({});
    const ticket = hold(gate);
    clock.advance(50_000);
    gate.disable();
    clock.advance(9_999);
    expect(await verdictOf(ticket)).toBeUndefined();
    clock.advance(1);
    expect(await verdictOf(ticket)).toBe('proceed');
    expect(events).toContain('unhealthy');
    expect(probes[0]?.signal.aborted).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  it('stops the app instead, where asked to', async () => {
    const gate = createGate({ healthTimeout: '5s', onHealthTimeout: 'stop' });
    gate.enable({});
    const ticket = hold(gate);
    gate.disable();
    clock.advance(5000);
    expect(await verdictOf(ticket)).toBe('reject');
    expect(gate.status().phase).toBe('stopped');
  });

  it('does not ask at the end of a pause that was forgotten: its time is over', async () => {
    const gate = createGate({ maxTime: '60s' });
    gate.enable({});
    const ticket = hold(gate);
    clock.advance(60_000);
    expect([await verdictOf(ticket), probes]).toEqual(['proceed', []]);
  });

  it('is broken off by another pause, and the probe with it', async () => {
    const gate = createGate();
    gate.enable({});
    const ticket = hold(gate);
    gate.disable();
    gate.enable({});
    expect(probes[0]?.signal.aborted).toBe(true);
    await probes[0]?.healthy();
    expect(await verdictOf(ticket)).toBeUndefined();
    expect(gate.status().phase).toBe('paused');
  });

  it('strands nobody, however slow its pace: after the longest time all go', async () => {
    const gate = createGate({ maxTime: '60s', healthTimeout: '1s', release: { concurrency: 1 } });
    gate.enable({});
    const tickets = [hold(gate), hold(gate), hold(gate)];
    gate.disable();
    await probes[0]?.healthy();
    expect(gate.held).toBe(2);
    clock.advance(61_000);
    expect(await Promise.all(tickets.map(verdictOf))).toEqual(['proceed', 'proceed', 'proceed']);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a request that could not be handed over', () => {
  it('goes back to its place, and everybody waits until the backend answers', async () => {
    const gate = createGate({ release: { concurrency: 1 } });
    gate.enable({});
    const [first, second] = [hold(gate), hold(gate)];
    gate.disable();
    await probes[0]?.healthy();
    gate.pass(first);
    expect(await verdictOf(second)).toBeUndefined();
    const again = gate.takeBack(first.passage) as Ticket;
    expect(gate.status()).toMatchObject({ phase: 'releasing', held: 2, inFlight: 0 });
    await probes[1]?.healthy();
    expect([await verdictOf(again), await verdictOf(second)]).toEqual(['proceed', undefined]);
  });

  it('fails when it is not in flight here', () => {
    expect(createGate({ cover: '10s' }).takeBack(passage())).toBeUndefined();
  });

  it('waits with the others when the app has been paused meanwhile, and ends the drain', async () => {
    const gate = createGate();
    const one = passage();
    gate.tryEnter(one);
    gate.enable({});
    const ticket = gate.takeBack(one) as Ticket;
    expect(gate.status()).toMatchObject({ phase: 'paused', held: 1 });
    expect(events).toContain('drained');
    expect(await verdictOf(ticket)).toBeUndefined();
  });

  it('is refused when the app has been stopped meanwhile', () => {
    const gate = createGate();
    const one = passage();
    gate.tryEnter(one);
    gate.stop('Closed.');
    expect(gate.takeBack(one)).toMatchObject({ reason: 'stopped', message: 'Closed.' });
    expect(gate.inFlight).toBe(0);
  });

  it('may be taken back more than once, and is counted once', async () => {
    const gate = createGate();
    gate.enable({});
    const one = await release(gate);
    for (let round = 0; round < 3; round++) {
      const ticket = gate.takeBack(one) as Ticket;
      await probes.at(-1)?.healthy();
      expect(gate.pass(ticket)).toBe(true);
      expect(gate.status()).toMatchObject({ held: 0, inFlight: 1 });
    }
    gate.leave(one.request);
    expect(gate.inFlight).toBe(0);
  });
});

describe('a cover', () => {
  function refuse(gate: Gate): Ticket | undefined {
    const one = passage();
    expect(gate.tryEnter(one)).toBe(true);
    return gate.takeBack(one) as Ticket | undefined;
  }

  it('holds for a backend that is gone with nobody having paused', async () => {
    const gate = createGate({ cover: '10s' });
    const ticket = refuse(gate) as Ticket;
    const newcomer = hold(gate);
    expect(gate.status()).toMatchObject({
      phase: 'releasing',
      held: 2,
      health: { unplanned: true },
    });
    await probes[0]?.healthy();
    expect([await verdictOf(ticket), await verdictOf(newcomer)]).toEqual(['proceed', 'proceed']);
    expect(events).toEqual(['unreachable', 'held', 'held', 'reachable']);
    expect(gate.isOpen).toBe(true);
  });

  it('is over after its time: those held have failed, and so do others until it answers', async () => {
    const gate = createGate({ cover: '10s' });
    const ticket = refuse(gate) as Ticket;
    clock.advance(10_000);
    expect(await ticket.verdict).toMatchObject({ refusal: { reason: 'unreachable' } });
    expect(gate.status()).toMatchObject({ phase: 'running', held: 0, health: { unplanned: true } });
    expect(refuse(gate)).toBeUndefined();
    await probes[0]?.healthy();
    expect(refuse(gate)).toBeInstanceOf(Ticket);
  });

  it('is off by default', () => {
    expect(refuse(createGate())).toBeUndefined();
  });

  it('ends with a pause, which then takes over', async () => {
    const gate = createGate({ cover: '10s' });
    const ticket = refuse(gate) as Ticket;
    gate.enable({});
    clock.advance(20_000);
    expect(await verdictOf(ticket)).toBeUndefined();
    expect(gate.status()).toMatchObject({ phase: 'paused', held: 1 });
    gate.disable();
    await probes.at(-1)?.healthy();
    expect(await verdictOf(ticket)).toBe('proceed');
  });
});

describe('the end of a release', () => {
  it('is told when everybody is through, or when it is broken off', async () => {
    const told: string[] = [];
    const gate = createGate();
    gate.enable({});
    hold(gate);
    gate.disable();
    gate.watchReopen((outcome) => told.push(outcome));
    gate.enable({});
    gate.disable();
    gate.watchReopen((outcome) => told.push(outcome));
    expect(told).toEqual(['paused']);
    await probes.at(-1)?.healthy();
    expect(told).toEqual(['paused', 'reopened']);
  });
});
