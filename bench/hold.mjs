/** What 10,000 held requests cost, over real connections; tells the figures. */
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { createAntract } from 'antract';

const HELD = 10_000;
const CONNECTIONS = 100;

const antract = createAntract({ maxHeld: HELD });
const pause = antract.pause();
let answered = 0;
let allAnswered;
const done = new Promise((resolve) => (allAnswered = resolve));
const server = http.createServer((req, res) =>
  pause(req, res, () => {
    res.end();
    if (++answered === HELD) allAnswered();
  }),
);
server.listen(0, '127.0.0.1');
await once(server, 'listening');

async function sendAll() {
  const before = process.memoryUsage().heapUsed;
  const start = performance.now();
  const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(HELD / CONNECTIONS);
  const sockets = Array.from({ length: CONNECTIONS }, () =>
    net.connect(server.address().port, '127.0.0.1'),
  );
  for (const socket of sockets) socket.resume().write(request);
  return { sockets, before, start };
}

await antract.enable();
globalThis.gc();
const { sockets, before, start } = await sendAll();
while (antract.status().held < HELD) await once(antract.registry, 'held');
const holdMs = performance.now() - start;
globalThis.gc();
const bytes = (process.memoryUsage().heapUsed - before) / HELD;

const released = performance.now();
await antract.disable();
await done;
const releaseMs = performance.now() - released;
for (const socket of sockets) socket.destroy();
server.close();

process.send({
  'to take in 10,000 requests and hold them': `${holdMs.toFixed(0)} ms`,
  'heap for each, with its request and response': `${(bytes / 1024).toFixed(1)} KiB`,
  'to release all of them': `${releaseMs.toFixed(0)} ms`,
});
process.disconnect();
