/**
 * A backend in a process of its own, to be killed: `backend.mjs <port> <journal>`. The journal is a
 * file, which is written to before anything else is done, so that a SIGKILL loses nothing: a line for
 * each request when its first bytes have been read, and one when it has arrived in full. Tells its
 * parent its port. `BACKLOG` limits how many connections wait to be accepted. With `LIMIT` requests at
 * once it falls over: it refuses connections until fewer are left.
 */
import { openSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import net from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

const [, , port, file] = process.argv;
const limit = Number(process.env.LIMIT ?? Infinity);
const address = {
  port: Number(port),
  host: '127.0.0.1',
  backlog: Number(process.env.BACKLOG ?? 511),
};

const journal = openSync(file, 'a');
const note = (entry) => writeSync(journal, `${JSON.stringify(entry)}\n`);

let open = 0;
let inFlight = 0;
let peak = 0;

const server = createServer(async (req, res) => {
  peak = Math.max(peak, ++inFlight);
  res.on('close', () => inFlight--);
  // Who wants in again has to ask again.
  if (limit < Infinity) res.setHeader('Connection', 'close');
  const url = new URL(req.url, 'http://backend');
  let bytes = 0;
  try {
    for await (const chunk of req) bytes += chunk.length;
  } catch {
    // Aborted: the client has disconnected.
    return;
  }
  note({ method: req.method, url: req.url, bytes });
  process.send({ received: req.url });
  switch (url.pathname) {
    case '/hang':
      return;
    case '/begin':
      // Says that there is more to come than it ever sends.
      res.writeHead(200, url.searchParams.has('length') ? { 'Content-Length': 100 } : {});
      res.write('the beginning');
      return;
    default:
      await wait(Number(url.searchParams.get('ms') ?? 0));
      res.end(
        JSON.stringify({
          pid: process.pid,
          method: req.method,
          url: req.url,
          bytes,
          headers: req.headers,
        }),
      );
  }
});

// Connections are taken by a listener of their own, which can be closed without touching those that
// stand. The kernel resets connections that it has established and the process has not accepted.
const listener = net.createServer((socket) => {
  if (++open >= limit) listener.close();
  socket.once('close', () => {
    if (--open < limit && !listener.listening) listener.listen(address);
  });
  server.emit('connection', socket);
  // In this order, or the server would have its bytes without any event.
  socket.prependListener('data', noteFirstBytes);
});

function noteFirstBytes(chunk) {
  for (const [, seen] of chunk.toString('latin1').matchAll(/[A-Z]+ (\S+) HTTP\/1\.1\r\n/g)) {
    note({ seen });
  }
}

listener.listen(address, () => {
  address.port = listener.address().port;
  process.send({ port: address.port });
});
process.on('message', () => process.send({ peak }));
// An aborted test run leaves no process behind.
process.on('disconnect', () => process.exit());
