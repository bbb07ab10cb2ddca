/** Stands for your backend. It says for how long antract held each request. */
import { once } from 'node:events';
import { createServer } from 'node:http';

const backend = createServer((req, res) => {
  const heldMs = Number(req.headers['x-antract-held-ms'] ?? 0);
  res.end(`Hello! antract held this request for ${heldMs} ms.\n`);
}).listen(0, '127.0.0.1');
await once(backend, 'listening');

// Does not keep the process running after its proxy has ended.
backend.unref();

export const url = `http://127.0.0.1:${backend.address().port}`;
