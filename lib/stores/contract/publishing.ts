/** Tests of states. */
import assert from 'node:assert/strict';
import type { Store, StoredState } from '../store.ts';
import { appsAndValues } from './data.ts';
import { Heard, isGone, publication, versionOf, type ContractStore, type Test } from './tools.ts';

export function testPublishing(test: Test): void {
  test('is empty at first', async (stores) => {
    for (const store of stores) assert.deepEqual(await store.load(), new Map());
  });

  test('returns the states that any linked store has published, by app', async (stores) => {
    for (const [index, store] of stores.entries()) {
      const { published, current } = await store.publish(
        `app ${index}`,
        publication(`by ${index}`),
      );
      assert.equal(published, true);
      assert.equal(current?.value, `by ${index}`);
    }
    for (const store of stores) {
      const found = await store.load();
      assert.equal(found.size, stores.length);
      for (const index of stores.keys()) {
        assert.equal(found.get(`app ${index}`)?.value, `by ${index}`);
      }
    }
  });

  test('replaces only the expected version', async (stores) => {
    const [one, other] = stores as [ContractStore, ContractStore];
    const first = await versionOf(one, 'app', publication('first'));
    const second = await versionOf(other, 'app', publication('second', first));

    for (const expected of [0, first, second + 1]) {
      const { published, current } = await one.publish('app', publication('late', expected));
      assert.equal(published, false);
      assert.equal(current?.version, second);
      assert.equal(current.value, 'second');
    }
    assert.equal((await other.load()).get('app')?.value, 'second');
  });

  test('does not replace a record that does not exist', async ([store]) => {
    const refused = await store!.publish('app', publication('value', 7));
    assert.equal(refused.published, false);
    assert.equal(refused.current, undefined);
    assert.equal((await store!.load()).size, 0);
  });

  test('lets exactly one of several concurrent publications succeed', async (stores) => {
    let expected = 0;
    for (let round = 0; round < 5; round += 1) {
      const before = expected;
      const results = await Promise.all(
        stores.flatMap((store, index) =>
          ['a', 'b'].map((twin) => store.publish('app', publication(`${index}${twin}`, before))),
        ),
      );
      assert.equal(results.filter(({ published }) => published).length, 1);
      assert.equal(new Set(results.map(({ current }) => current?.value)).size, 1);
      expected = results[0]!.current!.version;
    }
  });

  test('loses none of many concurrent changes', async (stores) => {
    const each = 10;
    const versions = await Promise.all(stores.map((store) => increment(store, each)));

    const all = versions.flat();
    assert.equal((await stores[0]!.load()).get('counter')?.value, String(all.length));
    assert.equal(all.length, stores.length * each);
    assert.equal(new Set(all).size, all.length);
    for (const own of versions) assert.deepEqual(own, own.toSorted(ascending));
  });

  test('keeps unusual and long names and values unchanged', async (stores) => {
    const [one, other] = stores as [ContractStore, ContractStore];
    const heard = await Heard.by(other);
    for (const [app, value] of appsAndValues) {
      assert.equal((await one.publish(app, publication(value))).current?.value, value);
      assert.equal((await heard.state(app)).value, value);
    }
    const found = await other.load();
    assert.deepEqual(new Set(found.keys()), new Set(appsAndValues.keys()));
    for (const [app, value] of appsAndValues) assert.equal(found.get(app)?.value, value);
  });
}

export function testExpiry(test: Test): void {
  test('removes a record after its time to live, and no other record', async (stores) => {
    const [one, other] = stores as [ContractStore, ContractStore];
    const short = await versionOf(one, 'replaced', publication('short', 0, 500));
    const long = await versionOf(other, 'replaced', publication('long', short));
    await one.publish('app', publication('short', 0, 600));
    await isGone('the app', async () => !(await other.load()).has('app'));

    for (const store of stores) {
      assert.deepEqual([...(await store.load()).keys()], ['replaced']);
    }
    assert.equal((await one.load()).get('replaced')?.version, long);
  });

  test('uses ever higher versions, even after a record has expired', async (stores) => {
    const [one, other] = stores as [ContractStore, ContractStore];
    const versions: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const first = await versionOf(one, 'app', publication('first'));
      const second = await versionOf(other, 'app', publication('second', first, 50));
      versions.push(first, second);
      await isGone('the app', async () => !(await one.load()).has('app'));
      const refused = await one.publish('app', publication('late', second));
      assert.deepEqual([refused.published, refused.current], [false, undefined]);
    }
    for (const version of versions) assert.ok(Number.isSafeInteger(version) && version > 0);
    assert.deepEqual(versions, [...new Set(versions)].toSorted(ascending));
  });
}

export function testClock(test: Test): void {
  test('has one clock, whatever the clock of each process says', async (stores) => {
    const heard = await Heard.by(stores.at(-1)!);
    let latest = 0;
    for (const [index, store] of stores.entries()) {
      const app = `app ${index}`;
      const { current } = await store.publish(app, publication('value'));
      const { at } = current!;
      const told = await heard.state(app);
      assert.equal(told.at, at);
      assert.ok(told.now >= at);
      assert.ok(at >= latest);
      // The clock of the store never goes back, whichever process reads it.
      latest = current!.now;
      for (const reader of stores) {
        const read = (await reader.load()).get(app) as StoredState;
        assert.equal(read.at, at);
        assert.ok(read.now >= latest, `${read.now} was read after ${latest}`);
        latest = read.now;
      }
    }
  });
}

/** Reads a number, publishes it plus one, and tries again if another writer was faster. */
async function increment(store: Store, times: number): Promise<number[]> {
  const versions: number[] = [];
  let current = (await store.load()).get('counter');
  while (versions.length < times) {
    const next = publication(String(Number(current?.value ?? 0) + 1), current?.version);
    const result = await store.publish('counter', next);
    ({ current } = result);
    if (result.published) versions.push(current!.version);
  }
  return versions;
}

function ascending(a: number, b: number): number {
  return a - b;
}
