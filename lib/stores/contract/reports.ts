/** Tests of the reports of processes. */
import assert from 'node:assert/strict';
import { Heard, isGone, publication, WITHIN_MS, type ContractStore, type Test } from './tools.ts';

export function testReports(test: Test): void {
  const byId = async (store: ContractStore) =>
    new Map((await store.reports()).map(({ id, value }) => [id, value]));

  test('returns the last report of each process', async (stores) => {
    for (const round of [1, 2]) {
      for (const [index, store] of stores.entries()) {
        await store.report({ id: `process ${index}`, value: `${round} ☃ {*}` }, 60_000, WITHIN_MS);
      }
    }
    const expected = stores.map((_, index) => [`process ${index}`, '2 ☃ {*}'] as const);
    for (const store of stores) assert.deepEqual(await byId(store), new Map(expected));
  });

  test('notifies all listeners of each report and of each removal', async (stores) => {
    const all = await Promise.all(stores.map((store) => Heard.by(store)));
    for (const [index, store] of stores.entries()) {
      const id = `process ${index}`;
      for (const value of ['here', null]) {
        await store.report({ id, value }, 60_000, WITHIN_MS);
        for (const heard of all) await heard.report(id, value);
      }
      assert.deepEqual(await byId(stores[0]!), new Map());
    }
  });

  test('removes a report after its time to live', async (stores) => {
    const [one, other] = stores as [ContractStore, ContractStore];
    await one.report({ id: 'renewed', value: 'first' }, 150, WITHIN_MS);
    await other.report({ id: 'renewed', value: 'second' }, 60_000, WITHIN_MS);
    await one.report({ id: 'dead', value: 'last words' }, 300, WITHIN_MS);
    await isGone('the report', async () => !(await byId(other)).has('dead'));
    for (const store of stores) {
      assert.deepEqual(await byId(store), new Map([['renewed', 'second']]));
    }
  });

  test('keeps reports and states apart', async (stores) => {
    const [one, other] = stores as [ContractStore, ContractStore];
    const heard = await Heard.by(other);
    await one.publish('same', publication('state'));
    await one.report({ id: 'same', value: 'report' }, 60_000, WITHIN_MS);
    await heard.report('same', 'report');
    await one.report({ id: 'same', value: null }, 60_000, WITHIN_MS);
    assert.equal((await other.load()).get('same')?.value, 'state');
  });
}
