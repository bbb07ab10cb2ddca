/**
 * Three processes on one store, in whatever order things happen to them: commands given to any of them,
 * requests, a store that fails, freezes or loses messages, and time.
 *
 * Who is told that all are drained must be able to rely on it; and when all is well again, all of them
 * do the same, and each request has ended in one way.
 */
import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Passage } from '../lib/passage.ts';
import { PauseRegistry } from '../lib/pause-registry.ts';
import { MemoryStore } from '../lib/stores/memory-store.ts';
import { Ticket } from '../lib/ticket.ts';
import { FakeClock } from './support/fake-clock.ts';
import { FlakyStore } from './support/flaky-store.ts';

const PROCESSES = 3;
const APP = 'default';
/** Until a process that can't be reached is given up: it may have told of itself a second before that. */
const GIVEN_UP_MS = 4000;
/** Until it tells of itself again: a call that hangs is given up first. */
const ANEW_MS = 4000;

type Step =
  | { do: 'enable' | 'disable' | 'stop' | 'request' | 'finish' | 'leave' | 'drain'; who: number }
  | { do: 'mode'; who: number; mode: FlakyStore['mode'] }
  | { do: 'deaf'; who: number; is: boolean }
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
  fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(10, 300, 1200, 4000) }),
);

/** One process, and what became of its requests. */
class Member {
  readonly store: FlakyStore;
  readonly registry: PauseRegistry;
  readonly inFlight: Passage[] = [];
  readonly held = new Set<Ticket>();
  /** It was given a command that only it knew of for a time. */
  hasOwnMind = false;
  #unreachableSince: number | undefined;
  #silentUntil = -Infinity;
  readonly #clock: FakeClock;

  constructor(memory: MemoryStore, clock: FakeClock, chance: number) {
    clock.chances = [chance];
    const quiet = (): void => undefined;
    this.#clock = clock;
    this.store = new FlakyStore(new MemoryStore(memory, clock));
    this.registry = new PauseRegistry(
      { store: this.store, maxTime: '10m', logger: { info: quiet, warn: quiet, error: quiet } },
      clock,
    );
  }

  get gate() {
    return this.registry.gate(APP);
  }

  setMode(mode: FlakyStore['mode']): void {
    this.store.mode = mode;
    if (mode !== 'well') {
      this.#unreachableSince ??= this.#clock.now();
    } else if (this.#unreachableSince !== undefined) {
      this.#unreachableSince = undefined;
      this.#silentUntil = this.#clock.now() + ANEW_MS;
    }
  }

  /** Whoever is told that all are drained may have given this one up. */
  get isGivenUp(): boolean {
    const now = this.#clock.now();
    return now < this.#silentUntil || now - (this.#unreachableSince ?? now) >= GIVEN_UP_MS;
  }

  arrive(): void {
    const passage: Passage = {
      request: { method: 'GET', url: '/' },
      isLongLived: () => false,
      end: () => undefined,
    };
    if (this.gate.tryEnter(passage)) {
      this.inFlight.push(passage);
      return;
    }
    const ticket = this.gate.hold(passage);
    if (!(ticket instanceof Ticket)) return;
    this.held.add(ticket);
    void ticket.verdict.then((verdict) => {
      expect(this.held.delete(ticket)).toBe(true);
      if (verdict.kind === 'proceed' && this.gate.pass(ticket)) this.inFlight.push(passage);
    });
  }

  finish(): void {
    const passage = this.inFlight.shift();
    if (passage) this.gate.leave(passage.request);
  }

  leave(): void {
    const [ticket] = this.held;
    if (ticket) this.gate.depart(ticket);
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
  const memory = new MemoryStore(undefined, clock);
  const members = Array.from(
    { length: PROCESSES },
    (_, i) => new Member(memory, clock, (i + 1) / 10),
  );
  await Promise.all(members.map(({ registry }) => registry.ready));
  await pass(clock, 1100);

  const commands: Promise<unknown>[] = [];
  const checkDrained = (outcome: string): void => {
    if (outcome !== 'drained') return;
    for (const member of members) {
      if (member.isGivenUp || member.hasOwnMind) continue;
      expect(member.gate.intent).not.toBe('running');
      expect(member.gate.inFlight).toBe(0);
    }
  };
  const perform = (one: Step): void => {
    if (one.do === 'pass') return;
    const member = members[one.who] as Member;
    const { registry } = member;
    switch (one.do) {
      case 'enable':
      case 'disable':
      case 'stop':
        member.hasOwnMind ||= registry.status(APP).store === 'lost' || member.store.mode !== 'well';
        commands.push(registry[one.do](APP));
        break;
      case 'drain':
        commands.push(
          registry.drained(APP, { timeout: 3000 }).then(
            ({ outcome }) => checkDrained(outcome),
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

  for (const member of members) {
    member.setMode('well');
    member.store.isDeaf = false;
  }
  await pass(clock, 12_000);
  await Promise.all(commands);
  const intents = members.map(({ gate }) => gate.intent);
  expect(new Set(intents).size).toBe(1);
  expect(new Set(members.map(({ gate }) => gate.state.pauseId)).size).toBe(1);
  const [first] = members as [Member];
  const held = members.reduce((sum, member) => sum + member.held.size, 0);
  const inFlight = members.reduce((sum, member) => sum + member.inFlight.length, 0);
  expect(first.registry.status()).toMatchObject({ held, inFlight, store: 'connected' });

  await first.registry.disable();
  await pass(clock, 3000);
  expect(members.map((member) => member.held.size)).toEqual([0, 0, 0]);
  const closing = members.map(({ registry }) => registry.close());
  await pass(clock, 11_000);
  await Promise.all(closing);
  expect(clock.pendingTimers).toBe(0);
}

it('tells the truth of a drain, comes to one mind, and loses nobody', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 40 }), run), {
    numRuns: 100,
  });
}, 120_000);
