/** Tests of subscriptions. */
import assert from 'node:assert/strict';
import { Heard, publication, versionOf, type ContractStore, type Test } from './tools.ts';

export function testListening(test: Test): void {
  test('notifies all listeners of each publication, including its own', async (stores) => {
    const all = await Promise.all(stores.map((store) => Heard.by(store)));
    for (const [index, store] of stores.entries()) {
      const { current } = await store.publish(`app ${index}`, publication(`by ${index}`));
      for (const heard of all) {
        const { version, value } = await heard.state(`app ${index}`);
        assert.deepEqual({ version, value }, { version: current!.version, value: `by ${index}` });
      }
    }
  });

  test('notifies no listener of a rejected publication', async (stores) => {
    const [one, other] = stores as [ContractStore, ContractStore];
    const heard = await Heard.by(other);
    const first = await versionOf(one, 'app', publication('first'));
    await one.publish('app', publication('refused'));
    await one.publish('app', publication('last', first));
    await heard.state('app', ({ value }) => value === 'last');
    assert.ok(heard.states.every(([, { value }]) => value !== 'refused'));
  });

  test('no longer notifies a listener that unsubscribed, and still notifies the others', async (stores) => {
    const [one, other] = stores as [ContractStore, ContractStore];
    const [gone, twin, left] = await Promise.all([one, one, other].map((store) => Heard.by(store)));
    await other.publish('before', publication('value'));
    await Promise.all([gone, twin, left].map((heard) => heard!.state('before')));
    await gone!.off();
    await gone!.off();

    for (const [index, store] of stores.entries()) {
      await store.publish(`${index}`, publication('v'));
    }
    await Promise.all([twin, left].map((heard) => heard!.state(`${stores.length - 1}`)));
    assert.deepEqual(new Set(gone!.states.map(([app]) => app)), new Set(['before']));
  });
}

export function testClosing(test: Test, isAlone: boolean): void {
  if (isAlone) {
    test('can be closed twice', async ([store]) => {
      const heard = await Heard.by(store!);
      await store!.publish('app', publication('value'));
      await Promise.all([store!.close(), store!.close()]);
      await store!.close();
      // Unsubscribing after close() is allowed.
      await heard.off();
    });
    return;
  }
  test('can be closed twice, notifies no listener then, and leaves its data to other stores', async (stores) => {
    const [gone, left] = stores as [ContractStore, ContractStore];
    const [closed, open] = await Promise.all([gone, left].map((store) => Heard.by(store)));
    await gone.publish('before', publication('value'));
    await Promise.all([closed, open].map((heard) => heard!.state('before')));
    await Promise.all([gone.close(), gone.close()]);
    await gone.close();

    await left.publish('after', publication('value'));
    await open!.state('after');
    assert.deepEqual(new Set((await left.load()).keys()), new Set(['before', 'after']));
    assert.deepEqual(new Set(closed!.states.map(([app]) => app)), new Set(['before']));
    // Unsubscribing after close() is allowed.
    await closed!.off();
  });
}
