/** Processes on one or more machines that pause, drain and release together, through Redis. */
import { createAntract } from 'antract';
import { RedisStore } from 'antract/redis';
import express from 'express';

const store = new RedisStore({ url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' });
const antract = createAntract({
  store, // antract.close() closes it, too
  // Stops passing requests while Redis is away. Choose it if a pause must never be missed.
  // onStoreError: 'fence',
});

const app = express();
app.use(antract.pause());
app.use('/_antract', antract.admin());
app.get('/', (_req, res) => res.send(`process ${process.pid}\n`));

await antract.ready(); // the process knows now whether the app is paused
const server = app.listen(Number(process.env.PORT ?? 8082), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

process.once('SIGTERM', () => {
  server.close();
  void antract.close();
});
