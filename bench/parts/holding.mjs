/** What a held request costs `antract serve` while it waits, on a connection of its own. */
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { processorMs, residentMiB, startScript, stop } from '../support/processes.mjs';
import { command, serve, startBackend, untilStatus } from '../support/systems.mjs';
import { figure, table } from '../support/table.mjs';

const KIB = 1024;

/** @param connections one request on each. @param seconds how long the processor time is measured. */
export async function holding({ connections = 5000, seconds = 3 }) {
  const backend = await startBackend();
  const gateway = await serve('--release-strategy', 'immediate')(backend.url);
  // The code and the buffers of the first requests are not part of a held request.
  await holdAndRelease(gateway, 500, 0);
  const before = residentMiB(gateway.pid);
  const { memory, cpuMs } = await holdAndRelease(gateway, connections, seconds);
  await Promise.all([gateway.child, backend.child].map(stop));
  const each = ((memory - before) * KIB) / connections;
  const rows = [
    ['resident KiB per held request', figure(each)],
    ['processor time while holding, %', figure(cpuMs / (seconds * 10))],
  ];
  return [
    `${figure(connections)} requests held by \`antract serve\`, each on a connection of its own; processor ` +
      `time over ${seconds} s. All were answered after the release.`,
    table(['figure', 'value'], rows),
  ].join('\n\n');
}

async function holdAndRelease(gateway, count, seconds) {
  const { port } = new URL(gateway.url);
  await command(gateway, 'enable');
  const { child } = await startScript('connections', [port, String(count)]);
  const answered = once(child, 'message', { signal: AbortSignal.timeout(90_000) });
  await untilStatus(gateway, ({ apps: [app] }) => app.held === count, `${count} requests are held`);
  // The collector may still be at work on what the arrival left behind.
  await wait(1000);
  const before = processorMs(gateway.pid);
  await wait(seconds * 1000);
  const cpuMs = processorMs(gateway.pid) - before;
  const memory = residentMiB(gateway.pid);
  await command(gateway, 'disable');
  await answered;
  await stop(child);
  return { memory, cpuMs };
}
