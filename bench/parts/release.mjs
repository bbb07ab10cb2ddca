/**
 * How long held requests take to reach the backend after the operator's command, beside the same number of
 * requests that arrive at once at http-proxy-middleware.
 */
import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { processorMs, startScript } from '../support/processes.mjs';
import { serve, server } from '../support/systems.mjs';
import { figure, table, times } from '../support/table.mjs';
import { median, ratio, takeTurns } from '../support/turns.mjs';

const BASE = { name: 'http-proxy-middleware, not held', begin: server('proxy'), send: sendAtOnce };

// A probe of the default kind takes 100 ms, in which no request may be released.
const gateway = (...flags) => serve('--health-check-path', '/health', ...flags);

const CONTENDERS = [
  BASE,
  { name: 'antract serve, slow start', begin: gateway(), send: holdAndRelease },
  {
    name: 'antract serve, immediate',
    begin: gateway('--release-strategy', 'immediate'),
    send: holdAndRelease,
  },
];

const HEAD = [
  'system',
  'requests',
  'first ms',
  'median ms',
  'last ms',
  'last beside the first',
  'CPU ms',
  'connections',
  'status 200',
];

/** @param only runs the contenders whose name contains it, and the first. */
export async function release({ rounds = 3, many = 5000, few = 100, only = '' }) {
  const { child: backend, ready } = await startScript('arrivals');
  const systems = [];
  for (const { name, begin, send } of CONTENDERS) {
    if (name !== BASE.name && !name.includes(only)) continue;
    systems.push({ name, send, ...(await begin(`http://127.0.0.1:${ready.port}`)) });
  }
  const rows = [];
  // Many first, so that V8 has compiled the proxies by the time of the short measurements.
  for (const count of [many, few]) {
    const measure = (system) => measureOne(system, count, backend);
    const results = await takeTurns(systems, measure, { rounds });
    const base = results.get(systems[0]);
    for (const system of systems) {
      const series = results.get(system);
      const column = (key) => figure(median(series.map((each) => each[key])));
      const ok = Math.min(...series.map((each) => each.ok));
      rows.push([
        system.name,
        count.toLocaleString('en'),
        ...['first', 'median', 'last'].map(column),
        times(ratio(series, base, 'last')),
        ...['cpuMs', 'connections'].map(column),
        ok.toLocaleString('en'),
      ]);
    }
  }
  return [
    `Arrival at the backend after the command, or after the first request was sent. Medians of ${rounds} rounds.`,
    table(HEAD, rows),
  ].join('\n\n');
}

async function measureOne({ pid, url, send }, count, backend) {
  const { child: clients } = await startScript('clients', [url, String(count)]);
  const sent = await send(clients, { pid, url, count });
  const { ok } = await sent.done;
  const cpuMs = processorMs(pid) - sent.cpuMs;
  backend.send('report');
  const [{ arrivals, connections }] = await once(backend, 'message');
  const after = arrivals.map((arrival) => arrival - sent.start).toSorted((a, b) => a - b);
  return { first: after[0], median: median(after), last: after.at(-1), ok, cpuMs, connections };
}

async function request(clients) {
  clients.send('send');
  const [{ start }] = await once(clients, 'message');
  return { start, done: once(clients, 'message').then(([message]) => message) };
}

async function sendAtOnce(clients, { pid }) {
  const cpuMs = processorMs(pid);
  return { cpuMs, ...(await request(clients)) };
}

/** The connection that the command uses is open before. */
const agent = new http.Agent({ keepAlive: true });

async function holdAndRelease(clients, { pid, url, count }) {
  await command(url, 'enable');
  const { done } = await request(clients);
  while (JSON.parse(await command(url, 'status')).held < count) await wait(20);
  const cpuMs = processorMs(pid);
  const start = Number(process.hrtime.bigint()) / 1e6;
  await command(url, 'disable');
  return { cpuMs, start, done };
}

async function command(url, name) {
  const method = name === 'status' ? 'GET' : 'POST';
  const headers = { Accept: 'application/json' };
  const req = http.request(new URL(`_antract/${name}?app=default`, url), {
    method,
    headers,
    agent,
  });
  const [res] = await once(req.end(), 'response');
  let body = '';
  for await (const chunk of res) body += chunk;
  if (res.statusCode !== 200) throw new Error(`${name}: ${res.statusCode} ${body}`);
  return body;
}
