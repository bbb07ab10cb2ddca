/**
 * What the gate costs, measured side by side in one run: `npm run bench [-- rounds [seconds]]`.
 *
 * Machines are noisy, so the servers take turns within each round, and the result is the median of
 * their ratios. Compare the processor time for each request (user and system): other programs reduce the
 * requests per second of the server that runs at that moment.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import autocannon from 'autocannon';

const rounds = Number(process.argv[2] ?? 7);
const seconds = Number(process.argv[3] ?? 2);

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

async function startServer(name, env) {
  const child = fork(new URL('./server.mjs', import.meta.url), [name], {
    env: { ...process.env, ...env },
  });
  const [{ port }] = await once(child, 'message');
  return { name, child, url: `http://127.0.0.1:${port}/`, perSecond: [], microseconds: [] };
}

/** What it has used so far. */
async function processorTime({ child }) {
  child.send('processor time');
  const [{ user, system }] = await once(child, 'message');
  return user + system;
}

async function measure(server) {
  const before = await processorTime(server);
  const { requests, non2xx, errors } = await autocannon({
    url: server.url,
    connections: 50,
    duration: seconds,
  });
  if (non2xx > 0 || errors > 0)
    throw new Error(`${server.name}: ${non2xx} refused, ${errors} failed`);
  server.perSecond.push(requests.average);
  server.microseconds.push(((await processorTime(server)) - before) / requests.total);
}

/** Each name against the first one. */
async function compare(title, names, env) {
  const servers = await Promise.all(names.map((name) => startServer(name, env)));
  try {
    for (const server of [...servers, ...servers]) await measure(server);
    // That was the warm-up; V8 takes a few thousand requests to compile a proxy.
    for (const server of servers) server.perSecond.length = server.microseconds.length = 0;
    for (let round = 0; round < rounds; round++) {
      for (const server of round % 2 ? servers.toReversed() : servers) await measure(server);
    }
  } finally {
    for (const { child } of servers) child.kill();
  }
  console.log(`\n${title}`);
  for (const server of servers) printRow(server, servers[0]);
}

function printRow(server, base) {
  const column = (key, digits) => {
    const ratio = median(server[key].map((value, round) => value / base[key][round]));
    return [median(server[key]).toFixed(digits).padStart(7), ratio.toFixed(3)];
  };
  const [time, timeRatio] = column('microseconds', 1);
  const [rate, rateRatio] = column('perSecond', 0);
  console.log(
    `  ${server.name.padEnd(22)} ${time} µs a request  x ${timeRatio}   ${rate} req/s  x ${rateRatio}`,
  );
}

async function holding() {
  const child = fork(new URL('./hold.mjs', import.meta.url), { execArgv: ['--expose-gc'] });
  const [result] = await once(child, 'message');
  console.log('\nThe holding path, 10,000 requests at once, beside the running path');
  for (const [what, figure] of Object.entries(result))
    console.log(`  ${what.padEnd(46)} ${figure}`);
}

console.log(`Node ${process.version}, ${rounds} rounds of ${seconds} s, 50 connections`);
await compare('The running path, node:http', ['plain', 'pause', 'pause, memory store']);
await compare('The running path, Express', ['Express', 'Express + pause']);
// In a process of its own: its processor time is not what is compared.
const backend = await startServer('plain');
await compare('The gateway, in front of one backend', ['proxy', 'gateway'], {
  BACKEND: backend.url.replace(/\/$/, ''),
});
backend.child.kill();
await holding();
