/**
 * What an unplanned restart costs the clients: through antract, through Caddy with `lb_try_duration`, and
 * through http-proxy-middleware alone. `node bench/caddy.mjs [rounds]`.
 *
 * The backend answers after 30 ms. SIGKILL ends it under load from 50 clients (alternating GET, and POST of
 * 100 KB). It starts again two seconds later. The bench counts requests without a 200; requests of which the
 * backend had read the first bytes, which must not be sent again; and requests that it received twice.
 * Needs `caddy` (`apt-get install caddy`); without it, its rows are left out.
 */
import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const rounds = Number(process.argv[2] ?? 5);
const BEFORE_MS = 1000;
const DOWN_MS = 2000;
const AFTER_MS = 2000;

const directory = mkdtempSync(path.join(os.tmpdir(), 'antract-bench-'));
const journal = path.join(directory, 'journal');
const script = (name) => new URL(name, import.meta.url);

async function startBackend(port = 0) {
  const child = fork(script('../__tests__/support/backend.mjs'), [String(port), journal], {
    execArgv: [],
  });
  const [message] = await once(child, 'message');
  // It tells of every request.
  child.on('message', () => undefined);
  return { child, port: message.port };
}

async function kill(child, signal = 'SIGKILL') {
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

const own = (name) => async (backend) => {
  const env = { ...process.env, BACKEND: `http://127.0.0.1:${backend}` };
  const stdio = ['ignore', 'ignore', 'ignore', 'ipc'];
  const child = fork(script('./server.mjs'), [name], { env, stdio });
  const [{ port }] = await once(child, 'message');
  return { child, url: `http://127.0.0.1:${port}` };
};

/** @param lines what stands in its `reverse_proxy` block. */
const caddy = (lines) => async (backend) => {
  const port = await freePort();
  const file = path.join(directory, 'Caddyfile');
  writeFileSync(
    file,
    `{\n admin off\n}\nhttp://127.0.0.1:${port} {\n` +
      ` reverse_proxy 127.0.0.1:${backend} {\n${lines.join('\n')}\n }\n}\n`,
  );
  const child = spawn('caddy', ['run', '--adapter', 'caddyfile', '--config', file], {
    stdio: 'ignore',
    env: { ...process.env, HOME: directory },
  });
  while (!(await isOpen(port))) await wait(20);
  return { child, url: `http://127.0.0.1:${port}` };
};

function isOpen(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

const caddyVersion = spawnSync('caddy', ['version'], { encoding: 'utf8' }).stdout?.trim();
const contenders = [
  ['antract', own('gateway')],
  ...(caddyVersion
    ? [
        ['Caddy, as it comes', caddy([])],
        ['Caddy, lb_try_duration 10s', caddy(['  lb_try_duration 10s', '  lb_try_interval 250ms'])],
      ]
    : []),
  ['http-proxy-middleware', own('proxy')],
];

async function restart(start) {
  writeFileSync(journal, '');
  let backend = await startBackend();
  const proxy = await start(backend.port);
  const ms = String(BEFORE_MS + DOWN_MS + AFTER_MS);
  const load = fork(script('./restart-load.mjs'), [proxy.url, ms]);
  const result = once(load, 'message');
  await wait(BEFORE_MS);
  await kill(backend.child);
  await wait(DOWN_MS);
  backend = await startBackend(backend.port);
  const [sent] = await result;
  await kill(backend.child);
  await kill(proxy.child);
  return count(sent);
}

function count(sent) {
  const seen = new Map();
  for (const [, id] of readFileSync(journal, 'utf8').matchAll(/"seen":"\/load\?ms=30&id=(\d+)"/g)) {
    seen.set(Number(id), (seen.get(Number(id)) ?? 0) + 1);
  }
  const failed = sent.filter(({ status }) => status !== 200);
  const ofMethod = (method) => failed.filter((one) => one.method === method).length;
  return {
    requests: sent.length,
    'GET failed': ofMethod('GET'),
    'POST failed': ofMethod('POST'),
    'failed unread': failed.filter(({ id }) => !seen.has(id)).length,
    'arrived twice': [...seen.values()].filter((times) => times > 1).length,
    'slowest ms': Math.round(Math.max(...sent.map(({ ms }) => ms))),
  };
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

const rows = new Map(contenders.map(([name]) => [name, []]));
try {
  for (let round = 0; round < rounds; round++) {
    for (const [name, start] of contenders) rows.get(name).push(await restart(start));
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}

console.log(
  `Node ${process.version}, Caddy ${caddyVersion || 'not installed'}, ${os.cpus().length} cores; ` +
    `medians of ${rounds} restarts, from the least to the most`,
);
for (const [name, counts] of rows) {
  const cells = Object.keys(counts[0]).map((key) => {
    const values = counts.map((one) => one[key]);
    return `${key}: ${median(values)} (${Math.min(...values)}-${Math.max(...values)})`;
  });
  console.log(`${String(name)}\n  ${cells.join(', ')}`);
}
