/** What `pause()` costs while it is running, beside the same server without it. */
import { once } from 'node:events';
import http from 'node:http';
import { LOAD, sendLoad } from '../support/load.mjs';
import { processorMs, stop } from '../support/processes.mjs';
import { server } from '../support/systems.mjs';
import { figure, table, times } from '../support/table.mjs';
import { median, ratio, takeTurns } from '../support/turns.mjs';

/** Each server, and the one that it is compared with. */
const SERVERS = [
  { name: 'node:http', script: 'plain' },
  { name: 'node:http, pause()', script: 'pause', base: 'node:http' },
  { name: 'node:http, pause(), MemoryStore', script: 'pause, memory store', base: 'node:http' },
  { name: 'Express', script: 'Express' },
  { name: 'Express, pause()', script: 'Express + pause', base: 'Express' },
];

export async function middleware({ rounds = 15, seconds = 1, only = '' }) {
  const systems = [];
  for (const each of SERVERS.filter(({ name }) => name.includes(only))) {
    systems.push({ ...each, ...(await server(each.script)()) });
  }
  const results = await takeTurns(systems, (system) => measure(system, seconds), { rounds });
  const rows = [];
  for (const system of systems) {
    const series = results.get(system);
    const base = results.get(systems.find(({ name }) => name === system.base) ?? system);
    rows.push([
      system.name,
      figure(median(series.map(({ cpuMs }) => cpuMs))),
      times(ratio(series, base, 'cpuMs')),
      figure(await allocatedBytes(system.script)),
    ]);
  }
  return [
    `${LOAD} for ${seconds} s, medians of ${rounds} rounds.`,
    table(['server', 'CPU ms per 1,000', 'beside without', 'allocated bytes per request'], rows),
  ].join('\n\n');
}

async function measure({ pid, url }, seconds) {
  const before = processorMs(pid);
  const { requests } = await sendLoad(url, seconds);
  return { cpuMs: ((processorMs(pid) - before) / requests) * 1000 };
}

const REQUESTS = 2000;

/**
 * The growth of `heapUsed` per request, in a process whose young generation is so large that nothing is
 * collected meanwhile. Bytes outside of the V8 heap are not counted.
 */
async function allocatedBytes(script) {
  const flags = ['--expose-gc', '--min-semi-space-size=256', '--max-semi-space-size=256'];
  const { child, url } = await server(script, flags)();
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
