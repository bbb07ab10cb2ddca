/** What `pause()` costs while it is running, beside the same server without it. */
import { once } from 'node:events';
import http from 'node:http';
import { LOAD, sendLoad } from '../support/load.mjs';
import { startScript, stop } from '../support/processes.mjs';
import { server, startBackend } from '../support/systems.mjs';
import { figure, table, times } from '../support/table.mjs';
import { median, ratio } from '../support/turns.mjs';

/** The servers that are compared with each other. The first of a group has no `pause()`. */
const GROUPS = [
  [
    { name: 'node:http', handler: 'plain' },
    { name: 'node:http, pause()', handler: 'pause' },
    { name: 'node:http, pause(), MemoryStore', handler: 'pause, memory store' },
  ],
  [
    { name: 'Express', handler: 'Express' },
    { name: 'Express, pause()', handler: 'Express + pause' },
  ],
  [
    { name: 'http-proxy-middleware on node:http', handler: 'proxy' },
    { name: 'the same behind pause()', handler: 'pause + proxy' },
  ],
  [
    { name: 'http-proxy-middleware on Express', handler: 'Express proxy' },
    { name: 'the same behind pause()', handler: 'Express, pause + proxy' },
  ],
];

export async function middleware({ rounds = 8, seconds = 3, only = '' }) {
  const backend = await startBackend();
  const load = { rounds, seconds, env: { BACKEND: backend.url } };
  const rows = [];
  for (const group of GROUPS) {
    if (group[0].name.includes(only)) rows.push(...(await compare(group, load)));
  }
  return [
    `${LOAD} for ${seconds} s, medians of ${rounds} rounds. The servers of one group take turns in one process.`,
    table(['server', 'CPU ms per 1,000', 'beside without', 'allocated bytes per request'], rows),
  ].join('\n\n');
}

async function compare(group, { rounds, seconds, env }) {
  const names = group.map(({ handler }) => handler);
  const { child, ready } = await startScript('turns', names, { env });
  const series = group.map(() => []);
  // The first round does not count: V8 compiles the code meanwhile.
  for (let round = -1; round < rounds; round++) {
    await sendLoad(`http://127.0.0.1:${ready.port}/`, seconds);
    child.send('report');
    const [counts] = await once(child, 'message');
    if (round < 0) continue;
    for (const [index, { requests, cpuMs }] of counts.entries()) {
      series[index].push({ cpuMs: (cpuMs / requests) * 1000 });
    }
  }
  await stop(child);
  const rows = [];
  for (const [index, { name, handler }] of group.entries()) {
    rows.push([
      name,
      figure(median(series[index].map(({ cpuMs }) => cpuMs))),
      times(ratio(series[index], series[0], 'cpuMs')),
      figure(await allocatedBytes(handler, env.BACKEND)),
    ]);
  }
  return rows;
}

const REQUESTS = 2000;

/**
 * The growth of `heapUsed` per request, in a process whose young generation is so large that nothing is
 * collected meanwhile. Bytes outside of the V8 heap are not counted.
 */
async function allocatedBytes(handler, backend) {
  const flags = ['--expose-gc', '--min-semi-space-size=256', '--max-semi-space-size=256'];
  const { child, url } = await server(handler, flags)(backend);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 50 });
  // V8 optimizes the code first: optimized code allocates less.
  for (let warmUp = 0; warmUp < 5; warmUp++) await sendRequests(url, agent);
  const before = await heapUsed(child, true);
  await sendRequests(url, agent);
  const after = await heapUsed(child, false);
  agent.destroy();
  await stop(child);
  return (after - before) / REQUESTS;
}

async function heapUsed(child, collect) {
  child.send({ collect });
  const [{ heapUsed: bytes }] = await once(child, 'message');
  return bytes;
}

function sendRequests(url, agent) {
  const exchange = () =>
    new Promise((resolve, reject) => {
      http.get(url, { agent }, (res) => res.resume().on('end', resolve)).on('error', reject);
    });
  return Promise.all(Array.from({ length: REQUESTS }, exchange));
}
