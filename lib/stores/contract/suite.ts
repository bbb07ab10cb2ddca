/**
 * The contract of a store, as tests for any runner with `describe` and `it`: node:test, Jest, Vitest, Mocha.
 */
import assert from 'node:assert/strict';
import { testDeadlines } from './deadlines.ts';
import { testClosing, testListening } from './listening.ts';
import { testClock, testExpiry, testPublishing } from './publishing.ts';
import { testReports } from './reports.ts';
import type { ContractStore, LinkedStores, Test } from './tools.ts';

export type { LinkedStores } from './tools.ts';

/** Options of `storeContract()`. */
export interface StoreContractOptions {
  /**
   * `describe` and `it` of the test runner.
   *
   * @default the global functions
   */
  describe?: (name: string, body: () => void) => unknown;
  /**
   * `it` of the test runner.
   *
   * @default the global one
   */
  it?: (name: string, body: () => Promise<void>) => unknown;
  /**
   * What the store does not have:
   *
   * - `reports`, `close`: the optional methods. One test then checks that they are missing.
   * - `links`: stores that share their data. The tests then use one store, as one process does. Tests of
   *   what remains when one of several stores closes are omitted.
   */
  lacks?: readonly ('reports' | 'close' | 'links')[];
}

declare const describe: StoreContractOptions['describe'];
declare const it: StoreContractOptions['it'];

/**
 * Registers the tests, for two and for three linked stores, or for a store that can't be linked.
 *
 * @param createLinkedStores makes `count` stores that share their data, and share nothing with earlier
 * ones. If several processes will use your store, run each store in its own process, one of them with a
 * wrong clock.
 */
export function storeContract(
  name: string,
  createLinkedStores: (count: number) => Promise<LinkedStores>,
  options: StoreContractOptions = {},
): void {
  const runner = {
    describe: options.describe ?? describe,
    it: options.it ?? it,
  } as Required<Pick<StoreContractOptions, 'describe' | 'it'>>;
  const lacks = new Set(options.lacks);

  const isAlone = lacks.has('links');
  for (const count of isAlone ? [1] : [2, 3]) {
    const test: Test = (behaviour, body) =>
      void runner.it(behaviour, async () => {
        const linked = await createLinkedStores(count);
        const { stores } = linked;
        try {
          assert.equal(
            stores.length,
            count,
            'createLinkedStores(count) makes as many as asked for',
          );
          const all = isAlone ? [stores[0], stores[0]] : stores;
          await body(all as ContractStore[], linked);
        } finally {
          await linked.close();
        }
      });

    runner.describe(isAlone ? `${name}, alone` : `${name}, ${count} linked`, () => {
      testPublishing(test);
      testExpiry(test);
      testClock(test);
      testListening(test);
      testDeadlines(test, !lacks.has('reports'));
      if (lacks.has('reports')) testLack(test, 'reports', ['report', 'reports']);
      else testReports(test);
      if (lacks.has('close')) testLack(test, 'close', ['close']);
      else testClosing(test, isAlone);
    });
  }
}

function testLack(test: Test, what: string, methods: readonly (keyof ContractStore)[]): void {
  test(`does not have ${what}, as its \`lacks\` option says`, async ([store]) => {
    for (const method of methods) assert.equal(store![method], undefined);
  });
}
