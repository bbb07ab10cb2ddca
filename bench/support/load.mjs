/** Sends requests from another process: with `wrk` if it is installed, otherwise with autocannon. */
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { isInstalled } from './processes.mjs';

const run = promisify(execFile);
const hasWrk = isInstalled('wrk');

export const LOAD = hasWrk ? 'wrk -t1 -c50' : 'autocannon, 50 connections';

/** Resolves with the number of requests, requests per second, and the 99th percentile in milliseconds. */
export async function sendLoad(url, seconds) {
  const result = hasWrk ? await wrk(url, seconds) : await autocannon(url, seconds);
  if (result.failed > 0 || result.requests === 0) {
    throw new Error(`${url}: ${result.failed} requests of ${result.requests} failed.`);
  }
  return result;
}

async function wrk(url, seconds) {
  const { stdout } = await run('wrk', ['-t1', '-c50', `-d${seconds}s`, '--latency', url]);
  const number = (pattern) => Number(pattern.exec(stdout)?.[1] ?? 0);
  const [, p99, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout);
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(
    stdout,
  );
  const socketErrors = errors ? errors.slice(1).reduce((sum, each) => sum + Number(each), 0) : 0;
  return {
    requests: number(/(\d+) requests in/),
    perSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p99: Number(p99) * { us: 0.001, ms: 1, s: 1000 }[unit],
    failed: number(/Non-2xx or 3xx responses: (\d+)/) + socketErrors,
  };
}

async function autocannon(url, seconds) {
  const script = createRequire(import.meta.url).resolve('autocannon');
  const args = [script, '--json', '--connections', '50', '--duration', String(seconds), url];
  const { stdout } = await run(process.execPath, args, { maxBuffer: 2 ** 24 });
  const { requests, latency, non2xx, errors } = JSON.parse(stdout);
  return {
    requests: requests.total,
    perSecond: requests.average,
    p99: latency.p99,
    failed: non2xx + errors,
  };
}
