// Stores of a process of their own, used from another over IPC: see remote-store.ts. Runs what was
// built. With CLOCK_OFFSET its clock is wrong.
import { writeFileSync } from 'node:fs';
import process from 'node:process';

const offset = Number(process.env.CLOCK_OFFSET ?? 0);
const rightTime = Date.now;
Date.now = () => rightTime() + offset;

const stores = new Map();
const subscriptions = new Map();
const tell = (message) => process.send({ remote: message });

/** By kind, what makes a store and what has to be ended after it. */
const kinds = {
  async cluster(options) {
    const { ClusterStore } = await import('../../dist/index.js');
    return { store: new ClusterStore(options), end: async () => undefined };
  },
  async redis({ client: library, url, ...options }) {
    const { RedisStore } = await import('../../dist/redis.js');
    if (library === 'url')
      return { store: new RedisStore({ url, ...options }), end: async () => {} };
    const { createRedisClient } = await import('./redis-clients.mjs');
    const { client, end } = await createRedisClient(library, url);
    return { store: new RedisStore({ client, ...options }), end };
  },
};

const commands = {
  async open({ store, kind, options }) {
    stores.set(store, await kinds[kind](options));
  },
  async load({ store }) {
    return [...(await stores.get(store).store.load())];
  },
  async subscribe({ store, subscription }) {
    const unsubscribe = await stores.get(store).store.subscribe({
      state: (app, state) => tell({ subscription, state: [app, state] }),
      report: (report) => tell({ subscription, report }),
    });
    subscriptions.set(subscription, unsubscribe);
  },
  async unsubscribe({ subscription }) {
    await subscriptions.get(subscription)();
  },
  async end({ store }) {
    const { store: own, end } = stores.get(store);
    stores.delete(store);
    await own.close();
    await end();
  },
  /** For tests of messages that no store would send. */
  async send({ message }) {
    process.send(message);
  },
  async sendAndWait({ message }) {
    const answer = new Promise((resolve) => {
      process.on('message', function take(reply) {
        if (reply?.to !== message.from) return;
        process.off('message', take);
        resolve(reply);
      });
    });
    process.send(message);
    return answer;
  },
  /** What becomes of a call when the channel is closed before its answer. */
  async loadThenLeave({ store, file }) {
    const { default: cluster } = await import('node:cluster');
    const load = stores.get(store).store.load();
    load.catch(({ code, message }) => writeFileSync(file, `${code}: ${message}`));
    cluster.worker.disconnect();
  },
};

process.on('message', async (message) => {
  const remote = message?.remote;
  if (!remote) return;
  const { id, command, store, args = [] } = remote;
  try {
    const perform = commands[command] ?? (() => stores.get(store).store[command](...args));
    tell({ id, value: await perform(remote) });
  } catch (error) {
    tell({ id, error: { message: error.message, code: error.code } });
  }
});
// The test process has ended; what this does to the stores comes first.
process.on('disconnect', () => setImmediate(() => process.exit()));
tell({ ready: true });
