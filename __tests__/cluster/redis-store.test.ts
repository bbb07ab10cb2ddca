/** The contract over a real Redis, each store in a process of its own, with a library of its own. */
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { storeContract } from '../../lib/stores/contract/suite.ts';
import { describeWithRedis, startRedis, stopRedis, type RedisServer } from '../support/redis.ts';
import { CLOCK_OFFSETS, forkProcess, type StoreProcess } from '../support/remote-store.ts';

let processes: StoreProcess[];
let lastPrefix = 0;

describeWithRedis('RedisStore', () => {
  beforeAll(() => {
    processes = CLOCK_OFFSETS.map(forkProcess);
  });

  afterAll(async () => {
    await Promise.all(processes.map((one) => one.kill()));
    await stopRedis();
  });

  describe('one server', () => {
    let server: RedisServer;
    beforeAll(async () => {
      server = await startRedis();
    });
    testContract('node-redis, ioredis and a URL', ['node-redis', 'ioredis', 'url'], () => server);
  });

  describe('Redis Cluster', () => {
    let server: RedisServer;
    beforeAll(async () => {
      server = await startRedis({ cluster: true });
    });
    const libraries = ['node-redis cluster', 'ioredis cluster', 'node-redis cluster'];
    testContract('the cluster clients of node-redis and ioredis', libraries, () => server);
  });
});

function testContract(name: string, libraries: string[], server: () => RedisServer): void {
  storeContract(
    name,
    async (count) => {
      const prefix = `test ${(lastPrefix += 1)}`;
      const { url } = server();
      const stores = await Promise.all(
        libraries
          .slice(0, count)
          .map((client, index) => processes[index]!.open('redis', { client, url, prefix })),
      );
      return {
        stores,
        freeze: () => server().freeze(),
        thaw: () => server().thaw(),
        close: async () => void (await Promise.all(stores.map((store) => store.end()))),
      };
    },
    { describe, it },
  );
}
