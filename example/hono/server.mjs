/**
 * antract in front of a Hono app on Node. Hono handles Fetch requests, and antract those of Node, so Connect
 * calls antract first and then the app.
 */
import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { createAntract } from 'antract';
import connect from 'connect';
import { Hono } from 'hono';

// What you pause for: held requests wait until it accepts connections, such as DATABASE=127.0.0.1:5432.
const database = process.env.DATABASE;
const antract = createAntract({ probe: database ? { connect: database } : undefined });

const app = new Hono();
app.get('/', (c) => {
  const heldMs = Number(c.req.header('x-antract-held-ms') ?? 0);
  return c.text(`Hello! antract held this request for ${heldMs} ms.\n`);
});

const handle = getRequestListener(app.fetch);
const server = createServer(
  connect()
    .use(antract.pause())
    .use('/_antract', antract.admin())
    .use((req, res) => void handle(req, res)),
);
server.listen(Number(process.env.PORT ?? 8082), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

process.once('SIGTERM', () => {
  server.close();
  void antract.close();
});
