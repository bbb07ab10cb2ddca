/**
 * The whole system, as it is meant to be used: gateway and backend as processes, clients that never
 * stop, and a backend that is killed in the middle of it all.
 */
import { afterEach, expect, it } from '@jest/globals';
import { killBackends, startBackend } from '../support/backend.ts';
import { endAll, serve } from '../support/cli.ts';
import { command, statusOf, untilStatus } from '../support/admin-status.ts';
import { eventually } from '../support/eventually.ts';
import { startLoad } from '../support/load.ts';

const CLIENTS = 50;
const WINDOWS = 3;
const UPLOAD = Buffer.alloc(2000, 'x');

afterEach(async () => {
  await endAll();
  await killBackends();
});

it('a gateway process loses no request and sends none twice over three pauses in which the backend is killed', async () => {
  const backend = await startBackend();
  const { cli, url, adminUrl } = await serve(['--target', backend.url, '--access-log', 'off']);
  const gateway = { adminUrl };
  const load = startLoad(url, CLIENTS, UPLOAD);
  const answers = (count: number): Promise<void> => {
    const enough = load.sent.length + count;
    return eventually(`${enough} answers`, () => load.sent.length >= enough, 20_000);
  };

  for (let window = 0; window < WINDOWS; window++) {
    // Each client has been answered at least once since the last window.
    await answers(2 * CLIENTS);
    expect((await command(gateway, 'enable?wait=30s')).status).toBe(200);
    expect(await statusOf(gateway)).toMatchObject({ phase: 'paused', inFlight: 0 });
    await backend.kill();
    await untilStatus(gateway, 'all clients held', ({ held }) => held >= CLIENTS);
    expect((await statusOf(gateway)).held).toBe(CLIENTS);
    await backend.start();
    expect((await command(gateway, 'disable')).status).toBe(200);
  }
  await answers(CLIENTS);
  await load.stop();

  expect(load.sent.filter(({ status }) => status !== 200)).toEqual([]);
  const journal = backend.journal();
  expect(journal.map((entry) => entry.url).sort()).toEqual(
    load.sent.map(({ path }) => path).sort(),
  );
  expect(
    journal.every(({ method, bytes }) => bytes === (method === 'POST' ? UPLOAD.length : 0)),
  ).toBe(true);
  expect(await statusOf(gateway)).toMatchObject({ phase: 'running', held: 0, inFlight: 0 });

  cli.signal('SIGTERM');
  expect(await cli.exited).toEqual({ code: 0, signal: null });
});
