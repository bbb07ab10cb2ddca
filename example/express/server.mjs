/** A proxy of your own: antract ahead of http-proxy-middleware, in an Express app. */
import express from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { createAntract } from 'antract';

// Without TARGET, a small backend in this process, so that there is something to try.
const target = process.env.TARGET ?? (await import('./backend.mjs')).url;
const { hostname, port, protocol } = new URL(target);

const antract = createAntract({
  maxTime: '5m',
  healthCheckPath: '/up',
  // Held requests wait until the backend answers. `status` says when it is down.
  probe: { connect: `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}` },
});
antract.on('paused', ({ app, reason }) =>
  console.log(`paused ${app}: ${reason ?? 'no reason given'}`),
);
antract.on('drained', ({ app, afterMs }) => console.log(`drained ${app} after ${afterMs} ms`));
antract.on('resumed', ({ app, held }) => console.log(`resumed ${app}, releasing ${held}`));

const app = express();
app.use(antract.pause()); // ahead of the proxy and of body parsers
app.use('/_antract', antract.admin());
app.use(createProxyMiddleware({ target }));

const server = app.listen(Number(process.env.PORT ?? 8082), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

// Held requests get a 503 with Retry-After instead of a broken connection.
process.once('SIGTERM', () => {
  server.close();
  void antract.close();
});
