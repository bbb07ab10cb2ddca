/**
 * Several gateways of which one can't be heard any more: cut off from Redis, killed, or with a primary
 * that stands still. A drain is done only when no process may send requests to the backend any more.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import {
  command,
  statusOf,
  untilProcesses,
  untilStatus,
  type Status,
} from '../support/admin-status.ts';
import { killBackends, startBackend, type Backend } from '../support/backend.ts';
import { endAll, runCli, serve, type Serving } from '../support/cli.ts';
import { request } from '../support/http.ts';
import { describeWithRedis, startRedis, stopRedis, type RedisServer } from '../support/redis.ts';
import { SilentLink } from '../support/silent-link.ts';

// Each test takes 20 to 30 s: a process is lost only after it has been silent for a while.
jest.setTimeout(90_000);

/** How long a test waits for one state, in milliseconds. */
const PATIENCE = 30_000;

const isConnectedAndPaused = ({ phase, store }: Status): boolean =>
  phase === 'paused' && store === 'connected';

/** The process that serves requests. */
const workerOf = ({ cli }: Serving): number => cli.children[0] as number;

describeWithRedis('a gateway that the others can not reach', () => {
  let backend: Backend;
  let directory: string;
  let links: SilentLink[];

  beforeEach(async () => {
    links = [];
    backend = await startBackend();
    directory = await mkdtemp(path.join(tmpdir(), 'antract-lost-'));
  });

  afterEach(async () => {
    await endAll();
    await killBackends();
    for (const link of links) await link.close();
    await stopRedis();
    await rm(directory, { recursive: true });
  });

  const start = (redis: string, ...flags: string[]): Promise<Serving> =>
    serve(['--target', backend.url, '--redis', redis, '--access-log', 'off', ...flags]);

  /** The second one reaches Redis by a link that can fall silent. */
  const startTwo = async (
    ...flags: string[]
  ): Promise<{
    first: Serving;
    second: Serving;
    link: SilentLink;
    redis: string;
    server: RedisServer;
  }> => {
    const redis = await startRedis();
    const link = await new SilentLink(redis.port).start();
    links.push(link);
    const first = await start(redis.url);
    const second = await start(link.url, ...flags);
    await untilProcesses(first, 2, PATIENCE);
    return { first, second, link, redis: redis.url, server: redis };
  };

  it('prevents a drain from being reported as done while it serves, and is named', async () => {
    const { first, second, link } = await startTwo();
    link.silent = true;
    const answer = await command(first, 'enable?wait=30s');
    expect(answer).toMatchObject({ status: 202, phase: 'pausing', drained: false });
    expect(answer.lostProcesses).toMatchObject([{ pid: workerOf(second), blocksDrain: true }]);
    expect((await request(`${second.url}/served`)).status).toBe(200);
    const { body } = await request(`${first.adminUrl}/drain?wait=1s`);
    expect(body).toContain(`process ${workerOf(second)} on `);
    expect(body).toContain('lost=ignore');
    expect((await command(first, 'enable?lost=ignore')).status).toBe(400);
    expect(await command(first, 'drain?wait=1s&lost=ignore')).toMatchObject({
      status: 200,
      phase: 'paused',
      drained: true,
    });
    link.silent = false;
    await untilStatus(second, 'connected and paused', isConnectedAndPaused, PATIENCE);
    expect((await command(first, 'drain?wait=10s')).status).toBe(200);
  });

  it('prevents `antract run` from running its command, unless --ignore-lost is given', async () => {
    const { first, second, link } = await startTwo();
    link.silent = true;
    const file = path.join(directory, 'has-run');
    const url = ['--url', first.adminUrl];
    const refused = runCli(['run', ...url, '--', 'touch', file]);
    expect(await refused.exited).toEqual({ code: 3, signal: null });
    expect(refused.stderr).toContain(`process ${workerOf(second)} on `);
    expect(refused.stderr).toMatch(/--ignore-lost.* was not run/s);
    expect(existsSync(file)).toBe(false);
    await untilStatus(first, 'running', ({ phase }) => phase === 'running', PATIENCE);

    const paused = runCli(['pause', ...url, '--wait', '10s']);
    expect(await paused.exited).toEqual({ code: 3, signal: null });
    expect(paused.stderr).toContain(`process ${workerOf(second)} on `);
    expect(await runCli(['resume', ...url]).exited).toEqual({ code: 0, signal: null });

    const done = runCli(['run', ...url, '--ignore-lost', '--', 'touch', file]);
    expect(await done.exited).toEqual({ code: 0, signal: null });
    expect(existsSync(file)).toBe(true);
  });

  it('is known to a gateway that starts later', async () => {
    const { first, second, link, redis } = await startTwo();
    link.silent = true;
    first.cli.signalAll('SIGKILL');
    await first.cli.exited;
    const { port } = new URL(first.url);
    const again = await start(redis, '--port', port);
    const answer = await command(again, 'enable?wait=30s');
    expect(answer.status).toBe(202);
    // Its own predecessor is none of them.
    expect(answer.lostProcesses).toMatchObject([{ pid: workerOf(second) }]);
  });

  it.each(['a restart of Redis', 'FLUSHALL'])(
    'is known to a gateway that starts after %s: a drain is not done, and `run` does not run its command',
    async (how) => {
      const { first, second, link, redis, server } = await startTwo();
      link.silent = true;
      await untilStatus(
        first,
        '1 lost process',
        ({ lostProcesses }) => lostProcesses.length === 1,
        PATIENCE,
      );
      if (how === 'FLUSHALL') await server.cli('FLUSHALL');
      else {
        await server.kill();
        await server.start();
      }
      const third = await start(redis);
      const file = path.join(directory, 'has-run');
      const run = runCli(['run', '--url', third.adminUrl, '--', 'touch', file]);
      expect(await run.exited).toEqual({ code: 3, signal: null });
      expect(run.stderr).toContain(`process ${workerOf(second)} on `);
      expect(existsSync(file)).toBe(false);
      for (const gateway of [third, first]) {
        expect(await command(gateway, 'enable?wait=30s')).toMatchObject({
          status: 202,
          drained: false,
          lostProcesses: [{ pid: workerOf(second), blocksDrain: true }],
        });
      }
      link.silent = false;
      await untilStatus(second, 'connected and paused', isConnectedAndPaused, PATIENCE);
      expect((await command(third, 'drain?wait=30s')).status).toBe(200);
    },
  );

  it.each(['killed', 'frozen'])(
    'can be any of them while Redis is %s: a drain fails at once and names the store',
    async (how) => {
      const { first, second, server } = await startTwo();
      if (how === 'killed') await server.kill();
      else process.kill(server.pid as number, 'SIGSTOP');
      const answer = await command(first, 'enable?wait=10min');
      expect(answer).toMatchObject({
        status: 202,
        drained: false,
        store: 'lost',
        phase: 'pausing',
      });
      const { body } = await request(`${first.adminUrl}/drain?wait=10min`);
      expect(body).toMatch(
        /^Not drained after .*: the store does not answer, so other processes may still send requests to the backend\.\n/,
      );
      expect(body).toContain('/_antract/drain?lost=ignore drains without them');
      expect((await request(`${second.url}/served`)).status).toBe(200);
      expect(await command(first, 'drain?wait=10min&lost=ignore')).toMatchObject({
        status: 200,
        phase: 'paused',
      });
    },
  );

  it('does not prevent a drain once it was restarted at the same address', async () => {
    const { first, second, redis } = await startTwo();
    second.cli.signalAll('SIGKILL');
    await second.cli.exited;
    await start(redis, '--port', new URL(second.url).port);
    expect(await command(first, 'enable?wait=30s')).toMatchObject({
      status: 200,
      lostProcesses: [],
    });
  });

  it('holds requests by itself with --on-store-error fence, and serves them once it is reachable again', async () => {
    const { first, second, link } = await startTwo('--on-store-error', 'fence');
    link.silent = true;
    // The second gateway holds requests before the first one gives it up.
    await untilStatus(
      first,
      '1 lost process',
      ({ lostProcesses }) => lostProcesses.length === 1,
      PATIENCE,
    );
    const held = request(`${second.url}/held`);
    await untilStatus(second, '1 held request', ({ held }) => held === 1, PATIENCE);
    const answer = await command(first, 'enable?wait=30s');
    expect(answer).toMatchObject({ status: 202, lostProcesses: [{ fenced: true }] });
    expect(backend.journal().map(({ url }) => url)).not.toContain('/held');
    link.silent = false;
    await untilStatus(second, 'connected and paused', isConnectedAndPaused, PATIENCE);
    expect((await command(first, 'disable')).status).toBe(200);
    expect((await held).status).toBe(200);
  });

  it('can be the workers of a frozen primary', async () => {
    const redis = await startRedis();
    const first = await start(redis.url);
    const workers = await start(redis.url, '--workers', '2');
    await untilProcesses(first, 3, PATIENCE);
    workers.cli.signal('SIGSTOP');
    const answer = await command(first, 'enable?wait=30s');
    expect(answer.status).toBe(202);
    expect(answer.lostProcesses).toHaveLength(2);
    expect((await request(`${workers.url}/served`)).status).toBe(200);
    workers.cli.signal('SIGCONT');
    await untilProcesses(first, 3, PATIENCE);
    expect((await command(first, 'drain?wait=10s')).status).toBe(200);
    expect((await command(first, 'disable')).status).toBe(200);
    // One that its primary sees end is not waited for.
    const { processes } = await statusOf(first);
    const { pid } = processes.find((one) => one.pid !== workerOf(first)) as { pid: number };
    process.kill(pid, 'SIGKILL');
    expect((await command(first, 'enable?wait=30s')).status).toBe(200);
  });

  it('keeps a pause that Redis has lost, and a gateway that starts then holds as well', async () => {
    const redis = await startRedis();
    const link = await new SilentLink(redis.port).start();
    links.push(link);
    const first = await start(link.url);
    expect((await command(first, 'enable?wait=30s')).status).toBe(200);
    link.silent = true;
    await redis.kill();
    await redis.start();
    const second = await start(redis.url);
    const held = request(`${second.url}/held`);
    await untilStatus(second, '1 held request', ({ held }) => held === 1, PATIENCE);
    link.silent = false;
    await untilStatus(second, 'paused', ({ phase }) => phase === 'paused', PATIENCE);
    expect(backend.journal()).toEqual([]);
    await command(second, 'disable');
    expect((await held).status).toBe(200);
  });
});
