/** An app whose processes pause, drain and release together, through a store of your own. */
import { createAntract } from 'antract';
import express from 'express';
import { HttpStore } from './http-store.mjs';
import { startStoreServer } from './store-server.mjs';

// The first process also runs the server of the store. Give its URL to the other processes.
const { STORE, STORE_PORT = 8090 } = process.env;
const own = STORE ? undefined : await startStoreServer(Number(STORE_PORT));
const antract = createAntract({ store: new HttpStore(STORE ?? own.url) });

const app = express();
app.use(antract.pause());
app.use('/_antract', antract.admin());
app.get('/', (_req, res) => res.send(`process ${process.pid}\n`));

await antract.ready(); // the process knows now whether the app is paused
const server = app.listen(Number(process.env.PORT ?? 8082), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

async function stop() {
  server.close();
  await antract.close();
  own?.server.close();
}
process.once('SIGTERM', () => void stop());
