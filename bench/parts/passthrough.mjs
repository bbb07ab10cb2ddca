/** What the gateway costs while it is running, beside other proxies in front of the same backend. */
import { LOAD, sendLoad } from '../support/load.mjs';
import { processorMs } from '../support/processes.mjs';
import { OTHER_PROXIES, serve, server, startBackend } from '../support/systems.mjs';
import { figure, table, times } from '../support/table.mjs';
import { median, ratio, takeTurns } from '../support/turns.mjs';

const BASE = 'http-proxy-middleware on node:http';

const CONTENDERS = [
  { name: BASE, begin: server('proxy') },
  { name: 'antract serve', begin: serve() },
  { name: 'antract serve --access-log off', begin: serve('--access-log', 'off') },
  { name: 'antract serve --workers 2', begin: serve('--workers', '2') },
  { name: 'http-proxy-middleware on Express', begin: server('Express proxy') },
  { name: 'http.request() and pipe()', begin: server('piped') },
  ...OTHER_PROXIES,
];

/** @param only runs the contenders whose name contains it, and the first. */
export async function passthrough({ rounds = 7, seconds = 2, only = '' }) {
  const backend = await startBackend();
  const chosen = CONTENDERS.filter(({ name }) => name === BASE || name.includes(only));
  const systems = [];
  for (const { name, begin } of chosen) systems.push({ name, ...(await begin(backend.url)) });
  const results = await takeTurns(systems, (system) => measure(system, seconds), { rounds });
  const base = results.get(systems[0]);
  const rows = systems.map((system) => {
    const series = results.get(system);
    const column = (key) => median(series.map((each) => each[key]));
    return [
      system.name,
      figure(column('perSecond')),
      figure(column('cpuMs')),
      times(ratio(series, base, 'cpuMs')),
      figure(column('p99')),
    ];
  });
  return [
    `${LOAD} for ${seconds} s, medians of ${rounds} rounds, backend: ${backend.name}.`,
    table(['system', 'requests/s', 'CPU ms per 1,000', 'CPU beside the first', 'p99 ms'], rows),
  ].join('\n\n');
}

async function measure({ pid, url }, seconds) {
  const before = processorMs(pid);
  const { requests, perSecond, p99 } = await sendLoad(url, seconds);
  return { perSecond, p99, cpuMs: ((processorMs(pid) - before) / requests) * 1000 };
}
