/** The metrics of several workers: whichever of them is scraped, it answers for all. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { killBackends } from '../support/backend.ts';
import { untilProcesses } from '../support/admin-status.ts';
import { endAll } from '../support/cli.ts';
import { untilSeen } from '../support/eventually.ts';
import { request } from '../support/http.ts';
import { operate, type Operated } from '../support/operated.ts';

const frozen: number[] = [];

afterEach(async () => {
  for (const pid of frozen.splice(0)) process.kill(pid, 'SIGKILL');
  await endAll();
  await killBackends();
});

type Metrics = (series: string) => number | undefined;

async function scrape({ adminUrl }: Operated): Promise<Metrics> {
  const { status, body } = await request(`${adminUrl}/metrics`);
  expect(status).toBe(200);
  return (series) => {
    const line = body.split('\n').find((one) => one.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length));
  };
}

async function workersOf(gateway: Operated, count: number): Promise<number[]> {
  const { processes } = await untilProcesses(gateway, count);
  return processes.map(({ pid }) => pid);
}

const PASSED = 'antract_requests_total{app="default",outcome="passed",status="2xx"}';
const RELEASED = 'antract_requests_total{app="default",outcome="released",status="2xx"}';
const PAUSED = 'antract_phase{app="default",phase="paused"}';
const PAUSES = 'antract_pauses_total{app="default",reason="asked"}';
const WAITED = 'antract_hold_duration_seconds_count{app="default"}';

/** A pause that holds ten requests, some at each worker; and ten that pass before it. */
async function afterAPause(): Promise<Operated> {
  const gateway = await operate('--workers', '3', '--access-log', 'off');
  await workersOf(gateway, 3);
  for (let i = 0; i < 10; i++) await request(gateway.url);
  await gateway.admin('enable?wait=10s');
  const held = Array.from({ length: 10 }, () => request(gateway.url));
  await gateway.until('10 held requests', ({ held: count }) => count === 10);
  const during = await scrape(gateway);
  expect(during(PAUSED)).toBe(1);
  expect(during('antract_held{app="default"}')).toBe(10);
  expect(during('antract_oldest_hold_seconds{app="default"}')).toBeLessThan(30);
  await gateway.admin('disable');
  await Promise.all(held);
  // A worker without held requests hears of the release a moment later.
  const isOver = (metrics: Metrics): boolean => metrics(PAUSED) === 0;
  await untilSeen('metrics after the pause', () => scrape(gateway), isOver, 10_000);
  return gateway;
}

describe('the metrics of several workers', () => {
  it('are the same at each worker: sums, and the longest wait', async () => {
    const gateway = await afterAPause();
    for (let i = 0; i < 10; i++) {
      const metrics = await scrape(gateway);
      expect([PASSED, RELEASED, PAUSES, WAITED].map(metrics)).toEqual([10, 10, 1, 10]);
      expect(metrics(PAUSED)).toBe(0);
      expect(metrics('antract_held{app="default"}')).toBe(0);
    }
  });

  it('keep the counts of workers that died', async () => {
    const gateway = await afterAPause();
    const before = await scrape(gateway);
    // One stays: without it no worker would answer until the next one listens.
    for (const pid of (await workersOf(gateway, 3)).slice(1)) {
      process.kill(pid, 'SIGKILL');
      await gateway.gateway.saw('stderr', new RegExp(`worker ${pid} was killed by SIGKILL`));
    }
    const after = await scrape(gateway);
    const all = [PASSED, RELEASED, PAUSES, WAITED];
    expect(all.map(after)).toEqual(all.map(before));
    expect(after('antract_held{app="default"}')).toBe(0);
  }, 30_000);

  it('leave out a worker that does not answer, with a warning', async () => {
    const gateway = await afterAPause();
    const before = await scrape(gateway);
    const [pid] = (await workersOf(gateway, 3)) as [number];
    frozen.push(pid);
    process.kill(pid, 'SIGSTOP');
    const after = await scrape(gateway);
    await gateway.gateway.saw('stderr', new RegExp(`WRN_ANTRACT_METRICS: worker ${pid} did not`));
    expect([PASSED, RELEASED].map(after)).toEqual([PASSED, RELEASED].map(before));
  }, 30_000);
});
