/**
 * What an unannounced restart of the backend costs the clients.
 *
 * The backend answers after 30 ms. SIGKILL ends it under load from 50 clients (alternating GET, and POST of
 * 100 KB). It starts again two seconds later. Counted are requests without a 200, and requests that the
 * backend received twice.
 */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { directory, isInstalled, startModule, startScript, stop } from '../support/processes.mjs';
import { caddy, serve, server } from '../support/systems.mjs';
import { figure, table } from '../support/table.mjs';
import { median, takeTurns } from '../support/turns.mjs';

const BEFORE_MS = 1000;
const DOWN_MS = 2000;
const AFTER_MS = 2000;

const CONTENDERS = [
  { name: 'antract', begin: serve() },
  { name: 'Caddy, `lb_try_duration 10s`', program: 'caddy', begin: caddy('lb_try_duration 10s') },
  { name: 'Caddy, default', program: 'caddy', begin: caddy() },
  { name: 'http-proxy-middleware', begin: server('proxy') },
].filter(({ program }) => program === undefined || isInstalled(program));

const COLUMNS = {
  requests: 'requests',
  get: 'GET failed',
  post: 'POST failed',
  twice: 'arrived twice',
  longest: 'longest wait, s',
};

const journal = path.join(directory, 'journal');

export async function restart({ rounds = 5 }) {
  const results = await takeTurns(CONTENDERS, measure, { rounds, warmUp: 0 });
  const rows = CONTENDERS.map((contender) => [
    contender.name,
    ...Object.keys(COLUMNS).map((key) => range(results.get(contender).map((each) => each[key]))),
  ]);
  return [
    `Medians of ${rounds} restarts, with minimum and maximum in brackets.`,
    table(['proxy', ...Object.values(COLUMNS)], rows),
  ].join('\n\n');
}

function range(values) {
  const [middle, least, most] = [median(values), Math.min(...values), Math.max(...values)];
  const text = (value) => (Number.isInteger(value) ? String(value) : figure(value));
  return `${text(middle)} (${text(least)}-${text(most)})`;
}

async function startBackend(port = 0) {
  const script = new URL('../../__tests__/support/backend.mjs', import.meta.url);
  const { child, ready } = await startModule(script, [String(port), journal]);
  return { child, port: ready.port };
}

async function kill(child) {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

async function measure({ begin }) {
  writeFileSync(journal, '');
  let backend = await startBackend();
  const proxy = await begin(`http://127.0.0.1:${backend.port}`);
  const ms = String(BEFORE_MS + DOWN_MS + AFTER_MS);
  const load = await startScript('restart-load', [proxy.url, ms]);
  const result = once(load.child, 'message', { signal: AbortSignal.timeout(30_000) });
  await wait(BEFORE_MS);
  await kill(backend.child);
  await wait(DOWN_MS);
  backend = await startBackend(backend.port);
  const [{ sent }] = await result;
  await Promise.all([kill(backend.child), stop(proxy.child), stop(load.child)]);
  return count(sent);
}

function count(sent) {
  const received = new Map();
  for (const [, id] of readFileSync(journal, 'utf8').matchAll(/"seen":"\/load\?ms=30&id=(\d+)"/g)) {
    received.set(id, (received.get(id) ?? 0) + 1);
  }
  const failed = (wanted) =>
    sent.filter(({ status, method }) => status !== 200 && method === wanted).length;
  return {
    requests: sent.length,
    get: failed('GET'),
    post: failed('POST'),
    twice: [...received.values()].filter((times) => times > 1).length,
    longest: Math.max(...sent.map(({ ms }) => ms)) / 1000,
  };
}
