/** What operators see of several processes on one store: the same history and figures, whichever answers. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MemoryStore } from '../../lib/index.ts';
import type { LogRecord } from '../../lib/common/logger.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { endResponse, enter, gatedRequest, get, hold } from '../support/gate.ts';
import { OpenRegistry } from '../support/open-registry.ts';

interface Member {
  readonly registry: OpenRegistry;
  readonly lines: LogRecord[];
}

let clock: FakeClock;
let members: Member[];

beforeEach(async () => {
  clock = new FakeClock();
  const first = new MemoryStore(undefined, clock);
  members = [0.1, 0.2, 0.3].map((chance) => join(first, chance));
  await pass(4000);
});

afterEach(async () => {
  const closing = members.map(({ registry }) => registry.close());
  await pass(20_000);
  await Promise.all(closing);
});

function join(first: MemoryStore, chance: number): Member {
  const lines: LogRecord[] = [];
  const logger = {
    info() {},
    warn() {},
    error() {},
    record: (line: LogRecord) => lines.push(line),
  };
  clock.chances = [chance];
  const store = new MemoryStore(first, clock);
  return { registry: new OpenRegistry({ store, logger, holdOnOutage: 0 }, clock), lines };
}

/** In steps, because what one process reports reaches the others a moment later. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    clock.advance(100);
    for (let i = 0; i < 50; i++) await Promise.resolve();
  }
}

const member = (index: number) => (): OpenRegistry => (members[index] as Member).registry;
const [a, b, c] = [member(0), member(1), member(2)];
const transitions = () =>
  members.map(({ registry }) => registry.core.transitions.list().map(({ event }) => event));
const ADA = { name: 'ada@laptop', address: '10.0.0.7', token: null };

describe('several processes on one store', () => {
  it('all know who paused an app, and one of them logs each transition', async () => {
    await a().enable('default', { by: ADA, reason: 'deploy' });
    await pass(1000);
    expect(members.map(({ registry }) => registry.status().by)).toEqual([ADA, ADA, ADA]);
    await b().disable('default', { by: 'bob' });
    await pass(1000);
    const all = ['paused', 'drained', 'resumed'];
    expect(transitions()).toEqual([all, all, all]);
    const [, , resumed] = c().core.transitions.list();
    expect(resumed).toMatchObject({ by: { name: 'bob' }, forMs: expect.any(Number) });
    const logged = members.flatMap(({ lines }) => lines.map(({ fields }) => fields['event']));
    expect(logged).toEqual(all);
  });

  it('all tell that a backend is down and answers again, which one of them has seen', async () => {
    const seenBy: unknown[] = members.map(() => undefined);
    for (const [index, { registry }] of members.entries()) {
      registry.on('backendDown', (event) => (seenBy[index] = event.seenBy));
    }
    b().gate('default').backend.noteStartCheck('ECONNREFUSED', false);
    await pass(1500);
    expect(seenBy).toEqual(['process', 'startCheck', 'process']);
    expect(transitions()).toEqual([['backendDown'], ['backendDown'], ['backendDown']]);
    expect(members.map(({ registry }) => registry.status().backend.state)).toEqual(
      Array.from({ length: 3 }, () => 'down'),
    );
    b().gate('default').backend.noteStartCheck('ok', true);
    await pass(1500);
    const both = ['backendDown', 'backendUp'];
    expect(transitions()).toEqual([both, both, both]);
    expect(members.flatMap(({ lines }) => lines)).toHaveLength(2);
  });

  it('add up their traffic, the limit of their queues, and their samples', async () => {
    for (const history of members.map(({ registry }) => registry.core.history)) void history.since;
    for (const [index, durationMs] of [10, 10, 1000].entries()) {
      const gate = (members[index] as Member).registry.gate('default');
      const request = enter(gate, gatedRequest({ status: index === 2 ? 502 : 200 }));
      clock.advance(durationMs);
      endResponse(gate, request);
    }
    await c().enable();
    hold(c().gate('default'));
    await pass(3000);
    for (const { registry } of members) {
      const { traffic, heldLimit } = registry.status();
      expect(traffic).toMatchObject({ p50Ms: expect.closeTo(10, -1), errorShare: 0.3333 });
      expect(traffic.p95Ms).toBeGreaterThan(900);
      expect(registry.traffic().lastMinute).toEqual(traffic);
      expect(heldLimit).toBe(30_000);
      expect(registry.core.history.of('default').samples.held.at(-1)).toBe(1);
    }
  });

  it('keep the report of a pause with the requests of all, after the others have forgotten theirs', async () => {
    for (const { registry } of members) void registry.core.history;
    await a().enable();
    await pass(500);
    const held = members.map(({ registry }) => {
      const gate = registry.gate('default');
      return { gate, ticket: hold(gate, get('/held')) };
    });
    await a().disable();
    await pass(1000);
    for (const { gate, ticket } of held) {
      gate.pass(ticket);
      endResponse(gate, ticket.request);
    }
    await pass(80_000);
    for (const { registry } of members) {
      expect(registry.core.history.of('default').pauses).toMatchObject([{ held: 3 }]);
      expect(registry.report()).toMatchObject({ held: 3, carriedOver: null });
    }
    clock.chances = [0.9]; // for another pause id
    await a().enable();
    await pass(1000);
    for (const { registry } of members) {
      const [earlier, last] = registry.core.history.of('default').pauses;
      expect(earlier).toMatchObject({ held: 3, carriedOver: 0 });
      expect(last).toMatchObject({ held: 0, carriedOver: null });
    }
  });
});
