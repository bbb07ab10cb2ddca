import { describe, expect, it } from '@jest/globals';
import { MemoryStore } from '../../lib/stores/memory-store.ts';
import { storeContract } from '../../lib/stores/contract/suite.ts';
import type { Store } from '../../lib/stores/store.ts';

async function createLinkedStores(count: number) {
  const stores = [new MemoryStore()];
  while (stores.length < count) stores.push(new MemoryStore(stores[0]));
  return {
    stores,
    close: async () => {
      for (const store of stores) await store.close();
    },
  };
}

storeContract('MemoryStore', createLinkedStores, { describe, it });

/** The least that a store can be. */
storeContract(
  'a store without reports and close',
  async (count) => {
    const { stores, close } = await createLinkedStores(count);
    const least = (store: Store): Store => ({
      load: () => store.load(),
      publish: (app, publication) => store.publish(app, publication),
      subscribe: (listener) => store.subscribe(listener),
    });
    return { stores: stores.map(least), close };
  },
  { describe, it, lacks: ['reports', 'close'] },
);

describe('MemoryStore', () => {
  it('shares nothing with a MemoryStore that was not given it', async () => {
    await new MemoryStore().publish('app', {
      expected: 0,
      value: 'value',
      ttlMs: 1000,
      withinMs: 1000,
    });
    expect(await new MemoryStore().load()).toEqual(new Map());
  });

  it('numbers ever higher although its clock goes back', async () => {
    let date = 2_000_000;
    const clock = {
      now: () => 0,
      date: () => date,
      random: () => 0,
      after: () => ({ cancel() {} }),
      nextTurn: () => ({ cancel() {} }),
    };
    const store = new MemoryStore(undefined, clock);
    const publish = async (expected: number) =>
      (await store.publish('app', { expected, value: 'v', ttlMs: 1000, withinMs: 1000 })).current!
        .version;

    const first = await publish(0);
    date = 1_000_000;
    const second = await publish(first);
    expect(second).toBeGreaterThan(first);
    date = 1_002_000;
    expect(await store.load()).toEqual(new Map());
    expect(await publish(0)).toBeGreaterThan(second);
  });
});
