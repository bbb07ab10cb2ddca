/**
 * What 10,000 held requests cost beside as many that pass, over real connections; tells the figures.
 *
 * Processor time rather than time on the clock: other programs take less of a share in it. That of
 * the client, which is in this process, is in both.
 */
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { createAntract } from 'antract';

const REQUESTS = 10_000;
const CONNECTIONS = 100;
const ROUNDS = 9;

const antract = createAntract({ maxQueue: REQUESTS });
const pause = antract.pause();
let answered = 0;
let allAnswered;
const server = http.createServer((req, res) =>
  pause(req, res, () => {
    res.end();
    if (++answered === REQUESTS) allAnswered();
  }),
);
server.listen(0, '127.0.0.1');
await once(server, 'listening');

async function connect() {
  const socket = net.connect(server.address().port, '127.0.0.1').resume();
  await once(socket, 'connect');
  return socket;
}

/** Microseconds of processor time for each request, from its sending to its answer. */
async function exchange(meanwhile) {
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, connect));
  const done = new Promise((resolve) => (allAnswered = resolve));
  answered = 0;
  globalThis.gc();
  const start = process.cpuUsage();
  const pipelined = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(REQUESTS / CONNECTIONS);
  for (const socket of sockets) socket.write(pipelined);
  await meanwhile();
  await done;
  const { user, system } = process.cpuUsage(start);
  for (const socket of sockets) socket.destroy();
  return (user + system) / REQUESTS;
}

const pass = () => exchange(() => undefined);

async function hold(onceHeld = () => undefined) {
  await antract.enable();
  return exchange(async () => {
    while (antract.status().held < REQUESTS)
      await new Promise((resolve) => antract.once('held', resolve));
    onceHeld();
    await antract.disable();
  });
}

async function heapOfEach() {
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  let bytes = 0;
  await hold(() => {
    globalThis.gc();
    bytes = process.memoryUsage().heapUsed - before;
  });
  return bytes / REQUESTS;
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

// First, as what earlier ones leave behind would be counted against it.
const bytes = await heapOfEach();
await pass();
const rounds = [];
for (let round = 0; round < ROUNDS; round++) {
  // They take turns in going first, too.
  const first = round % 2 ? await hold() : await pass();
  const second = round % 2 ? await pass() : await hold();
  rounds.push(round % 2 ? { passed: second, held: first } : { passed: first, held: second });
}
server.close();

const us = (number) => `${number.toFixed(1).padStart(8)} µs`;
process.send({
  'one that passes, processor time': us(median(rounds.map(({ passed }) => passed))),
  'one that is held and released': `${us(median(rounds.map(({ held }) => held)))}   x ${median(rounds.map(({ passed, held }) => held / passed)).toFixed(3)}`,
  'heap for each held, with request and response': `${(bytes / 1024).toFixed(1).padStart(8)} KiB`,
});
process.disconnect();
