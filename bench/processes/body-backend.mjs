/** A backend for large bodies: sends as many bytes as `?bytes=` says, or receives and measures a body. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { sendBytes } from '../support/bytes.mjs';

async function respond(req, res) {
  const { searchParams } = new URL(req.url, 'http://backend');
  if (req.method === 'GET') {
    const bytes = Number(searchParams.get('bytes') ?? 0);
    res.writeHead(200, { 'Content-Length': bytes });
    await sendBytes(res, bytes);
    return;
  }
  const hash = searchParams.has('hash') ? createHash('sha1') : undefined;
  let received = 0;
  req.on('data', (chunk) => {
    received += chunk.length;
    hash?.update(chunk);
  });
  req.on('end', () => res.end(JSON.stringify({ received, hash: hash?.digest('hex') })));
}

const server = http.createServer((req, res) => void respond(req, res));
server.requestTimeout = 0;
server.listen(0, '127.0.0.1');
await once(server, 'listening');
process.send({ port: server.address().port });
