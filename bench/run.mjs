/**
 * What the gate costs, measured side by side in one run: `npm run bench`.
 *
 * Machines are noisy, so the rivals take turns within each round, and what is printed is the median
 * of their ratios; the requests a second beside it are of this machine alone.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import autocannon from 'autocannon';

const rounds = Number(process.argv[2] ?? 7);
const seconds = Number(process.argv[3] ?? 2);

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

async function startServer(name) {
  const child = fork(new URL('./server.mjs', import.meta.url), [name]);
  const [{ port }] = await once(child, 'message');
  return { name, child, url: `http://127.0.0.1:${port}/`, perSecond: [] };
}

async function measure(server) {
  const { requests, non2xx, errors } = await autocannon({
    url: server.url,
    connections: 50,
    duration: seconds,
  });
  if (non2xx > 0 || errors > 0)
    throw new Error(`${server.name}: ${non2xx} refused, ${errors} failed`);
  server.perSecond.push(requests.average);
}

/** Each name against the first one. */
async function compare(title, names) {
  const servers = await Promise.all(names.map(startServer));
  try {
    for (const server of servers) await measure(server);
    for (const server of servers) server.perSecond.length = 0; // that was the warm-up
    for (let round = 0; round < rounds; round++) {
      for (const server of round % 2 ? servers.toReversed() : servers) await measure(server);
    }
  } finally {
    for (const { child } of servers) child.kill();
  }
  const [base] = servers;
  console.log(`\n${title}`);
  for (const { name, perSecond } of servers) {
    const ratio = median(perSecond.map((rate, round) => rate / base.perSecond[round]));
    console.log(
      `  ${name.padEnd(26)} ${Math.round(median(perSecond)).toString().padStart(7)} req/s   x ${ratio.toFixed(3)}`,
    );
  }
}

async function holding() {
  const child = fork(new URL('./hold.mjs', import.meta.url), { execArgv: ['--expose-gc'] });
  const [result] = await once(child, 'message');
  console.log('\nThe holding path, 10,000 requests at once, beside the running path');
  for (const [what, figure] of Object.entries(result))
    console.log(`  ${what.padEnd(46)} ${figure}`);
}

console.log(`Node ${process.version}, ${rounds} rounds of ${seconds} s, 50 connections`);
await compare('The running path, node:http', ['plain', 'pause']);
await compare('The gateway, in front of one backend', ['proxy', 'gateway']);
await holding();
