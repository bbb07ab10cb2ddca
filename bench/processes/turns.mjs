/**
 * Several handlers in one process: 200 requests go to one of them, the next 200 to another one, by chance. Any
 * message asks for the number of requests of each handler since the last one, and for their processor time.
 *
 * Two processes of the same server differ by up to a tenth, because their memory and compiled code lie in other
 * places. In one process the difference of two handlers is found within a hundredth.
 */
import { once } from 'node:events';
import http from 'node:http';
import { HANDLERS } from '../support/handlers.mjs';

const BLOCK = 200;

const handlers = process.argv.slice(2).map((name) => HANDLERS[name]());
let counts = handlers.map(() => ({ requests: 0, cpuMs: 0 }));
let present = 0;
let left = BLOCK;
let before = process.cpuUsage();

function endBlock() {
  const { user, system } = process.cpuUsage();
  counts[present].requests += BLOCK;
  counts[present].cpuMs += (user - before.user + system - before.system) / 1000;
  before = { user, system };
  present = Math.floor(Math.random() * handlers.length);
  left = BLOCK;
}

const server = http.createServer((req, res) => {
  handlers[present](req, res);
  if (--left === 0) endBlock();
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 8192 });
await once(server, 'listening');

process.on('message', () => {
  process.send(counts);
  counts = handlers.map(() => ({ requests: 0, cpuMs: 0 }));
});
process.send({ port: server.address().port });
