/** Migrates the database of a running app. `during()` pauses, drains, migrates and resumes. */
import { createAntract } from 'antract';
import express from 'express';
import sqlite from 'node-sqlite3-wasm'; // needs no server; any other database works the same way

const db = new sqlite.Database(process.env.DATABASE ?? 'shop.db');
db.exec('CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL)');

const antract = createAntract();

/** Adds one column. It must not run while an order is being written. */
function migrate() {
  const { user_version: version } = db.get('PRAGMA user_version');
  if (version >= 1) return;
  db.exec('BEGIN IMMEDIATE');
  try {
    db.exec("ALTER TABLE orders ADD COLUMN status TEXT NOT NULL DEFAULT 'open'");
    db.exec('PRAGMA user_version = 1');
    db.exec('COMMIT');
  } catch (error) {
    db.exec('ROLLBACK'); // the app resumes with the old schema
    throw error;
  }
}

const app = express();

// Ahead of pause(): a request in flight can't wait for its own drain. In production, check who sends it.
app.post('/migrate', async (_req, res) => {
  // Waits for requests in flight for up to 10 s. If one is left then, during() rejects, and nothing is migrated.
  await antract.during('default', migrate, { reason: 'migration', drainTimeout: '10s' });
  res.send('migrated\n');
});

app.use(antract.pause());
app.use('/_antract', antract.admin());
app.post('/orders', express.json(), (req, res) => {
  db.run('INSERT INTO orders (item) VALUES (?)', [String(req.body?.item)]);
  res.status(201).send('ordered\n');
});
app.get('/orders', (_req, res) => res.json(db.all('SELECT * FROM orders ORDER BY id')));

const server = app.listen(Number(process.env.PORT ?? 8082), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

process.once('SIGTERM', () => {
  server.close(() => db.close());
  void antract.close();
});
