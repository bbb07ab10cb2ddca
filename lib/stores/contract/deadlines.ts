/** Tests of writes that a store executes after the caller has given up. */
import assert from 'node:assert/strict';
import { systemClock } from '../../common/clock.ts';
import {
  Heard,
  publication,
  versionOf,
  WITHIN_MS,
  type ContractStore,
  type LinkedStores,
  type Test,
} from './tools.ts';

const SHORT_MS = 100;

export function testDeadlines(test: Test, hasReports: boolean): void {
  test('rejects a write after its deadline, changes nothing and notifies no listener', async (stores) => {
    const [one, other] = stores as [ContractStore, ContractStore];
    const heard = await Heard.by(other);
    const before = await versionOf(one, 'app', publication('before'));
    await assert.rejects(one.publish('app', { ...publication('late', before), withinMs: 0 }));
    await assert.rejects(one.publish('new', { ...publication('late'), withinMs: 0 }));
    if (hasReports) await assert.rejects(one.report({ id: 'late', value: 'late' }, 60_000, 0));

    const found = await other.load();
    assert.deepEqual([...found.keys()], ['app']);
    assert.equal(found.get('app')?.value, 'before');
    if (hasReports) assert.equal((await other.reports()).length, 0);
    await one.publish('app', publication('after', before));
    await heard.state('app', ({ value }) => value === 'after');
    assert.ok(heard.states.every(([, { value }]) => value !== 'late'));
    assert.deepEqual(heard.reports, []);
  });

  test('does not execute a write whose deadline passed while the store was frozen', async (stores, linked) => {
    if (!canFreeze(linked)) return;
    const [one, other] = stores as [ContractStore, ContractStore];
    const heard = await Heard.by(other);
    linked.freeze();
    try {
      // The call may resolve, reject or stay pending. Its write must not take effect later.
      const late = one.publish('app', { ...publication('late'), withinMs: SHORT_MS });
      late.catch(() => undefined);
      await new Promise<void>((resolve) => systemClock.after(2 * SHORT_MS, resolve, { ref: true }));
    } finally {
      linked.thaw();
    }
    await versionOf(other, 'app', { ...publication('next'), withinMs: WITHIN_MS });
    await versionOf(one, 'last', publication('last'));
    await heard.state('last');
    assert.equal((await one.load()).get('app')?.value, 'next');
    assert.ok(heard.states.every(([, { value }]) => value !== 'late'));
  });
}

function canFreeze(linked: LinkedStores): linked is Required<LinkedStores> {
  return linked.freeze !== undefined && linked.thaw !== undefined;
}
