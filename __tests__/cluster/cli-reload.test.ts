/** `SIGHUP` and `antract reload`: new workers take over within a pause, and no request is lost. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { statusOf, untilStatus } from '../support/admin-status.ts';
import { endAll, runCli, serve, type CliProcess, type Serving } from '../support/cli.ts';
import { until } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { closeAll, connect, listen, readUntil, request } from '../support/http.ts';

let folder: string;
const file = (name: string): string => path.join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'antract-reload-'));
});

afterEach(async () => {
  await endAll();
  await closeAll();
  rmSync(folder, { recursive: true, force: true });
});

interface Site extends Serving {
  /** The URL and the size of the body of each request, in the order in which the backend got them. */
  readonly arrived: { url: string; bytes: number }[];
  readonly target: string;
}

/** What each process of antract runs first: a file that a test can replace, like the code on disk. */
const preload = (code: string): void => writeFileSync(file('preload.cjs'), code);
const configure = (config: object): void =>
  writeFileSync(file('config.json'), JSON.stringify(config));
const crash = `if (process.argv[2] === 'worker') process.exit(7);`;

async function start(...flags: string[]): Promise<Site> {
  const arrived: Site['arrived'] = [];
  const { server, url: target } = await listen(async (req, res) => {
    let bytes = 0;
    for await (const chunk of req as AsyncIterable<Buffer>) bytes += chunk.length;
    arrived.push({ url: req.url as string, bytes });
    if (req.url === '/hang') return;
    res.end(req.url);
  });
  server.on('upgrade', (req, socket) => {
    arrived.push({ url: req.url as string, bytes: 0 });
    socket.end(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    );
  });
  preload('');
  configure({ target });
  writeFileSync(file('tokens'), 'old\n', { mode: 0o600 });
  const env = { NODE_OPTIONS: `--require=${file('preload.cjs')}` };
  const serving = await serve(
    ['--config', file('config.json'), '--access-log', 'off', ...flags],
    env,
  );
  return { ...serving, arrived, target };
}

const antract = ({ adminUrl }: Serving, ...args: string[]): CliProcess =>
  runCli(args, { ANTRACT_URL: adminUrl });

async function succeed(site: Serving, ...args: string[]): Promise<string> {
  const cli = antract(site, ...args);
  const { code } = await cli.exited;
  expect([code, cli.stderr]).toEqual([0, '']);
  return cli.stdout;
}

/** Resolves when the workers of the last reload have closed their listeners. */
async function untilLeft({ cli }: Serving, workers: number): Promise<void> {
  const left = `(?:leaving: accepts no more connections[\\s\\S]*){${workers}}`;
  await cli.saw('stderr', new RegExp(left));
}

async function reload(site: Serving): Promise<void> {
  site.cli.stderr = '';
  const said = await succeed(site, 'reload');
  const [, leaving = ''] = /(\d+) old workers? will exit/.exec(said) ?? [];
  await untilLeft(site, Number(leaving));
}

const held = (site: Serving, count: number) =>
  untilStatus(site, `${count} held requests`, (status) => status.held === count);

type End = number | string;

const send = (url: string, options?: Parameters<typeof request>[1]): Promise<End> =>
  request(url, options).then(
    ({ status }) => status,
    (error: NodeJS.ErrnoException) => error.code ?? String(error),
  );

/** An upload of which half is sent. The function sends the rest. */
function beginUpload(url: string, body: Buffer): { end: Promise<End>; finish: () => void } {
  const half = body.length / 2;
  const headers = { 'Content-Length': body.length };
  const client = http.request(url, { method: 'POST', headers, agent: false });
  client.write(body.subarray(0, half));
  const end = once(client, 'response').then(
    ([res]: http.IncomingMessage[]) => {
      res?.resume();
      return res?.statusCode ?? 0;
    },
    (error: NodeJS.ErrnoException) => error.code ?? String(error),
  );
  return { end, finish: () => void client.end(body.subarray(half)) };
}

async function handshake(port: number, name: string): Promise<End> {
  const socket = await connect(port);
  socket.write(
    `GET ${name} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  const head = await Promise.race([
    readUntil(socket, (text) => text.includes('\r\n\r\n')),
    once(socket, 'close').then(() => 'closed without a response'),
  ]);
  return Number(head.split(' ')[1]);
}

/** A new connection every 20 ms. */
function startClients(url: string): () => Promise<{ urls: string[]; ends: End[] }> {
  const urls: string[] = [];
  const ends: Promise<End>[] = [];
  const timer = setInterval(() => {
    const next = `/new?n=${urls.length}`;
    urls.push(next);
    ends.push(send(url + next));
  }, 20);
  return async () => {
    clearInterval(timer);
    return { urls, ends: await Promise.all(ends) };
  };
}

const descriptorsOf = ({ cli }: Serving): number => readdirSync(`/proc/${cli.pid}/fd`).length;

const isOnLinux = process.platform === 'linux';
const UPLOAD = Buffer.alloc(1_000_000, 'x');

describe.each([
  ['in its default configuration', [], 1],
  ['with --workers 2', ['--workers', '2'], 2],
])('antract serve %s that is reloaded within one pause', (_how, flags, workers) => {
  it('answers each held and new request once, although two of the reloads fail', async () => {
    const site = await start(...flags, '--release-concurrency', '20');
    const { port } = new URL(site.url);
    const descriptors = isOnLinux ? descriptorsOf(site) : 0;
    await succeed(site, 'pause', '--wait', '10s');
    const urls: string[] = [];
    const ends: Promise<End>[] = [];
    const finish: (() => void)[] = [];
    const holdMore = async (): Promise<void> => {
      const generation = `gen${finish.length}`;
      for (let i = 0; i < 20; i++) urls.push(`/get?${generation}-${i}`);
      for (const url of urls.slice(-20)) ends.push(send(site.url + url));
      urls.push(`/upload?${generation}`, `/half?${generation}`, `/socket?${generation}`);
      ends.push(send(`${site.url}/upload?${generation}`, { method: 'POST', body: UPLOAD }));
      const upload = beginUpload(`${site.url}/half?${generation}`, UPLOAD);
      ends.push(upload.end, handshake(Number(port), `/socket?${generation}`));
      finish.push(upload.finish);
      await held(site, ends.length);
    };

    await holdMore();
    await reload(site);
    await holdMore();
    site.cli.stderr = '';
    site.cli.signal('SIGHUP');
    await untilLeft(site, workers);
    await holdMore();
    configure({ target: 'no URL' });
    const broken = antract(site, 'reload');
    expect((await broken.exited).code).toBe(1);
    expect(broken.stderr).toContain('config.json: Expected `target`');
    configure({ target: site.target });
    const stop = startClients(site.url);
    preload(crash);
    const crashed = antract(site, 'reload');
    expect((await crashed.exited).code).toBe(1);
    expect(crashed.stderr).toContain('exited with code 7 before it listened');
    preload('');
    await reload(site);
    await reload(site);

    for (const send of finish) send();
    await succeed(site, 'resume');
    expect(await Promise.all(ends)).toEqual(
      urls.map((url) => (url.startsWith('/socket') ? 101 : 200)),
    );
    const clients = await stop();
    expect(clients.ends.filter((end) => end !== 200)).toEqual([]);
    const journal = site.arrived.filter(({ url }) => url !== '/');
    expect(journal.map(({ url }) => url).sort()).toEqual([...urls, ...clients.urls].sort());
    const uploads = journal.filter(({ url }) => /^\/(upload|half)/.test(url));
    expect(uploads.map(({ bytes }) => bytes)).toEqual(uploads.map(() => UPLOAD.length));
    if (isOnLinux) await until(() => descriptorsOf(site) === descriptors);
    await untilStatus(site, 'the end of the release', (status) => status.phase === 'running');
  }, 90_000);
});

const workersOf = ({ cli }: Serving): string[] =>
  readFileSync(`/proc/${cli.pid}/task/${cli.pid}/children`, 'utf8').trim().split(' ');

async function failReload(site: Serving): Promise<{ code: string; message: string }> {
  const cli = antract(site, 'reload', '--json');
  expect((await cli.exited).code).toBe(1);
  return (JSON.parse(cli.stdout) as { error: { code: string; message: string } }).error;
}

const describeOnLinux = isOnLinux ? describe : describe.skip;

describeOnLinux('a reload of antract serve', () => {
  /** Ten requests held by each of three generations, and the order in which the backend got them. */
  async function releaseThreeGenerations(...flags: string[]): Promise<string[]> {
    const site = await start(...flags);
    await succeed(site, 'pause', '--wait', '10s');
    const ends: Promise<End>[] = [];
    for (const generation of [0, 1, 2]) {
      if (generation > 0) await reload(site);
      for (let i = 0; i < 10; i++) {
        ends.push(send(`${site.url}/${generation}-${i}`));
        await held(site, ends.length);
      }
    }
    const { processes } = await statusOf(site);
    expect(processes.map(({ held: count }) => count)).toEqual([10, 10, 10]);
    expect(processes.filter(({ leaving }) => leaving)).toHaveLength(2);
    await succeed(site, 'resume');
    expect(await Promise.all(ends)).toEqual(ends.map(() => 200));
    return site.arrived.map(({ url }) => url).filter((url) => url !== '/');
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
    const site = await start('--admin-token-file', file('tokens'));
    const port = await freePort();
    writeFileSync(file('tokens'), 'new\n', { mode: 0o600 });
    configure({ target: site.target, adminListen: `127.0.0.1:${port}` });
    site.cli.signal('SIGHUP');
    await site.cli.saw('stderr', /Reloaded: 1 new worker took over/);
    await untilLeft(site, 1);
    const adminUrl = `http://127.0.0.1:${port}/_antract`;
    await succeed({ ...site, adminUrl }, 'status', '--token-file', file('tokens'));
    const before = antract({ ...site, adminUrl }, 'reload', '--token', 'old');
    expect((await before.exited).code).toBe(1);
    expect(before.stderr).toContain('The token was not accepted.');
  });

  it('is refused if the state file, which the primary keeps, would change', async () => {
    const site = await start();
    configure({ target: site.target, stateFile: 'other.json' });
    expect(await failReload(site)).toMatchObject({
      code: 'ERR_ANTRACT_RELOAD',
      message: expect.stringContaining('Expected `stateFile` not to change in a reload'),
    });
    expect(existsSync(file('other.json'))).toBe(false);
  });

  it('is refused if the code on disk exchanges other messages', async () => {
    const site = await start();
    const [worker] = workersOf(site);
    const ready = `{ mark: 'antract:worker', type: 'ready', protocol: 99 }`;
    preload(`if (process.argv[2] === 'worker') process.send(${ready});`);
    expect(await failReload(site)).toMatchObject({
      code: 'ERR_ANTRACT_PROTOCOL',
      message: expect.stringContaining('messages of version 99'),
    });
    await until(() => String(workersOf(site)) === worker);
    expect((await request(site.url)).status).toBe(200);
  });

  it('fails if a new worker does not listen in time, and refuses another one meanwhile', async () => {
    const site = await start();
    const before = workersOf(site);
    preload(`if (process.argv[2] === 'worker') for (;;);`);
    const first = failReload(site);
    await until(() => workersOf(site).length === 2);
    expect(await failReload(site)).toMatchObject({ code: 'ERR_ANTRACT_RELOADING' });
    expect((await request(site.url)).status).toBe(200);
    expect(await first).toMatchObject({
      code: 'ERR_ANTRACT_RELOAD',
      message: expect.stringContaining('did not listen within 30 s'),
    });
    await until(() => String(workersOf(site)) === String(before));
  }, 60_000);

  it('lets old workers exit, at the latest --shutdown-timeout after they hold nothing', async () => {
    const site = await start('--shutdown-timeout', '2s');
    const [old] = workersOf(site);
    const hanging = send(`${site.url}/hang`);
    await until(() => site.arrived.length > 0);
    await reload(site);
    expect(workersOf(site)).toContain(old);
    expect(await hanging).toBe('ECONNRESET');
    await until(() => !workersOf(site).includes(String(old)));
  });

  it('lets SIGTERM end old workers, too, which reject what they hold', async () => {
    const site = await start();
    await succeed(site, 'pause');
    const old = send(site.url);
    await held(site, 1);
    await reload(site);
    const current = send(site.url);
    await held(site, 2);
    site.cli.signal('SIGTERM');
    expect(await Promise.all([old, current])).toEqual([503, 503]);
    expect(await site.cli.exited).toEqual({ code: 0, signal: null });
  });

  it('does not let a counter fall', async () => {
    const site = await start();
    const passed = async (): Promise<number> => {
      const { body } = await request(`${site.adminUrl}/metrics`);
      return Number(
        /antract_requests_total\{app="default",outcome="passed"\} (\d+)/.exec(body)?.[1],
      );
    };
    await passed();
    for (let i = 0; i < 3; i++) await request(site.url);
    const [old] = workersOf(site);
    await reload(site);
    await until(() => !workersOf(site).includes(String(old)));
    expect(await passed()).toBe(3);
  });
});
