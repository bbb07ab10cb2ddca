/** Which held requests get the waiting page, and when. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { EmitEvent } from '../../lib/gate/events.ts';
import type { Gate } from '../../lib/gate/gate.ts';
import type { AppOptions } from '../../lib/options/options.ts';
import { FakeClock } from '../support/fake-clock.ts';
import {
  createGate,
  disable,
  enable,
  enter,
  gatedRequest,
  hold,
  verdictOf,
  verdictsOf,
} from '../support/gate.ts';

let clock: FakeClock;
let rejected: unknown[];

beforeEach(() => {
  clock = new FakeClock();
  rejected = [];
});

const emit: EmitEvent = (event, payload) => {
  if (event === 'rejected') rejected.push((payload as { reason: string }).reason);
};

function paused(options: AppOptions = {}): Gate {
  const gate = createGate({ pageAfter: '8s', ...options }, { clock, emit });
  enable(gate);
  return gate;
}

const navigation = () => gatedRequest({ isNavigation: () => true });

describe('a navigation that is held for `pageAfter`', () => {
  it('leaves the queue with the waiting page; other requests keep their places', async () => {
    const gate = paused();
    const other = hold(gate);
    const first = hold(gate, navigation());
    clock.advance(1000);
    const second = hold(gate, navigation());
    clock.advance(6999);
    expect(await verdictsOf([first, second])).toEqual([undefined, undefined]);
    clock.advance(1);
    expect(await first.verdict).toMatchObject({
      kind: 'reject',
      heldMs: 8000,
      rejection: { reason: 'waiting-page', times: { sinceMs: 8000, endsInMs: 292_000 } },
    });
    expect(await verdictsOf([second, other])).toEqual([undefined, undefined]);
    clock.advance(1000);
    expect(await verdictsOf([second, other])).toEqual(['reject', undefined]);
    expect(rejected).toEqual(['waiting-page', 'waiting-page']);
    expect(gate.status()).toMatchObject({ held: 1, phase: 'paused' });
  });

  it('needs no timer of its own', () => {
    const gate = paused();
    hold(gate, navigation());
    const { pendingTimers } = clock;
    for (let i = 0; i < 100; i++) hold(gate, navigation());
    expect(clock.pendingTimers).toBe(pendingTimers);
  });

  it('keeps its place once the release has begun, however slow that is', async () => {
    const gate = paused({ release: { perSecond: 0.1 } });
    const [first, second] = [hold(gate, navigation()), hold(gate, navigation())];
    clock.advance(7000);
    disable(gate);
    clock.advance(9000);
    expect(await verdictsOf([first, second])).toEqual(['proceed', undefined]);
    clock.advance(1000);
    expect(await verdictOf(second)).toBe('proceed');
    expect(rejected).toEqual([]);
  });

  it('gets it while the backend does not answer after the pause', async () => {
    const probe = { check: () => new Promise<boolean>(() => undefined) };
    const gate = createGate(
      { pageAfter: '8s', probe },
      { clock, emit, probe: () => new Promise(() => undefined) },
    );
    enable(gate);
    const ticket = hold(gate, navigation());
    disable(gate);
    clock.advance(8000);
    expect(await verdictOf(ticket)).toBe('reject');
    expect(rejected).toEqual(['waiting-page']);
  });

  it('is not one whose client has disconnected', async () => {
    const gate = paused();
    const gated = navigation();
    const ticket = hold(gate, gated);
    gate.onClientDisconnect(gated);
    clock.advance(8000);
    expect(await verdictOf(ticket)).toBe('gone');
    expect(rejected).toEqual([]);
  });

  it('waits for `pageAfter` again when it is requeued', async () => {
    const options = { pageAfter: '8s', holdOnOutage: '1m', probe: { connect: '127.0.0.1:1' } };
    const never = () => new Promise<boolean>(() => undefined);
    const gate = createGate(options, { clock, emit, probe: never as never });
    const request = enter(gate, navigation());
    clock.advance(20_000);
    const ticket = gate.requeue(request);
    clock.advance(7999);
    expect(rejected).toEqual([]);
    clock.advance(1);
    expect(rejected).toEqual(['waiting-page']);
    expect(ticket).toBeDefined();
  });

  it('does not keep the event loop busy with many others', async () => {
    const gate = paused();
    const tickets = Array.from({ length: 1000 }, () => hold(gate, navigation()));
    clock.leap(8000);
    clock.turn();
    const done = (await verdictsOf(tickets)).filter(Boolean).length;
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(100);
    clock.advance(0);
    expect(await verdictsOf(tickets)).toEqual(tickets.map(() => 'reject'));
  });

  it('is off by default', async () => {
    const gate = paused({ pageAfter: Infinity });
    const ticket = hold(gate, navigation());
    clock.advance(299_000);
    expect(await verdictOf(ticket)).toBeUndefined();
  });
});
