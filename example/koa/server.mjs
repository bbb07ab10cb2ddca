/**
 * antract in front of a Koa app. Koa has middleware of its own kind and mounts none of Express, so Connect
 * calls antract first and then the app.
 */
import { createServer } from 'node:http';
import { createAntract } from 'antract';
import connect from 'connect';
import Koa from 'koa';

// What you pause for: held requests wait until it accepts connections, such as DATABASE=127.0.0.1:5432.
const database = process.env.DATABASE;
const antract = createAntract({ probe: database ? { connect: database } : undefined });

const app = new Koa();
app.use((ctx) => {
  const heldMs = Number(ctx.get('x-antract-held-ms') || 0);
  ctx.body = `Hello! antract held this request for ${heldMs} ms.\n`;
});

const server = createServer(
  connect().use(antract.pause()).use('/_antract', antract.admin()).use(app.callback()),
);
server.listen(Number(process.env.PORT ?? 8082), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

process.once('SIGTERM', () => {
  server.close();
  void antract.close();
});
