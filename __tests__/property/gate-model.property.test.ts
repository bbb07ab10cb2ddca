/**
 * Random interleavings of everything that can happen to a gate, on a real server with raw sockets:
 * one step at a time against a model, and many at once against the record of what was told.
 * fast-check prints the seed and the shortest sequence of steps that fails.
 */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FuzzedGate, NOTHING } from '../support/fuzzed-gate.ts';
import { GateModel, type ModelSettings } from '../support/gate-model.ts';
import { aStep, outcomeOf, replay, someSettings, type Step } from '../support/gate-steps.ts';
import { RawClient } from '../support/raw-client.ts';

/**
 * Bounded in number and in time: a slow machine does fewer runs and not longer ones. What comes too
 * late passes, so that looking for a shorter sequence that fails comes to an end as well.
 */
async function check<T extends [unknown, ...unknown[]]>(
  arbitraries: { [K in keyof T]: fc.Arbitrary<T[K]> },
  run: (...drawn: T) => Promise<void>,
): Promise<void> {
  const end = performance.now() + 4000;
  const bounded = async (drawn: T): Promise<void> => {
    if (performance.now() < end) await run(...drawn);
  };
  const property = fc.asyncProperty(fc.tuple(...arbitraries) as fc.Arbitrary<T>, bounded);
  await fc.assert(property, { numRuns: 50 });
}

const start = ({ concurrency, ...options }: ModelSettings): Promise<FuzzedGate> =>
  FuzzedGate.start({ ...options, release: { concurrency } });

const pick = <T>(clients: T[], who: number): T | undefined => clients[who % clients.length];

/** A gate and its model, to which the same happens. */
class Twins {
  readonly gate: FuzzedGate;
  readonly clients: RawClient[] = [];
  readonly #model: GateModel;
  readonly #left = new Set<number>();
  readonly #toAnswer = new Set<number>();

  constructor(gate: FuzzedGate, settings: ModelSettings) {
    this.gate = gate;
    this.#model = new GateModel(settings);
  }

  /** One step; then the real gate comes to rest, which is where its model is at once. */
  async take(step: Step): Promise<void> {
    await this.#happen(step);
    for (const id of this.#model.inFlight) {
      if (this.#toAnswer.has(id) && this.clients[id]?.isSent) this.#model.end(id);
    }
    const isSo = () => JSON.stringify(this.#real()) === JSON.stringify(this.#meant());
    if (!(await this.gate.until(isSo))) expect(this.#real()).toEqual(this.#meant());
  }

  /** Those who have neither an answer nor left. */
  get present(): RawClient[] {
    return this.clients.filter(({ id }) => {
      const { passed, inFlight, rejected } = this.#model;
      const isOver = (passed.includes(id) && !inFlight.has(id)) || rejected.includes(id);
      return !isOver && !this.#left.has(id);
    });
  }

  meantFor(id: number): string {
    if (this.#model.rejected.includes(id)) return 'rejected';
    if (this.#model.abandoned.includes(id)) return 'abandoned';
    return this.#left.has(id) ? 'left in flight' : 'answered';
  }

  #real() {
    const { phase, held, inFlight } = this.gate.registry.status();
    const told = (event: string) =>
      this.gate.told.filter((other) => other.event === event).map(({ id }) => id);
    const { served, open } = this.gate;
    const [rejected, abandoned] = [told('rejected'), told('abandoned')];
    return { phase, held, inFlight, open: open.size, served, rejected, abandoned };
  }

  #meant() {
    const { counts, inFlight, passed, rejected, abandoned } = this.#model;
    return { ...counts, open: inFlight.size, served: passed, rejected, abandoned };
  }

  async #happen(step: Step): Promise<void> {
    const client = 'who' in step ? pick(this.present, step.who) : undefined;
    const { registry, clock, port } = this.gate;
    switch (step.do) {
      case 'disable':
        expect(await registry.disable()).toMatchObject({ held: this.#model.counts.held });
        return this.#model.disable();
      case 'enable':
      case 'stop':
        await registry[step.do]();
        return this.#model[step.do]();
      case 'arrive': {
        const newRequest = await RawClient.connect(this.clients.length, step.body, port);
        this.clients.push(newRequest);
        this.#model.arrive(newRequest.id);
        return newRequest.begin();
      }
      case 'send':
        return client?.sendPart();
      case 'answer':
        if (!client || !this.#model.inFlight.has(client.id)) return undefined;
        this.#toAnswer.add(client.id);
        return this.gate.answer(client.id);
      case 'leave':
        if (!client) return undefined;
        this.#left.add(client.id);
        this.#model.end(client.id);
        return client.leave(step.abruptly);
      case 'pass time':
        this.#model.advance(step.ms);
        return clock.advance(step.ms);
      default:
        return step satisfies never;
    }
  }
}

/** A gate and its clients, to which things happen without waiting for what comes of them. */
class Crowd {
  readonly gate: FuzzedGate;
  readonly clients: RawClient[] = [];
  readonly present = new Set<RawClient>();
  #arrived = 0;

  constructor(gate: FuzzedGate) {
    this.gate = gate;
  }

  /** Connected ahead, so that an arrival is a step that takes no time. */
  async connect(plan: readonly Step[]): Promise<void> {
    for (const step of plan) {
      if (step.do !== 'arrive') continue;
      this.clients.push(await RawClient.connect(this.clients.length, step.body, this.gate.port));
    }
  }

  happen(step: Step): void {
    const client = 'who' in step ? pick([...this.present], step.who) : undefined;
    if (step.do === 'pass time') this.gate.clock.advance(step.ms);
    else if (step.do === 'arrive') this.#arrive(this.clients[this.#arrived++]);
    else if (step.do === 'send') client?.sendPart();
    else if (step.do === 'answer') this.gate.answer(client?.id);
    else if (step.do === 'leave') this.#leave(client, step.abruptly);
    else void this.gate.registry[step.do]();
  }

  /** Each turn of the event loop ends with counts that are those of what was told. */
  checkCounts(): void {
    const { registry, told, open } = this.gate;
    const { held, inFlight } = registry.status();
    const { waiting, ...fault } = replay(told);
    expect({ ...fault, held, inFlight }).toEqual({ held: waiting, inFlight: open.size });
  }

  async finish(): Promise<void> {
    await this.gate.registry.disable();
    for (const { id } of this.clients) this.gate.answer(id);
    for (const client of this.present) client.sendRest();
    for (const client of this.clients) {
      const outcome = await outcomeOf(this.gate, client);
      // A client that disconnected may have been noticed or not, and may have had an answer before.
      if (!this.present.has(client)) continue;
      const last = this.gate.told.findLast(({ id }) => id === client.id)?.event;
      expect([client.id, outcome]).toEqual([client.id, last === 'served' ? 'answered' : last]);
    }
  }

  #arrive(client: RawClient | undefined): void {
    if (!client) return;
    this.present.add(client);
    client.begin();
  }

  #leave(client: RawClient | undefined, abruptly: boolean): void {
    if (!client) return;
    this.present.delete(client);
    client.leave(abruptly);
  }
}

describe('each request in a model-based run', () => {
  it('behaves like its model at each step', async () => {
    const plans = fc.array(aStep, { minLength: 10, maxLength: 40, size: 'max' });
    await check([someSettings, plans], async (settings, plan) => {
      const twins = new Twins(await start(settings), settings);
      try {
        for (const step of plan) await twins.take(step);
        while (twins.present.length > 0) await twins.take({ do: 'leave', who: 0, abruptly: true });
        for (const client of twins.clients) {
          const outcome = await outcomeOf(twins.gate, client);
          expect([client.id, outcome]).toEqual([client.id, twins.meantFor(client.id)]);
        }
        expect(await twins.gate.close()).toEqual(NOTHING);
      } finally {
        await twins.gate.close();
      }
    });
  });

  it('ends in exactly one way, in order and counted once, when many things happen at once', async () => {
    const turns = fc.constantFrom(0, 0, 1, 3);
    const plans = fc.array(fc.tuple(aStep, turns), { minLength: 20, maxLength: 80, size: 'max' });
    await check([someSettings, plans], async (settings, plan) => {
      const crowd = new Crowd(await start(settings));
      try {
        await crowd.connect(plan.map(([step]) => step));
        for (const [step, turnsAfter] of plan) {
          crowd.happen(step);
          for (let turn = 0; turn < turnsAfter; turn++) {
            await new Promise(setImmediate);
            crowd.checkCounts();
          }
        }
        await crowd.finish();
        expect(await crowd.gate.close()).toEqual(NOTHING);
        crowd.checkCounts();
      } finally {
        await crowd.gate.close();
      }
    });
  });
});
