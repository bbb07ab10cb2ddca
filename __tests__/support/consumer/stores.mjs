// The stores as they come, where neither `redis` nor a test runner is installed.
import { MemoryStore } from 'antract';
import { RedisStore } from 'antract/redis';
import { storeContract } from 'antract/store-contract';

let missing;
try {
  new RedisStore({ url: 'redis://127.0.0.1' });
} catch ({ code, status, message }) {
  missing = { code, status, message };
}

const bodies = [];
storeContract(
  'MemoryStore',
  async (count) => {
    const first = new MemoryStore();
    const stores = [first, ...Array.from({ length: count - 1 }, () => new MemoryStore(first))];
    return { stores, close: async () => {} };
  },
  { describe: (_name, body) => body(), it: (_name, body) => bodies.push(body) },
);
await Promise.all(bodies.map((body) => body()));
console.log(JSON.stringify({ missing, tests: bodies.length > 30 }));
