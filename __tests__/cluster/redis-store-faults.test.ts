/** What a RedisStore does where its Redis is away, does not answer, or holds something odd. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { RedisStore } from '../../lib/redis.ts';
import { Heard, isGone, publication } from '../../lib/stores/contract/tools.ts';
import { LossyRedis } from '../support/lossy-redis.ts';
import { RedisLink } from '../support/redis-link.ts';
import { describeWithRedis, startRedis, stopRedis, type RedisServer } from '../support/redis.ts';
import { forkProcess, type StoreProcess } from '../support/remote-store.ts';

const AWAY = { code: 'ERR_ANTRACT_STORE' };
const LIBRARIES = ['node-redis', 'ioredis', 'url', 'node-redis cluster', 'ioredis cluster'];

let server: RedisServer;

/** In this process, as a user opens it. */
async function openStore(library: string, url: string) {
  if (library === 'url') {
    const store = new RedisStore({ url });
    return { store, client: undefined, end: () => store.close() };
  }
  const client = library === 'ioredis' ? new Redis(url) : await createClient({ url }).connect();
  client.on('error', () => undefined);
  const store = new RedisStore({ client });
  return {
    store,
    client,
    async end() {
      await store.close();
      if (client instanceof Redis) client.disconnect();
      else client.destroy();
    },
  };
}

async function untilItWorks<T>(ask: () => Promise<T>): Promise<T> {
  let result: { value: T } | undefined;
  await isGone('what is in the way', async () => {
    result = await ask().then(
      (value) => ({ value }),
      () => undefined,
    );
    return result !== undefined;
  });
  return result!.value;
}

describeWithRedis('RedisStore', () => {
  afterAll(stopRedis);

  describe.each(LIBRARIES)('with %s', (client) => {
    let own: StoreProcess;
    let lastPrefix = 0;

    beforeAll(async () => {
      server = await startRedis({ cluster: client.endsWith('cluster') });
      own = forkProcess();
    });
    afterAll(async () => {
      await own.kill();
      await stopRedis();
    });
    const open = () => {
      const prefix = `test ${(lastPrefix += 1)}`;
      return own.open('redis', { client, url: server.url, prefix });
    };

    it('reconnects by itself after its Redis was killed, and receives messages again', async () => {
      const store = await open();
      const heard = await Heard.by(store);
      await store.publish('before', publication('value'));
      await heard.state('before');

      await server.kill();
      // Some libraries wait for it a while by themselves.
      const asked = store.load().catch((error: unknown) => error);
      if (['node-redis', 'url'].includes(client)) expect(await asked).toMatchObject(AWAY);
      await server.start();
      await asked;

      await untilItWorks(() => store.publish('after', publication('value')));
      await heard.state('after');
      await store.publish('later', publication('value'));
      await heard.state('later');
      expect(new Set((await store.load()).keys())).toEqual(new Set(['after', 'later']));
      await store.end();
    });

    it('waits for a frozen Redis without blocking the process', async () => {
      const store = await open();
      const heard = await Heard.by(store);
      server.freeze();
      const published = store.publish('app', publication('value'));
      // Its process goes on.
      await own.ask('send', { message: 'alive' });
      server.thaw();
      expect((await published).published).toBe(true);
      await heard.state('app');
      await store.end();
    });

    it('closes at once while its Redis is frozen, and leaves no connection', async () => {
      const store = await open();
      await store.subscribe({ state: () => undefined });
      server.freeze();
      const pending = store.load().catch(() => undefined);
      await store.end();
      server.thaw();
      await pending;
      await isGone('a connection', async () => {
        const clients = await server.cli('client', 'list', 'type', 'normal');
        const listeners = await server.cli('client', 'list', 'type', 'pubsub');
        // The one that asks is there.
        return listeners === '' && clients.split('\n').length === 1;
      });
    });
  });

  describe.each(['ioredis', 'url'])('started before its Redis, with %s', (client) => {
    it('says that Redis can not be reached, and works once it is', async () => {
      server = await startRedis();
      await server.kill();
      const own = forkProcess();
      const store = await own.open('redis', { client, url: server.url });
      await expect(store.load()).rejects.toMatchObject(AWAY);
      await expect(store.subscribe({ state: () => undefined })).rejects.toMatchObject(AWAY);
      await server.start();
      const heard = await untilItWorks(() => Heard.by(store));
      await untilItWorks(() => store.publish('app', publication('value')));
      await heard.state('app');
      await own.kill();
      await stopRedis();
    });
  });

  describe.each(['node-redis', 'ioredis', 'url'])('behind a link, with %s', (library) => {
    let link: RedisLink;
    let store: RedisStore;
    let client: { ping(): Promise<unknown> } | undefined;
    let end: () => Promise<void>;

    beforeEach(async () => {
      server = await startRedis();
      link = await new RedisLink(server.port).start();
      ({ store, client, end } = await openStore(library, link.url));
    });
    afterEach(async () => {
      await end();
      await link.close();
      await stopRedis();
    });

    it.each(['a state', 'a report'])(
      'does not apply a write of %s that Redis reads after its deadline',
      async (what) => {
        const direct = new RedisStore({ url: server.url });
        const heard = await Heard.by(direct);
        const held = link.hold(what === 'a report' ? 'ZREM' : 'HSET');
        const write =
          what === 'a report'
            ? store.report({ id: 'late', value: 'late' }, 60_000, 1500)
            : store.publish('app', { ...publication('late'), withinMs: 1500 });
        const outcome = expect(write).rejects.toMatchObject(AWAY);
        await held;
        await outcome;
        await link.release();

        const next = await direct.publish('app', publication('next'));
        await heard.state('app', ({ value }) => value === 'next');
        const reports = await direct.reports();
        await direct.close();
        expect(next.published).toBe(true);
        expect(heard.states).toHaveLength(1);
        expect([...heard.reports, ...reports]).toEqual([]);
      },
    );

    it('follows a failover to the new server, and so does its subscription', async () => {
      const replica = await startRedis();
      const heard = await Heard.by(store);
      await store.publish('before', publication('value'));
      await heard.state('before');
      await server.cli('config', 'set', 'repl-diskless-sync-delay', '0');
      await replica.cli('replicaof', '127.0.0.1', String(server.port));
      await isGone('the way to the replica', async () =>
        (await replica.cli('info', 'replication')).includes('master_link_status:up'),
      );
      await replica.cli('replicaof', 'no', 'one');
      link.target = replica.port;
      await server.cli('replicaof', '127.0.0.1', String(replica.port));

      await expect(store.publish('lost', publication('value'))).rejects.toMatchObject(AWAY);
      await untilItWorks(() => store.publish('after', publication('value')));
      await heard.state('after');
      await isGone(
        'the connection that listens to the old server',
        async () => (await server.cli('client', 'list', 'type', 'pubsub')) === '',
      );
      expect(await replica.cli('client', 'list', 'type', 'pubsub')).not.toBe('');
      // The client of the caller is left alone.
      if (client) expect(await client.ping()).toBe('PONG');
    });

    it('leaves a frozen server once another one has taken its place', async () => {
      const other = await startRedis();
      const heard = await Heard.by(store);
      await store.publish('before', publication('value'));
      await heard.state('before');
      server.freeze();
      link.target = other.port;
      const soon = { ...publication('value'), withinMs: 500 };
      await untilItWorks(() => store.publish('after', soon));
      await untilItWorks(async () =>
        expect(await other.cli('pubsub', 'numsub', '{antract}:news')).toMatch(/1$/),
      );
      await store.publish('later', publication('value'));
      await heard.state('later');
      server.thaw();
    });
  });

  describe('a Redis store in this process', () => {
    let client: ReturnType<typeof createClient>;
    const stores: RedisStore[] = [];
    const create = (options: ConstructorParameters<typeof RedisStore>[0]): RedisStore => {
      const store = new RedisStore(options);
      stores.push(store);
      return store;
    };

    beforeEach(async () => {
      server = await startRedis();
      client = createClient({ url: server.url });
      await client.connect();
    });
    afterEach(async () => {
      for (const store of stores.splice(0)) await store.close();
      client.destroy();
      await stopRedis();
    });

    it('limits the number of calls that wait for an answer', async () => {
      const store = create({ client });
      server.freeze();
      const waiting = Array.from({ length: 100 }, () => store.load());
      await expect(store.load()).rejects.toMatchObject({
        ...AWAY,
        message: 'Redis has left 100 calls unanswered; this call was not sent.',
      });
      server.thaw();
      await Promise.all(waiting);
      expect(await store.load()).toEqual(new Map());
    });

    it("leaves the caller's client unchanged", async () => {
      const before = client.listenerCount('error');
      const store = create({ client });
      await Heard.by(store);
      await store.load();
      await store.close();
      await expect(store.load()).rejects.toMatchObject({ code: 'ERR_ANTRACT_CLOSED' });
      expect(await client.ping()).toBe('PONG');
      expect(client.listenerCount('error')).toBe(before);
    });

    it('does not see another prefix, and works with a `keyPrefix` of ioredis', async () => {
      const redis = new Redis(server.url, { keyPrefix: 'own:' });
      const one = create({ client, prefix: 'one' });
      const other = create({ client, prefix: 'other' });
      const prefixed = create({ client: redis });
      const heard = await Promise.all([one, other, prefixed].map((store) => Heard.by(store)));
      await one.publish('app', publication('one'));
      await prefixed.publish('app', publication('prefixed'));
      await heard[0]!.state('app');
      await heard[2]!.state('app');
      expect(heard[1]!.states).toEqual([]);
      expect(await other.load()).toEqual(new Map());
      expect((await prefixed.load()).get('app')?.value).toBe('prefixed');
      redis.disconnect();
    });

    it('lets each key in Redis expire, the last version after all others', async () => {
      const store = create({ client });
      await store.publish('app', publication('value', 0, 60_000));
      await store.report({ id: 'process', value: 'value' }, 60_000, 2000);
      const keys = (await client.keys('*')).toSorted();
      const times = await Promise.all(keys.map((key) => client.pTTL(key)));
      expect(keys).toEqual([
        '{antract}:report:process',
        '{antract}:reports',
        '{antract}:state:app',
        '{antract}:states',
        '{antract}:version',
      ]);
      const version = times.pop();
      expect(Math.min(...times)).toBeGreaterThan(0);
      expect(version).toBeGreaterThan(Math.max(...times));
    });

    it('removes the names of expired entries while others stay', async () => {
      const store = create({ client });
      await store.publish('stays', publication('value'));
      await store.publish('goes', publication('value', 0, 50));
      await isGone('the app', async () => !(await store.load()).has('goes'));
      const names = () => client.zRange('{antract}:states', 0, -1);
      await isGone(
        'its name',
        async () => (await store.load()) && !(await names()).includes('goes'),
      );
      expect(await names()).toEqual(['stays']);
    });

    it('is empty only when an empty state may replace the last one', async () => {
      const store = create({ client });
      for (let round = 0; round < 50; round += 1) {
        await store.publish('app', publication('value', 0, 5));
        await isGone('the app', async () => !(await store.load()).has('app'));
        expect((await store.publish('app', publication('value', 0, 1))).published).toBe(true);
        await isGone('the app', async () => !(await store.load()).has('app'));
      }
    });

    it('counts versions up also after the server lost its data, and when the server is ahead', async () => {
      const store = create({ client });
      const { current: first } = await store.publish('app', publication('value'));
      await client.flushAll();
      const { current: second } = await store.publish('app', publication('value'));
      expect(second!.version).toBeGreaterThan(first!.version);
      const ahead = second!.version + 3_600_000_000;
      await client.set('{antract}:version', String(ahead));
      const { current: third } = await store.publish('app', publication('value', second!.version));
      expect(third!.version).toBe(ahead + 1);
    });

    it('ignores invalid messages', async () => {
      const heard = await Heard.by(create({ client }));
      for (const text of [
        'text',
        '{}',
        'null',
        '["other"]',
        '["state","1",2,"app","v"]',
        '["state",1,2,"app"]',
        '["report","id"]',
      ]) {
        await client.publish('{antract}:news', text);
      }
      await client.publish('{antract}:news', '["state",1,2,"app","value"]');
      await heard.state('app');
      expect(heard.states).toEqual([['app', { version: 1, at: 2, now: 2, value: 'value' }]]);
      expect(heard.reports).toEqual([]);
    });

    it.each([2, 3] as const)('does not notice that it loses messages over RESP%i', async (RESP) => {
      const lossy = await new LossyRedis(server.port).start();
      const through = createClient({ url: lossy.url, RESP });
      await through.connect();
      const store = create({ client: through });
      const heard = await Heard.by(store);
      lossy.losing = true;
      await store.publish('lost', publication('value'));
      await isGone('what is lost', async () => lossy.lost === 1);
      lossy.losing = false;
      await store.publish('heard', publication('value'));
      await heard.state('heard');
      expect(heard.states.map(([app]) => app)).toEqual(['heard']);
      expect((await store.load()).has('lost')).toBe(true);
      through.destroy();
      await lossy.close();
    });

    it('reports the current state again after its connection was lost', async () => {
      const store = create({ client });
      const heard = await Heard.by(store);
      await store.publish('app', publication('value'));
      await heard.state('app');
      heard.states.length = 0;
      await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
      expect((await heard.state('app')).value).toBe('value');
    });

    it('says what is wrong with its options, without the password', () => {
      const wrong = { code: 'ERR_ANTRACT_OPTION' };
      for (const options of [
        {},
        { client, url: server.url },
        { client: {} as never },
        { client: null as never },
        { client, prefix: '' },
        { client, prefix: 'a{b}' },
        { url: 'http://user:secret@host' },
        { url: 'user:secret@host' },
        { url: 7 as never },
      ]) {
        let thrown: Error | undefined;
        try {
          new RedisStore(options);
        } catch (error) {
          thrown = error as Error;
        }
        expect(thrown).toMatchObject(wrong);
        expect(JSON.stringify([thrown!.message, thrown!.cause ?? ''])).not.toContain('secret');
      }
    });
  });
});
