/** `SIGHUP` and `antract reload`: new workers take over, and old ones keep the requests that they hold. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { callAdmin, command, statusOf, untilProcesses } from '../support/admin-status.ts';
import { until, untilSeen } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { request } from '../support/http.ts';
import { describeWithRedis, startRedis, stopRedis } from '../support/redis.ts';
import { endSite, ReloadedSite, send, type End } from '../support/reloading.ts';

let site: ReloadedSite;
beforeEach(() => {
  site = new ReloadedSite();
});
afterEach(() => endSite(site));

describe('a reload of antract serve', () => {
  /** Ten requests held by each of three generations, and the order in which the backend got them. */
  async function releaseThreeGenerations(...flags: string[]): Promise<string[]> {
    await site.start(...flags);
    await site.succeed('pause', '--wait', '10s');
    const ends: Promise<End>[] = [];
    for (const generation of [0, 1, 2]) {
      if (generation > 0) await site.reload();
      for (let i = 0; i < 10; i++) {
        ends.push(send(`${site.url}/${generation}-${i}`));
        await site.untilHeld(ends.length);
      }
    }
    const { processes } = await statusOf(site);
    expect(processes.map(({ held: count }) => count)).toEqual([10, 10, 10]);
    expect(processes.filter(({ leaving }) => leaving)).toHaveLength(2);
    await site.succeed('resume');
    expect(await Promise.all(ends)).toEqual(ends.map(() => 200));
    await until(() => site.cli.children.length === 1);
    // The old workers have exited, and what happened to their requests still counts.
    await untilSeen(
      'a report of all requests',
      async () => (await callAdmin(site, 'report')).body['report'] as Record<string, unknown>,
      ({ held, released }) => held === 30 && released === 30,
      18_000,
    );
    return site.arrived.map(({ url }) => url);
  }

  it('releases the requests of the oldest workers first', async () => {
    const generations = (await releaseThreeGenerations()).map((url) => url.slice(1, 2));
    expect(generations).toEqual([0, 1, 2].flatMap((one) => Array(10).fill(String(one))));
  }, 60_000);

  it('keeps the order of arrival over all generations', async () => {
    const order = await releaseThreeGenerations('--release-concurrency', '1');
    const ofOne = (one: number): string[] => Array.from({ length: 10 }, (_, i) => `/${one}-${i}`);
    expect(order).toEqual([0, 1, 2].flatMap(ofOne));
  }, 60_000);

  it('reads the configuration and the tokens again, also the address of the admin endpoints', async () => {
    await site.start('--admin-token-file', site.file('tokens'));
    const port = await freePort();
    site.setToken('new');
    site.configure({ adminListen: `127.0.0.1:${port}` });
    site.cli.signal('SIGHUP');
    await site.cli.saw('stderr', /Reloaded: 1 new worker took over/);
    await site.untilLeft(1);
    const adminUrl = `http://127.0.0.1:${port}/_antract`;
    await site.succeed('status', '--url', adminUrl, '--token-file', site.file('tokens'));
    const before = site.antract('reload', '--url', adminUrl, '--token', 'old');
    expect((await before.exited).code).toBe(1);
    expect(before.stderr).toContain('The token was not accepted.');
  });

  it('is refused if the state file, which the primary keeps, would change, if an address is in use, or if the code on disk exchanges other messages', async () => {
    await site.start();
    const before = site.cli.children;
    site.configure({ stateFile: 'other.json' });
    expect(await site.failReload()).toMatchObject({
      code: 'ERR_ANTRACT_RELOAD',
      message: expect.stringContaining('Expected `stateFile` not to change in a reload'),
    });
    expect(existsSync(site.file('other.json'))).toBe(false);
    site.configure({ adminListen: new URL(site.url).host });
    expect(await site.failReload()).toMatchObject({
      code: 'ERR_ANTRACT_RELOAD',
      message: expect.stringContaining('another program already uses it'),
    });
    await untilProcesses(site, 1);
    // The new worker has left the store, and so is not missed.
    expect(site.cli.stderr).not.toContain('WRN_ANTRACT_PROCESS_LOST');
    site.configure();
    const ready = `{ mark: 'antract:worker', type: 'ready', protocol: 99 }`;
    site.preload(`if (process.argv[2] === 'worker') process.send(${ready});`);
    expect(await site.failReload()).toMatchObject({
      code: 'ERR_ANTRACT_PROTOCOL',
      message: expect.stringContaining('messages of version 99'),
    });
    await until(() => String(site.cli.children) === String(before));
    expect((await request(site.url)).status).toBe(200);
  });

  it('fails if a new worker does not listen in time, and refuses another one meanwhile', async () => {
    // The primary waits 10 s instead of 30.
    site.preload(`
      const wait = setTimeout;
      globalThis.setTimeout = (call, ms, ...rest) => wait(call, ms === 30_000 ? 10_000 : ms, ...rest);
    `);
    await site.start();
    const before = site.cli.children;
    site.preload(`if (process.argv[2] === 'worker') for (;;);`);
    const first = site.failReload();
    await until(() => site.cli.children.length === 2);
    expect(await site.failReload()).toMatchObject({ code: 'ERR_ANTRACT_RELOADING' });
    expect((await request(site.url)).status).toBe(200);
    expect(await first).toMatchObject({
      code: 'ERR_ANTRACT_RELOAD',
      message: expect.stringContaining('did not listen within 30 s'),
    });
    await until(() => String(site.cli.children) === String(before));
  }, 60_000);

  it('lets old workers exit, at the latest --shutdown-timeout after the end of the pause', async () => {
    await site.start('--shutdown-timeout', '1s');
    const [old] = site.cli.children;
    const hanging = send(`${site.url}/hang`);
    await until(() => site.arrived.length > 0);
    await command(site, 'enable');
    await site.reload();
    // Takes longer than the timeout.
    await site.reload();
    expect(site.cli.children).toContain(old);
    await command(site, 'disable');
    expect(await hanging).toBe('ECONNRESET');
    await until(() => !site.cli.children.includes(old as number));
  });

  it('lets SIGTERM end old workers, too, which reject what they hold', async () => {
    await site.start();
    await site.succeed('pause');
    const old = send(site.url);
    await site.untilHeld(1);
    await site.reload();
    const current = send(site.url);
    await site.untilHeld(2);
    site.cli.signal('SIGTERM');
    expect(await Promise.all([old, current])).toEqual([503, 503]);
    expect(await site.cli.exited).toEqual({ code: 0, signal: null });
  });

  it('is refused, and not failed, when SIGTERM ends antract meanwhile', async () => {
    await site.start();
    // The primary does not hear that a new worker listens.
    site.preload(`
      if (process.argv[2] === 'worker') {
        const send = process.send;
        process.send = (message, ...rest) => message.type === 'listens' || send.call(process, message, ...rest);
      }
    `);
    const reload = site.failReload();
    await until(() => site.cli.children.length === 2);
    site.cli.signal('SIGTERM');
    expect(await reload).toMatchObject({
      code: 'ERR_ANTRACT_CLOSED',
      message: expect.stringContaining('antract is shutting down, so it was not reloaded.'),
    });
    expect(await site.cli.exited).toEqual({ code: 0, signal: null });
  });

  it('does not let a counter fall, nor lose what a worker counted between two scrapes', async () => {
    await site.start();
    const passed = async (): Promise<number> => {
      const { body } = await request(`${site.adminUrl}/metrics`);
      const sample = /antract_requests_total\{app="default",outcome="passed",status="2xx"\} (\d+)/;
      return Number(sample.exec(body)?.[1]);
    };
    await passed();
    for (let i = 0; i < 2; i++) {
      const [old] = site.cli.children;
      for (let i = 0; i < 3; i++) expect(await send(site.url)).toBe(200);
      await site.reload();
      await until(() => !site.cli.children.includes(old as number));
    }
    expect(await passed()).toBe(6);
  }, 60_000);
});

describeWithRedis('two gateways on one Redis', () => {
  afterEach(stopRedis);

  it('are reloaded one after the other within one pause, and each serves its requests in order', async () => {
    const { url } = await startRedis();
    const flags = ['--redis', url, '--release-concurrency', '1'];
    const other = new ReloadedSite();
    const sites = [await site.start(...flags), await other.start(...flags)];
    try {
      await untilProcesses(site, 2);
      await command(site, 'enable?wait=10s');
      const ends: Promise<End>[] = [];
      const hold = async (name: string): Promise<void> => {
        for (const i of [0, 1, 2]) {
          for (const each of sites) ends.push(send(`${each.url}/${name}-${i}`));
          await site.untilHeld(ends.length);
        }
      };
      await hold('first');
      await site.reload();
      await hold('second');
      await other.reload();
      await hold('third');
      await untilProcesses(other, 4);
      await command(other, 'disable');
      expect(await Promise.all(ends)).toEqual(ends.map(() => 200));
      const names = ['first', 'second', 'third'].flatMap((name) =>
        [0, 1, 2].map((i) => `/${name}-${i}`),
      );
      for (const { arrived } of sites) expect(arrived.map(({ url }) => url)).toEqual(names);
    } finally {
      other.remove();
    }
  }, 60_000);
});
