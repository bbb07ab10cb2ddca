/**
 * Three processes on one store, in whatever order things happen to them: commands given to any of them,
 * requests, a store that fails, freezes or loses messages, and time.
 *
 * Who is told that all are drained must be able to rely on it; and when all is well again, all of them
 * do the same, and each request has ended in one way.
 */
import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { OpenRegistry } from '../support/open-registry.ts';
import { MemoryStore } from '../../lib/stores/memory-store.ts';
import { Ticket, type GatedRequest } from '../../lib/gate/gated-request.ts';
import { gatedRequest } from '../support/gate.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FlakyStore } from '../support/flaky-store.ts';

const PROCESSES = 3;
const MAX_PROCESSES = 6;
const APP = 'default';
/** Until it tells of itself again: a call that hangs is given up first. */
const ANEW_MS = 4000;

type Step =
  | { do: 'enable' | 'disable' | 'stop' | 'request' | 'finish' | 'leave' | 'drain'; who: number }
  | { do: 'mode'; who: number; mode: FlakyStore['mode'] }
  | { do: 'deaf'; who: number; is: boolean }
  | { do: 'lease' | 'crash' | 'isolate'; who: number }
  | { do: 'forget' }
  | { do: 'join' }
  | { do: 'pass'; ms: number };

const who = fc.nat(PROCESSES - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constantFrom('enable', 'disable', 'stop', 'request', 'finish', 'leave', 'drain'),
    who,
  }),
  fc.record({ do: fc.constant('request' as const), who }),
  fc.record({
    do: fc.constant('mode' as const),
    who,
    mode: fc.constantFrom('well', 'well', 'failing', 'frozen'),
  }),
  fc.record({ do: fc.constant('deaf' as const), who, is: fc.boolean() }),
  fc.record({ do: fc.constantFrom('lease', 'crash', 'isolate'), who }),
  fc.record({ do: fc.constant('forget' as const) }),
  fc.record({ do: fc.constant('join' as const) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(10, 300, 1200, 4000, 8000) }),
);

/** A drain that lasts until a process which is not heard of has been given up. */
const longDrain: fc.Arbitrary<Step[]> = who.map((one) => [
  { do: 'enable', who: one },
  { do: 'pass', ms: 8000 },
  { do: 'drain', who: one },
]);

const steps: fc.Arbitrary<Step[]> = fc
  .array(
    fc.oneof(
      { weight: 9, arbitrary: step.map((one) => [one]) },
      { weight: 1, arbitrary: longDrain },
    ),
    { minLength: 3, maxLength: 40 },
  )
  .map((all) => all.flat());

/** One process, and what became of its requests. */
class Member {
  readonly store: FlakyStore;
  readonly registry: OpenRegistry;
  readonly inFlight: GatedRequest[] = [];
  readonly held = new Set<Ticket>();
  /** Killed: it sends nothing more, and its requests in flight have ended. */
  isDead = false;
  /** It was given a command that only it knew of for a time. */
  hasOwnMind = false;
  #knowsFrom = -Infinity;
  readonly #clock: FakeClock;

  constructor(memory: MemoryStore, clock: FakeClock) {
    const quiet = (): void => undefined;
    this.#clock = clock;
    this.store = new FlakyStore(new MemoryStore(memory, clock));
    this.registry = new OpenRegistry(
      { store: this.store, maxTime: '10m', logger: { info: quiet, warn: quiet, error: quiet } },
      clock,
    );
  }

  get gate() {
    return this.registry.gate(APP);
  }

  crash(): void {
    this.isolate();
    this.isDead = true;
  }

  /** Neither hears nor says anything, and goes on serving. */
  isolate(): void {
    this.setMode('frozen');
    this.store.isDeaf = true;
  }

  setMode(mode: FlakyStore['mode']): void {
    if (this.isDead) return;
    this.store.mode = mode;
  }

  /** It knows what is asked for by then. */
  knowsFrom(until: number): void {
    this.#knowsFrom = until;
  }

  get isNew(): boolean {
    return this.#clock.now() < this.#knowsFrom;
  }

  arrive(): void {
    const gated = gatedRequest();
    const answer = this.gate.admit(gated);
    if (answer === 'pass') {
      this.inFlight.push(gated);
      return;
    }
    if (!(answer instanceof Ticket)) return;
    const ticket = answer;
    this.held.add(ticket);
    void ticket.verdict.then((verdict) => {
      expect(this.held.delete(ticket)).toBe(true);
      if (verdict.kind === 'proceed' && this.gate.pass(ticket)) this.inFlight.push(gated);
    });
  }

  finish(): void {
    const gated = this.inFlight.shift();
    if (gated) this.gate.onClientDisconnect(gated);
  }

  leave(): void {
    const [ticket] = this.held;
    if (ticket) this.gate.onClientDisconnect(ticket.gated);
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 40; i++) await Promise.resolve();
}

async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 100) {
    clock.advance(Math.min(100, left));
    await settle();
  }
}

async function run(steps: readonly Step[]): Promise<void> {
  const clock = new FakeClock();
  // Neither two processes nor two pauses have the same id.
  let drawn = 0;
  clock.random = () => (++drawn * Math.SQRT2) % 1;
  let memory = new MemoryStore(undefined, clock);
  let forgottenAt = -Infinity;
  const members: Member[] = [];
  const join = (): Member => {
    const member = new Member(memory, clock);
    members.push(member);
    // What was lost is not there again at once: who comes before that can't know of it.
    if (clock.now() - forgottenAt < ANEW_MS) member.knowsFrom(clock.now() + ANEW_MS);
    return member;
  };
  for (let i = 0; i < PROCESSES; i++) join();
  const living = () => members.filter(({ isDead }) => !isDead);
  await Promise.all(members.map(({ registry }) => registry.ready));
  await pass(clock, 1100);

  const commands: Promise<unknown>[] = [];
  const checkDrained = (outcome: string, asked: Member): void => {
    if (outcome !== 'drained' || asked.isNew) return;
    for (const member of living()) {
      // One that is not heard of is no excuse: then a drain ends as `lost`.
      if (member.isNew || member.hasOwnMind) continue;
      expect(member.gate.desiredKind).not.toBe('running');
      expect(member.gate.inFlight).toBe(0);
    }
  };
  const perform = (one: Step): void => {
    if (one.do === 'pass') return;
    if (one.do === 'join') {
      if (members.length < MAX_PROCESSES) join();
      return;
    }
    if (one.do === 'forget') {
      // What was subscribed to before is never heard of again; it is looked for.
      memory = new MemoryStore(undefined, clock);
      // It goes by the time alone to number what it has.
      clock.advance(1);
      forgottenAt = clock.now();
      for (const { store } of members) store.inner = new MemoryStore(memory, clock);
      return;
    }
    const member = living()[one.who % living().length] as Member;
    const { registry } = member;
    switch (one.do) {
      case 'crash':
        if (living().length > 1) member.crash();
        break;
      case 'isolate':
        member.isolate();
        break;
      case 'lease':
        member.hasOwnMind ||= registry.status(APP).store === 'lost' || member.store.mode !== 'well';
        commands.push(registry.enable(APP, { lease: 3000 }));
        break;
      case 'enable':
      case 'disable':
      case 'stop':
        member.hasOwnMind ||= registry.status(APP).store === 'lost' || member.store.mode !== 'well';
        commands.push(registry[one.do](APP));
        break;
      case 'drain':
        commands.push(
          registry.waitForDrain(APP, { timeout: 3000 }).then(
            ({ outcome }) => checkDrained(outcome, member),
            (error: { code: string }) => expect(error.code).toBe('ERR_ANTRACT_NOT_PAUSED'),
          ),
        );
        break;
      case 'request':
        member.arrive();
        break;
      case 'finish':
        member.finish();
        break;
      case 'leave':
        member.leave();
        break;
      case 'mode':
        member.setMode(one.mode);
        break;
      case 'deaf':
        member.store.isDeaf = one.is;
        break;
      default:
        one satisfies never;
    }
  };
  for (const one of steps) {
    perform(one);
    await settle();
    if (one.do === 'pass') await pass(clock, one.ms);
  }

  const left = living();
  for (const member of left) {
    member.setMode('well');
    member.store.isDeaf = false;
  }
  await pass(clock, 12_000);
  await Promise.all(commands);
  const intents = left.map(({ gate }) => gate.desiredKind);
  expect(new Set(intents).size).toBe(1);
  expect(new Set(left.map(({ gate }) => gate.state.pauseId)).size).toBe(1);
  const [first] = left as [Member];
  const held = left.reduce((sum, member) => sum + member.held.size, 0);
  const inFlight = left.reduce((sum, member) => sum + member.inFlight.length, 0);
  expect(first.registry.status()).toMatchObject({ held, inFlight, store: 'connected' });

  await first.registry.disable();
  await pass(clock, 3000);
  expect(left.filter((member) => member.held.size > 0)).toEqual([]);
  const closing = members.map(({ registry }) => registry.close());
  await pass(clock, 20_000);
  await Promise.all(closing);
  expect(clock.pendingTimers).toBe(0);
}

it('processes that share a store report drains truthfully, agree on one state, and lose no request', async () => {
  await fc.assert(fc.asyncProperty(steps, run), {
    numRuns: 100,
  });
}, 120_000);
