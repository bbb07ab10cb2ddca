/**
 * A gateway that stands still while the others are paused, as under SIGSTOP, a snapshot of its machine, or
 * a swap storm. The others give it up and work on the backend: when it goes on, it must not let through what
 * has come to it meanwhile.
 */
import http from 'node:http';
import { afterEach, expect, it } from '@jest/globals';
import { killBackends, startBackend } from '../support/backend.ts';
import { command, untilProcesses, untilStatus, type Status } from '../support/admin-status.ts';
import { endAll, serve } from '../support/cli.ts';
import { request } from '../support/http.ts';
import { describeWithRedis, startRedis, stopRedis } from '../support/redis.ts';

const CLIENTS = 20;

describeWithRedis('a gateway that was frozen', () => {
  afterEach(async () => {
    await endAll();
    await killBackends();
    await stopRedis();
  });

  it('releases no request into a pause that it has missed', async () => {
    const redis = await startRedis();
    const backend = await startBackend();
    const flags = ['--target', backend.url, '--redis', redis.url, '--access-log', 'off'];
    const [awake, frozen] = [await serve(flags), await serve(flags)];
    await untilProcesses(awake, 2);
    const agent = new http.Agent({ keepAlive: true });
    let answered = 0;
    const askAll = (name: string) =>
      Promise.all(
        Array.from({ length: CLIENTS }, async (_, i) => {
          const { status } = await request(`${frozen.url}/${name}?id=${i}`, { agent });
          answered++;
          return status;
        }),
      );
    await askAll('before');

    frozen.cli.signalAll('SIGSTOP');
    const answers = askAll('meanwhile');
    expect((await command(awake, 'enable?wait=30s&lost=ignore')).phase).toBe('paused');
    frozen.cli.signalAll('SIGCONT');
    const heldOf = ({ processes }: Status) => processes.reduce((sum, { held }) => sum + held, 0);
    await untilStatus(
      awake,
      'every request held or answered',
      (status) => heldOf(status) + answered >= 2 * CLIENTS,
      30_000,
    );
    expect(backend.journal().filter(({ url }) => url.startsWith('/meanwhile'))).toEqual([]);

    await command(awake, 'disable');
    expect(new Set(await answers)).toEqual(new Set([200]));
    expect(backend.journal()).toHaveLength(2 * CLIENTS);
    agent.destroy();
  }, 60_000);
});
