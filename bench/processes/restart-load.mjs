/** `restart-load.mjs <url> <ms>`: 50 clients that send one request after another. Sends what each one got. */
import http from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';

const [, , url, ms] = process.argv;
const CLIENTS = 50;
const upload = Buffer.alloc(100_000, 'x');
const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS });
const sent = [];
let count = 0;

function sendOne() {
  const id = count++;
  const method = id % 2 ? 'POST' : 'GET';
  const body = method === 'POST' ? upload : undefined;
  const start = performance.now();
  return new Promise((resolve) => {
    const done = (status) => {
      sent.push({ id, method, status, ms: performance.now() - start });
      resolve();
    };
    const headers = body ? { 'Content-Length': body.length } : {};
    const req = http.request(`${url}load?ms=30&id=${id}`, { method, headers, agent }, (res) => {
      res.resume().on('end', () => done(res.statusCode));
      res.on('error', () => done(0));
    });
    req.on('error', () => done(0)).end(body);
  });
}

const end = performance.now() + Number(ms);
process.send({ ready: true });
await Promise.all(
  Array.from({ length: CLIENTS }, async () => {
    while (performance.now() < end) {
      await sendOne();
      // A client that is refused at once must not send more requests than one that is answered.
      await wait(50);
    }
  }),
);
agent.destroy();
process.send({ sent }, () => process.disconnect());
