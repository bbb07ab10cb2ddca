/**
 * `clients.mjs url number` opens connections, and sends one request on each when it gets a message. Sends
 * the time before the first request, and then the number of responses with status 200.
 */
import { once } from 'node:events';
import net from 'node:net';

const [, , url, number] = process.argv;
const { hostname, port } = new URL(url);
/** More at once could fill the queue of connections that the kernel keeps for a server. */
const BATCH = 200;

async function open() {
  const socket = net.connect({ host: hostname, port });
  await once(socket, 'connect');
  return socket;
}

const sockets = [];
while (sockets.length < Number(number)) {
  const size = Math.min(BATCH, Number(number) - sockets.length);
  sockets.push(...(await Promise.all(Array.from({ length: size }, open))));
}

async function status(socket) {
  const [data] = await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => [''])]);
  return /^HTTP\/1\.1 (\d+)/.exec(String(data))?.[1];
}

process.send('open');
await once(process, 'message');
const statuses = sockets.map((socket) => status(socket.on('error', () => undefined)));
const start = Number(process.hrtime.bigint()) / 1e6;
for (const socket of sockets) socket.write('GET / HTTP/1.1\r\nHost: bench\r\n\r\n');
process.send({ start });
const ok = (await Promise.all(statuses)).filter((each) => each === '200').length;
process.send({ ok }, () => process.exit());
