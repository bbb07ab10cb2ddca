/**
 * The whole system, as it is meant to be used: gateway and backend as processes, clients that never
 * stop, and a backend that is killed in the middle of it all.
 */
import { afterEach, expect, it } from '@jest/globals';
import http from 'node:http';
import { killBackends, startBackend } from '../support/backend.ts';
import { endAll, serve } from '../support/cli.ts';
import { request } from '../support/http.ts';

const CLIENTS = 50;
const WINDOWS = 3;
const BODY = 'x'.repeat(2000);

afterEach(async () => {
  await endAll();
  await killBackends();
});

/** Asks again as soon as it is answered, over one connection; GET and POST by turns. */
class Client {
  readonly statuses = new Map<string, number | string>();
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  readonly #run: Promise<void>;
  #stopped = false;

  constructor(url: string, name: string) {
    this.#run = this.#loop(url, name);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#run;
    this.#agent.destroy();
  }

  async #loop(url: string, name: string): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const path = `/${name}/${i}`;
      const method = i % 2 === 0 ? 'GET' : 'POST';
      const options = { method, agent: this.#agent, ...(method === 'POST' && { body: BODY }) };
      const status = await request(url + path, options).then(
        (answer) => answer.status,
        (error: unknown) => String(error),
      );
      this.statuses.set(path, status);
    }
  }
}

interface Status {
  phase: string;
  held: number;
  inFlight: number;
}

it('loses nothing and does nothing twice over three windows in which the backend is killed', async () => {
  const backend = await startBackend();
  const { cli, url, adminUrl } = await serve(['--target', backend.url, '--access-log', 'off']);
  const command = (path: string) =>
    request(adminUrl + path, { headers: { accept: 'application/json' } });
  const status = async () => JSON.parse((await command('/status?app=default')).body) as Status;
  const clients = Array.from({ length: CLIENTS }, (_, i) => new Client(url, `client-${i}`));
  const answered = () => clients.reduce((sum, { statuses }) => sum + statuses.size, 0);
  const heldInWindows: number[] = [];

  for (let window = 0; window < WINDOWS; window++) {
    const before = answered();
    // Everybody has been answered at least once since the last window.
    while (answered() < before + 2 * CLIENTS) await status();
    expect((await command('/enable?wait=30s')).status).toBe(200);
    expect(await status()).toMatchObject({ phase: 'paused', inFlight: 0 });
    await backend.kill();
    while ((await status()).held < CLIENTS) continue;
    heldInWindows.push((await status()).held);
    await backend.start();
    expect((await command('/disable')).status).toBe(200);
  }
  const before = answered();
  while (answered() < before + CLIENTS) await status();
  await Promise.all(clients.map((client) => client.stop()));

  const all = new Map(clients.flatMap(({ statuses }) => [...statuses]));
  expect([...all].filter(([, code]) => code !== 200)).toEqual([]);
  const journal = backend.journal();
  expect(journal.map((entry) => entry.url).sort()).toEqual([...all.keys()].sort());
  expect(
    journal.every(({ method, bytes }) => bytes === (method === 'POST' ? BODY.length : 0)),
  ).toBe(true);
  expect(heldInWindows).toEqual(Array.from({ length: WINDOWS }, () => CLIENTS));
  expect(await status()).toMatchObject({ phase: 'running', held: 0, inFlight: 0 });

  cli.signal('SIGTERM');
  expect(await cli.exited).toEqual({ code: 0, signal: null });
});
