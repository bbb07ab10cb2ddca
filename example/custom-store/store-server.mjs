/** Keeps the state that the processes share, in its memory, and tells them about changes. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { MemoryStore } from 'antract';

export async function startStoreServer(port = 0) {
  const store = new MemoryStore();

  // Each call checks its deadline and writes in one step, because it awaits nothing in between.
  const calls = {
    now: async () => Date.now(),
    load: async () => [...(await store.load())],
    reports: () => store.reports(),
    publish: ({ app, publication, until }) =>
      store.publish(app, { ...publication, withinMs: until - Date.now() }),
    report: async ({ report, ttlMs, until }) => {
      await store.report(report, ttlMs, until - Date.now());
      return null;
    },
  };

  async function streamChanges(res) {
    const send = (change) => void res.write(`${JSON.stringify(change)}\n`);
    const unsubscribe = await store.subscribe({
      state: (app, state) => send({ app, state }),
      report: (report) => send({ report }),
    });
    res.once('close', () => void unsubscribe());
    res.flushHeaders();
  }

  async function answer(req, res) {
    try {
      const name = req.url.slice(1);
      if (name === 'changes') await streamChanges(res);
      else if (Object.hasOwn(calls, name))
        res.end(JSON.stringify(await calls[name](await json(req))));
      else res.writeHead(404).end();
    } catch (error) {
      res.writeHead(503).end(error.message);
    }
  }

  const server = createServer((req, res) => void answer(req, res));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { server, url: `http://127.0.0.1:${server.address().port}` };
}
