/**
 * A backend that records when each request arrives, on the clock that all processes of a machine share. Any
 * message asks for the arrivals since the last one, in milliseconds, and for the number of connections, and closes the idle connections, as a
 * restart of the backend would.
 */
import { once } from 'node:events';
import http from 'node:http';

let arrivals = [];
let connections = 0;
const server = http.createServer((req, res) => {
  if (req.url === '/') arrivals.push(Number(process.hrtime.bigint()) / 1e6);
  res.end('ok');
});
server.on('connection', () => connections++);
server.listen({ port: 0, host: '127.0.0.1', backlog: 8192 });
await once(server, 'listening');

process.on('message', () => {
  server.closeIdleConnections();
  process.send({ arrivals, connections });
  arrivals = [];
  connections = 0;
});
process.send({ port: server.address().port });
