/** Large bodies through `antract serve`, beside http-proxy-middleware alone: throughput and memory. */
import { processorMs, residentMiB, startScript, stop } from '../support/processes.mjs';
import { command, serve, server, untilStatus } from '../support/systems.mjs';
import { figure, table, times } from '../support/table.mjs';
import { median, ratio, takeTurns } from '../support/turns.mjs';

const GIB = 2 ** 30;
const MIB = 2 ** 20;

export async function bodies({ rounds = 3, bytes = GIB }) {
  const { child, ready } = await startScript('body-backend');
  const backend = `http://127.0.0.1:${ready.port}`;
  const base = { name: 'http-proxy-middleware on node:http', ...(await server('proxy')(backend)) };
  const gateway = {
    name: 'antract serve',
    ...(await serve('--spool-max-body', '2gb')(backend)),
  };
  const rows = [];
  for (const [direction, method] of [
    ['down', 'GET'],
    ['up', 'POST'],
  ]) {
    const measure = (system) => transfer(system, method, bytes);
    const results = await takeTurns([base, gateway], measure, { rounds, warmUp: 0 });
    for (const system of [base, gateway]) {
      const series = results.get(system);
      rows.push(row(`${system.name}, ${direction}`, series, results.get(base)));
    }
  }
  const held = await heldUpload(gateway, bytes);
  rows.push(row('antract serve, up, held and released', [held]));
  await Promise.all([child, base.child, gateway.child].map(stop));
  const head = ['transfer', 'MB/s', 'ratio', 'CPU ms', 'ratio', 'MiB before', 'peak MiB'];
  return [
    `${figure(bytes / MIB)} MiB on one connection, medians of ${rounds} rounds. Memory is the resident ` +
      'memory of the proxy. The held upload is spooled to a file until it is complete, and its hash is ' +
      'compared in the backend; its MB/s and CPU are from the release. Ratios are beside the proxy alone.',
    table(head, rows),
  ].join('\n\n');
}

function row(name, series, base) {
  const column = (key) => figure(median(series.map((each) => each[key])));
  const beside = (key) => (base ? times(ratio(series, base, key)) : '-');
  const memory = [column('before'), column('peak')];
  return [name, column('rate'), beside('rate'), column('cpuMs'), beside('cpuMs'), ...memory];
}

async function transfer({ pid, url }, method, bytes) {
  const memory = sampleMemory(pid);
  const cpuBefore = processorMs(pid);
  const { ms } = await client(url, method, bytes);
  return { rate: bytes / 1000 / ms, cpuMs: processorMs(pid) - cpuBefore, ...memory.stop() };
}

async function heldUpload(gateway, bytes) {
  await command(gateway, 'enable');
  const memory = sampleMemory(gateway.pid);
  const arrived = client(gateway.url, 'POST', bytes, 'hash');
  const isSpooled = ({ apps: [app] }) => app.spooledBytes >= bytes;
  await Promise.race([untilStatus(gateway, isSpooled, 'The upload is spooled'), arrived]);
  const start = performance.now();
  const cpuBefore = processorMs(gateway.pid);
  await command(gateway, 'disable');
  await arrived;
  const cpuMs = processorMs(gateway.pid) - cpuBefore;
  return { cpuMs, rate: bytes / 1000 / (performance.now() - start), ...memory.stop() };
}

async function client(url, method, bytes, ...options) {
  const { ready } = await startScript('body-client', [url, method, String(bytes), ...options]);
  if (ready.status === 200 && ready.whole) return ready;
  throw new Error(`${method} ${url}: ${JSON.stringify(ready)}`);
}

/** Resident memory of a process tree, read every 50 ms until `stop()` returns the highest value. */
function sampleMemory(pid) {
  const before = residentMiB(pid);
  let peak = before;
  const timer = setInterval(() => (peak = Math.max(peak, residentMiB(pid))), 50);
  return {
    stop() {
      clearInterval(timer);
      return { before, peak };
    },
  };
}
