/** One server of a comparison, in a process of its own. Sends its port when it listens. */
import { once } from 'node:events';
import http from 'node:http';
import { HANDLERS } from '../support/handlers.mjs';

const handler = HANDLERS[process.argv[2]]();
const server = http.createServer(handler);
server.listen({ port: 0, host: '127.0.0.1', backlog: 8192 });
await once(server, 'listening');

/** `heapUsed` in bytes. With `--expose-gc`, `collect` leaves out the garbage. */
process.on('message', ({ collect }) => {
  if (collect) globalThis.gc();
  process.send({ heapUsed: process.memoryUsage().heapUsed });
});
process.send({ port: server.address().port });
