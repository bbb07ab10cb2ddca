/** Random steps for a gate, and a reader for the record of what happened. */
import fc from 'fast-check';
import type { FuzzedGate } from './fuzzed-gate.ts';
import type { ModelSettings } from './gate-model.ts';
import type { Body, RawClient } from './raw-client.ts';

/** `who` is one of those who are there then. */
export type Step =
  | { do: 'enable' | 'disable' | 'stop' }
  | { do: 'arrive'; body: Body }
  | { do: 'send' | 'answer'; who: number }
  | { do: 'leave'; who: number; abruptly: boolean }
  | { do: 'pass time'; ms: number };

const who = fc.nat({ max: 20 });

export const aStep: fc.Arbitrary<Step> = fc.oneof(
  named(5, 'enable', 'disable'),
  named(1, 'stop'),
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant<'arrive'>('arrive'),
      body: fc.constantFrom<Body>('none', 'whole', 'parts'),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom<'send' | 'answer'>('send', 'answer'), who }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant<'leave'>('leave'), who, abruptly: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant<'pass time'>('pass time'),
      ms: fc.constantFrom(300, 700),
    }),
  },
);

function named(weight: number, ...names: ('enable' | 'disable' | 'stop')[]) {
  return { weight, arbitrary: fc.record({ do: fc.constantFrom(...names) }) };
}

/** Limits that are met within the few requests and seconds of a run, or never. */
export const someSettings: fc.Arbitrary<ModelSettings> = fc.record({
  maxQueue: fc.constantFrom(3, 1000),
  maxWait: fc.constantFrom(1000, Infinity),
  maxTime: fc.constant(1600),
  onMaxWait: fc.constantFrom<'reject' | 'release'>('reject', 'release'),
  concurrency: fc.constantFrom(1, 2, Infinity),
});

/** Replays what was told: who waits, and the first step that there should not have been. */
export function replay(told: FuzzedGate['told']): { waiting: number; fault?: string } {
  const waiting = new Set<number>();
  const released = new Set<number>();
  const ended = new Set<number>();
  for (const [i, { event, id }] of told.entries()) {
    const fault = (what: string) => ({ waiting: waiting.size, fault: `${id} ${what}, at ${i}` });
    const [head] = waiting;
    if (event === 'released' && head !== id) return fault('released out of order');
    const wasHeld = waiting.delete(id);
    if (event === 'held') waiting.add(id);
    else if (event === 'released') released.add(id);
    else {
      if (ended.has(id)) return fault(`${event} after it had ended`);
      ended.add(id);
      if (event === 'abandoned' && !wasHeld) return fault('abandoned without being held');
      if (event === 'served' && wasHeld) return fault('served without being released');
      if (event === 'served' && waiting.size > 0 && !released.has(id)) return fault('overtook');
    }
  }
  return { waiting: waiting.size };
}

export type Outcome = 'answered' | 'rejected' | 'abandoned' | 'left in flight';

/** What became of a client, by what it got and by what the backend saw of it. */
export async function outcomeOf(
  { served }: FuzzedGate,
  { id, outcome, sha256 }: RawClient,
): Promise<Outcome> {
  const { end, body } = await outcome;
  const times = served.filter((other) => other === id).length;
  if (end === 200 && times === 1 && body === sha256) return 'answered';
  if (end === 503 && times === 0) return 'rejected';
  if (end === 'left' && times < 2) return times === 1 ? 'left in flight' : 'abandoned';
  throw new Error(`${id} got ${end} ${body}, the backend saw it ${times} times, body: ${sha256}`);
}
