/** Workers of `node:cluster` that pause, drain and release together. */
import cluster from 'node:cluster';
import { ClusterStore, createAntract, setUpPrimary } from 'antract';
import express from 'express';

const WORKERS = 2;

if (cluster.isPrimary) {
  setUpPrimary(); // keeps the shared state; call it before you fork
  for (let i = 0; i < WORKERS; i += 1) cluster.fork();
  // A worker that starts during a pause starts paused.
  let isStopping = false;
  cluster.on('exit', () => !isStopping && cluster.fork());
  process.once('SIGTERM', () => {
    isStopping = true;
    for (const worker of Object.values(cluster.workers)) worker.kill();
  });
} else {
  const antract = createAntract({ store: new ClusterStore() });

  const app = express();
  app.use(antract.pause());
  app.use('/_antract', antract.admin());
  app.get('/', (_req, res) => res.send(`worker ${process.pid}\n`));

  await antract.ready(); // the worker knows now whether the app is paused
  const server = app.listen(Number(process.env.PORT ?? 8082), '127.0.0.1', () => {
    console.log(`worker ${process.pid} listening on http://127.0.0.1:${server.address().port}`);
  });

  const stop = async () => {
    server.close();
    await antract.close();
    cluster.worker.disconnect();
  };
  process.once('SIGTERM', () => void stop());
}
