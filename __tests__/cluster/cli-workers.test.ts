/** `antract serve --workers`: several real processes that listen together, and what they survive. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import http from 'node:http';
import { createServer } from 'node:net';
import { untilProcesses, type ProcessStatus } from '../support/admin-status.ts';
import { killBackends, type Backend } from '../support/backend.ts';
import { endAll, runCli, serve, type CliProcess } from '../support/cli.ts';
import { closeAll, request, type RequestOptions } from '../support/http.ts';
import { startLoad, type Sent } from '../support/load.ts';
import { operate, type Operated } from '../support/operated.ts';
import { describeWithRedis, startRedis, stopRedis } from '../support/redis.ts';
import { until } from '../support/eventually.ts';

afterEach(async () => {
  await endAll();
  await killBackends();
  await closeAll();
  await stopRedis();
});

const CLIENTS = 50;
const target = 'http://127.0.0.1:9';

/** Resolves with the process ids when the processes of a gateway know of each other. */
async function untilThereAre(gateway: Operated, count: number): Promise<number[]> {
  const { processes } = await untilProcesses(gateway, count);
  return processes.map(({ pid }) => pid);
}

type End = number | string | undefined;

interface HeldRequests {
  readonly ends: Promise<End>[];
  readonly processes: readonly ProcessStatus[];
}

/**
 * Requests of a paused gateway, until each of its workers holds some: who takes which is by chance.
 *
 * @param before how many are held already. Not what a status says: each worker gives up one that died in
 *   its own time.
 */
async function holdInEach(
  gateway: Operated,
  options?: RequestOptions,
  before = 0,
): Promise<HeldRequests> {
  const ends: Promise<End>[] = [];
  for (;;) {
    const end = request(gateway.url, options).then(
      ({ status }) => status,
      ({ code }: NodeJS.ErrnoException) => code,
    );
    ends.push(end);
    const count = before + ends.length;
    const { processes } = await gateway.until(
      `${count} held requests`,
      ({ held }) => held === count,
    );
    if (processes.every(({ held }) => held > 0)) return { ends, processes };
  }
}

/** One window of a load that never stops: the backend is killed and started in it. */
async function window(gateway: Operated, sent: readonly Sent[], clients: number): Promise<void> {
  const { backend } = gateway;
  const before = sent.length;
  await gateway.until('two answers a client', () => sent.length >= before + 2 * clients);
  const { drained } = await gateway.admin('enable?wait=30s');
  expect(drained).toBe(true);
  // The worker that answers may not have the report yet with which the last one drained.
  await gateway.until(
    'the drain in every worker',
    ({ phase, inFlight }) => phase === 'paused' && inFlight === 0,
  );
  await backend.kill();
  await gateway.until('all clients held', ({ held }) => held === clients);
  await backend.start();
  await gateway.admin('disable');
}

function expectEachServedOnce(sent: readonly Sent[], backend: Backend): void {
  expect(sent.filter(({ status }) => status !== 200)).toEqual([]);
  expect(
    backend
      .journal()
      .map(({ url }) => url)
      .sort(),
  ).toEqual(sent.map(({ path }) => path).sort());
}

describe('several workers', () => {
  it('serve each request once over three windows in which the backend is killed', async () => {
    const gateway = await operate('--workers', '4', '--access-log', 'off');
    await untilThereAre(gateway, 4);
    const load = startLoad(gateway.url, CLIENTS, Buffer.alloc(2000, 'x'));
    const servedBy = new Set<number>();
    for (let i = 0; i < 3; i++) {
      await window(gateway, load.sent, CLIENTS);
      const { processes } = await gateway.status();
      for (const { pid } of processes) servedBy.add(pid);
    }
    await load.stop();
    expectEachServedOnce(load.sent, gateway.backend);
    expect(servedBy.size).toBe(4);
    gateway.gateway.signal('SIGTERM');
    expect(await gateway.gateway.exited).toEqual({ code: 0, signal: null });
  }, 60_000);

  it('report a drain only when all are drained, whichever worker is asked', async () => {
    const gateway = await operate('--workers', '3');
    await untilThereAre(gateway, 3);
    const slow = await gateway.begin();
    // Each is a connection of its own, which any of them may take.
    for (let i = 0; i < 10; i++) {
      expect(await gateway.admin('enable?wait=50ms')).toMatchObject({
        drained: false,
        phase: 'pausing',
      });
    }
    await gateway.until('1 in flight', ({ inFlight }) => inFlight === 1);
    const wait = gateway.admin('enable?wait=10s');
    slow.leave();
    expect(await wait).toMatchObject({ drained: true, phase: 'paused', inFlight: 0 });
  });

  it('add up their held requests, and are listed one by one', async () => {
    const gateway = await operate('--workers', '2');
    const pids = await untilThereAre(gateway, 2);
    await gateway.admin('enable?wait=10s');
    const { ends, processes } = await holdInEach(gateway);
    expect(processes.map(({ pid }) => pid)).toEqual(pids);
    expect(processes.reduce((sum, { held }) => sum + held, 0)).toBe(ends.length);
    await gateway.admin('disable');
    expect(await Promise.all(ends)).toEqual(ends.map(() => 200));
  });

  it('lose only the held requests of a killed worker, whose successor holds from its start', async () => {
    const gateway = await operate('--workers', '3', '--access-log', 'off');
    const pids = await untilThereAre(gateway, 3);
    await gateway.admin('enable?wait=10s');
    const { ends, processes } = await holdInEach(gateway);
    const [killed] = processes as [ProcessStatus];
    process.kill(killed.pid, 'SIGKILL');
    await gateway.gateway.saw(
      'stderr',
      new RegExp(`WRN_ANTRACT_WORKER_LOST: worker ${killed.pid} was killed by SIGKILL`),
    );
    await gateway.until(
      'another worker in place of the killed one',
      ({ processes: all, lostProcesses }) =>
        all.length === 3 &&
        !all.some(({ pid }) => pid === killed.pid) &&
        lostProcesses.some(({ pid, ended }) => pid === killed.pid && ended),
    );
    expect(await gateway.admin('enable?wait=10s')).toMatchObject({ drained: true });
    // The worker that answers may not have the last report of the new one yet.
    let newPid: number | undefined;
    await gateway.until('a drained new worker', ({ processes: all }) => {
      const newOne = all.find(({ pid }) => !pids.includes(pid));
      newPid = newOne?.pid;
      return newOne?.acknowledged === true && newOne.drained && newOne.inFlight === 0;
    });
    const more = await holdInEach(gateway, {}, ends.length - killed.held);
    expect(more.processes.map(({ pid }) => pid)).toContain(newPid);
    await gateway.admin('disable');
    const all = await Promise.all(ends);
    expect(all.filter((end) => end === 'ECONNRESET')).toHaveLength(killed.held);
    expect(all.filter((end) => end === 200)).toHaveLength(ends.length - killed.held);
    expect(await Promise.all(more.ends)).toEqual(more.ends.map(() => 200));
  }, 30_000);

  it('drain without a worker that was killed with a request in flight', async () => {
    const gateway = await operate('--workers', '2', '--access-log', 'off');
    await untilThereAre(gateway, 2);
    await gateway.begin();
    const { processes } = await gateway.until('1 in flight', ({ inFlight }) => inFlight === 1);
    const busy = processes.find(({ inFlight }) => inFlight === 1);
    // The kernel chooses the worker. The connection to the killed one breaks: then ask again.
    const drain = async (): Promise<Record<string, unknown>> =>
      gateway.admin('enable?wait=15s').catch(drain);
    const answer = drain();
    await gateway.until('pausing', ({ phase }) => phase === 'pausing');
    process.kill(busy?.pid as number, 'SIGKILL');
    expect(await answer).toMatchObject({ drained: true, inFlight: 0 });
  }, 30_000);

  it('restart a worker with a longer delay each time that it dies soon after its start', async () => {
    const gateway = await operate('--workers', '2');
    let known = await untilThereAre(gateway, 2);
    let pid = known[1] as number;
    for (const pause of ['250 ms', '500 ms', '1 s', '2 s']) {
      process.kill(pid, 'SIGKILL');
      const said = new RegExp(
        `worker ${pid} was killed by SIGKILL; a new worker starts in ${pause}`,
      );
      await gateway.gateway.saw('stderr', said);
      const { processes } = await gateway.until('a new worker', ({ processes: all }) =>
        all.some((one) => !known.includes(one.pid)),
      );
      pid = processes.find((one) => !known.includes(one.pid))?.pid as number;
      known = [...known, pid];
    }
  }, 30_000);

  it('keep the spooled bodies of one another when one restarts', async () => {
    const gateway = await operate('--workers', '2', '--spool-memory', '1kb');
    const pids = await untilThereAre(gateway, 2);
    await gateway.admin('enable?wait=10s');
    const body = Buffer.alloc(300_000, 'x');
    const { ends, processes } = await holdInEach(gateway, { method: 'POST', body });
    const [killed, other] = processes as [ProcessStatus, ProcessStatus];
    process.kill(killed.pid, 'SIGKILL');
    await gateway.until('a new worker', ({ processes: all }) =>
      all.some(({ pid }) => !pids.includes(pid)),
    );
    await gateway.admin('disable');
    const served = (await Promise.all(ends)).filter((end) => end === 200);
    expect(served).toHaveLength(other.held);
    expect(gateway.backend.journal().map(({ bytes }) => bytes)).toEqual(
      served.map(() => body.length),
    );
  }, 30_000);

  describe('with access lines that their reader has not read', () => {
    const path = `/${'y'.repeat(490)}`;
    const begin = async (): Promise<CliProcess> => {
      const { gateway: cli, url } = await operate('--workers', '4');
      cli.readSlowly();
      const headers = { 'user-agent': 'x'.repeat(500) };
      for (let i = 0; i < 60; i++) {
        await Promise.all(Array.from({ length: 40 }, () => request(url + path, { headers })));
      }
      return cli;
    };

    it('exit after a slow reader has read all of them', async () => {
      const cli = await begin();
      cli.readInPieces(150);
      cli.signal('SIGTERM');
      expect(await cli.exited).toEqual({ code: 0, signal: null });
      const lines = cli.stdout.trimEnd().split('\n');
      const paths = lines.map((line) => (JSON.parse(line) as { path: string }).path);
      expect(paths.filter((one) => one === path)).toHaveLength(2400);
    }, 60_000);

    it('exit although the reader reads nothing', async () => {
      const cli = await begin();
      cli.signal('SIGTERM');
      expect(await cli.exited).toEqual({ code: 0, signal: null });
    }, 60_000);
  });
});

describe('several workers that get a signal', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'on %s reject held requests, let others finish, and exit with 0',
    async (signal) => {
      const gateway = await operate('--workers', '2');
      const pids = await untilThereAre(gateway, 2);
      const arrived = gateway.backend.received('/?ms=300');
      const inFlight = request(`${gateway.url}/?ms=300`);
      await arrived;
      await gateway.admin('enable');
      const agent = new http.Agent({ keepAlive: true });
      const held = [1, 2].map(() => request(gateway.url, { agent }));
      await gateway.until('2 held requests', ({ held: count }) => count === 2);
      // A terminal sends it to all of them.
      for (const pid of pids) process.kill(pid, signal);
      gateway.gateway.signal(signal);
      expect((await Promise.all(held)).map(({ status }) => status)).toEqual([503, 503]);
      expect((await inFlight).status).toBe(200);
      expect(await gateway.gateway.exited).toEqual({ code: 0, signal: null });
      expect(pids.filter(isAlive)).toEqual([]);
    },
  );

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('end all at once on a second %s, with %d', async (signal, code) => {
    const gateway = await operate('--workers', '2');
    const pids = await untilThereAre(gateway, 2);
    const arrived = gateway.backend.received('/hang');
    const cutOff = request(`${gateway.url}/hang`).catch(
      (error: NodeJS.ErrnoException) => error.code,
    );
    await arrived;
    gateway.gateway.signal(signal);
    await gateway.gateway.saw('stderr', /a second signal ends/);
    gateway.gateway.signal(signal);
    expect(await gateway.gateway.exited).toEqual({ code, signal: null });
    expect(await cutOff).toBe('ECONNRESET');
    await until(() => !pids.some(isAlive));
  });

  it('finish their requests and exit when the primary is killed', async () => {
    const gateway = await operate('--workers', '2');
    const pids = await untilThereAre(gateway, 2);
    const arrived = gateway.backend.received('/?ms=300');
    const inFlight = request(`${gateway.url}/?ms=300`);
    await arrived;
    // What the workers log about it is lost, too.
    gateway.gateway.stopReadingErrors();
    gateway.gateway.signal('SIGKILL');
    expect((await inFlight).status).toBe(200);
    await until(() => !pids.some(isAlive));
  });

  it('exit in the middle of their start', async () => {
    const cli = runCli(['serve', '--target', target, '--port', '0', '--workers', '2']);
    await until(() => cli.children.length > 0);
    cli.signal('SIGTERM');
    expect(await cli.exited).toEqual({ code: 0, signal: null });
    expect(cli.stderr).not.toMatch(/\n\s+at |WRN_/);
  });
});

describe('workers that can not start', () => {
  it('are reported once, with exit code 1, when the port is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const cli = runCli(['serve', '--target', target, '--port', String(port), '--workers', '3']);
    expect(await cli.exited).toEqual({ code: 1, signal: null });
    expect(cli.stderr.trim()).toBe(
      `antract: Could not listen on port ${port} of 127.0.0.1: another program already uses it.`,
    );
    other.close();
  });

  it.each<[string[], Record<string, string>, RegExp]>([
    [
      ['--workers', '0'],
      {},
      /^antract: Expected `--workers` to be a number from 1 to 256, or auto/,
    ],
    [[], { ANTRACT_WORKERS: 'many' }, /^antract: Expected `ANTRACT_WORKERS` to be a number/],
    [['--workers', '2', '--max-time', 'ever'], {}, /^antract: Expected `--max-time` to be a dur/],
    [['--workers', '2', '--host', '0.0.0.0'], {}, /could take the site down.*ANTRACT_ADMIN_TOKEN`/],
  ])('are reported once, with 2, for %j %j', async (args, env, message) => {
    const cli = runCli(['serve', '--target', target, ...args], env);
    expect(await cli.exited).toEqual({ code: 2, signal: null });
    expect(cli.stderr).toMatch(message);
    expect(cli.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('can not be started by hand', async () => {
    const cli = runCli(['worker']);
    expect(await cli.exited).toEqual({ code: 2, signal: null });
    expect(cli.stderr).toMatch('is started by `antract serve`');
  });
});

it('`--workers auto` starts one worker for each core', async () => {
  const { cli } = await serve(['--target', target, '--workers', 'auto']);
  expect(cli.stderr).toMatch(/\(\d+ workers?\)/);
});

describeWithRedis('workers on a Redis', () => {
  it('workers of two gateways on one Redis pause together, and serve each request once', async () => {
    const redis = await startRedis();
    const flags = ['--workers', '2', '--access-log', 'off', '--redis', redis.url];
    const gateway = await operate(...flags);
    const { url } = await serve(['--target', gateway.backend.url, ...flags]);
    await untilThereAre(gateway, 4);
    const load = [gateway.url, url].map((one) => startLoad(one, 10, Buffer.alloc(2000, 'x')));
    const sent = (): number => load.reduce((sum, one) => sum + one.sent.length, 0);
    for (let i = 0; i < 2; i++) {
      const before = sent();
      await gateway.until('40 more answers', () => sent() >= before + 40);
      expect(await gateway.admin('enable?wait=30s')).toMatchObject({ drained: true });
      await gateway.backend.kill();
      await gateway.until('20 held requests', ({ held }) => held === 20);
      await gateway.backend.start();
      await gateway.admin('disable');
    }
    await Promise.all(load.map((one) => one.stop()));
    const all = load.flatMap((one) => one.sent);
    expect(all.filter(({ status }) => status !== 200)).toEqual([]);
    expect(gateway.backend.journal()).toHaveLength(all.length);
  }, 60_000);
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
