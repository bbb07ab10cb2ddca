/** `connections.mjs <port> <count>`: opens connections with one GET each, and counts the responses. */
import { once } from 'node:events';
import net from 'node:net';

const [, , port, count] = process.argv.map(Number);
const AT_ONCE = 100;
const REQUEST = 'GET / HTTP/1.1\r\nHost: backend\r\n\r\n';
const sockets = [];
let answered = 0;

async function open() {
  const socket = net.connect(port, '127.0.0.1');
  sockets.push(socket);
  await once(socket, 'connect');
  socket.once('data', () => ++answered === count && process.send({ answered }));
  socket.write(REQUEST);
}

for (let opened = 0; opened < count; opened += AT_ONCE) {
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - opened) }, open));
}
process.send({ opened: count });
