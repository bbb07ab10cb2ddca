/** A gateway whose process may have only a few file descriptors. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { divideDescriptors } from '../../lib/common/descriptors.ts';
import { endAll, serveWithin, type Serving } from '../support/cli.ts';
import { closeAll, connect, listen, request } from '../support/http.ts';

afterEach(async () => {
  await endAll();
  await closeAll();
});

const LIMIT = 120;
const ignore = (): void => undefined;
const command = (site: Serving, name: string) => request(`${site.adminUrl}/${name}`);

const openBackend = () => listen((req, res) => req.resume().once('end', () => res.end('done')));

/** A status, or the code of an error. */
async function outcome(url: string, body?: Buffer): Promise<number | string> {
  try {
    const options = body ? { method: 'POST', body } : {};
    return (await request(url, options)).status;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

function countEach<T>(items: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}

/** More clients than there are descriptors, each of which sends this and no more. */
async function flood(port: number, sent: string): Promise<void> {
  const one = async (): Promise<void> => {
    const client = await connect(port);
    client.on('data', ignore).write(sent);
  };
  await Promise.all(Array.from({ length: 200 }, one));
}

/** The first of these requests that are answered are the refused ones; resolves when there are so many. */
async function ended(all: readonly Promise<unknown>[], count: number): Promise<void> {
  let left = count;
  await new Promise<void>((resolve) => {
    for (const one of all) void one.then(() => --left === 0 && resolve());
  });
}

describe('at the limit of open files', () => {
  it.each([
    ['requests without a body', 0, []],
    ['uploads that are spooled to files', 200_000, []],
    ['requests to two workers', 0, ['--workers', '2']],
  ])(
    'commands work, held requests are all answered by the backend, and the others get 503 (%s)',
    async (_name, size, args) => {
      const backend = await openBackend();
      const site = await serveWithin(LIMIT, ['--target', backend.url, ...args]);
      expect((await command(site, 'enable')).status).toBe(200);
      const clients = args.length > 0 ? 260 : 130;
      const body = size > 0 ? Buffer.alloc(size) : undefined;
      const all = Array.from({ length: clients }, () => outcome(site.url, body));
      await ended(all, args.length > 0 ? 40 : 20);
      expect((await command(site, 'status')).status).toBe(200);
      expect((await command(site, 'disable')).status).toBe(200);
      const counts = countEach(await Promise.all(all));
      if (body) {
        // So many at once are closed while they still send, and a Node client may then miss its 503.
        for (const code of ['ECONNRESET', 'EPIPE', 503]) counts.delete(code);
        expect([...counts.keys()]).toEqual([200]);
      } else expect(new Set(counts.keys())).toEqual(new Set([200, 503]));
      expect(counts.get(200)).toBeGreaterThan(20);
      expect(site.cli.stderr).toMatch(
        /WRN_ANTRACT_DESCRIPTORS: client connections have reached the limit of open files/,
      );
    },
  );

  it('clients that send nothing block neither admin commands nor clients connected before', async () => {
    const site = await serveWithin(LIMIT, ['--target', (await openBackend()).url]);
    const port = Number(new URL(site.url).port);
    const before = await connect(port);
    await flood(port, '');
    for (const name of ['status', 'enable', 'disable']) {
      // oxlint-disable-next-line no-await-in-loop
      expect((await command(site, name)).status).toBe(200);
    }
    before.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(String((await once(before, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('clients that never finish a request body do not block admin commands', async () => {
    const site = await serveWithin(LIMIT, ['--target', (await openBackend()).url]);
    const port = Number(new URL(site.url).port);
    await flood(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx');
    for (const name of ['status', 'enable', 'status', 'disable']) {
      // oxlint-disable-next-line no-await-in-loop
      expect((await command(site, name)).status).toBe(200);
    }
  });

  it('idle clients that all send a request at once wait for the few backend connections, and get no 502', async () => {
    const backend = await openBackend();
    const site = await serveWithin(LIMIT, ['--target', backend.url, '--hold-on-outage', '0']);
    const port = Number(new URL(site.url).port);
    const clients = await Promise.all(Array.from({ length: 50 }, () => connect(port)));
    // The gateway accepts this connection last, so none of the clients is refused for want of a descriptor.
    await command(site, 'status');
    const ask = async (client: Socket): Promise<string> => {
      client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      return String((await once(client, 'data'))[0]).slice(9, 12);
    };
    const answers = await Promise.all(clients.map(ask));
    expect(countEach(answers)).toEqual(new Map([['200', 50]]));
  });

  it.each([
    ['without a body', {}],
    ['with an upload', { method: 'POST', body: Buffer.alloc(2_000_000) }],
  ])('a client beyond it gets an answer that says so: a request %s', async (_name, options) => {
    const backend = await openBackend();
    const site = await serveWithin(LIMIT, ['--target', backend.url]);
    const port = Number(new URL(site.url).port);
    await Promise.all(Array.from({ length: 100 }, () => connect(port)));
    const refused = await request(site.url, options);
    expect(refused).toMatchObject({ status: 503, headers: { connection: 'close' } });
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'ERR_ANTRACT_TOO_MANY_CONNECTIONS' });
  });
});

describe('a gateway that starts', () => {
  it('warns when the limit of open files is too low for maxQueue', async () => {
    const site = await serveWithin(LIMIT, ['--target', 'http://127.0.0.1:9']);
    await site.cli.saw(
      'stderr',
      /WRN_ANTRACT_DESCRIPTORS: the limit of open files \(120\) is too low for maxQueue/,
    );
  });

  it('does not warn when the limit of open files is high enough', async () => {
    const args = ['--target', 'http://127.0.0.1:9', '--max-queue', '50'];
    const site = await serveWithin(LIMIT, args);
    expect(site.cli.stderr).not.toContain('WRN_ANTRACT_DESCRIPTORS');
  });
});

it.each([16, 64, 120, 256, 1024, 65_536, 1_048_576])(
  'of %i descriptors each kind of use gets some, and the parts add up',
  (total) => {
    const { clients, backends, overflow } = divideDescriptors(total);
    expect(clients).toBeGreaterThanOrEqual(total / 2);
    // Also while the overflow is full.
    expect(backends - overflow).toBeGreaterThan(clients);
    expect(backends + overflow).toBeLessThan(total);
  },
);

it('connections are not limited when the limit of open files is unknown', () => {
  expect(divideDescriptors(Infinity)).toMatchObject({ clients: Infinity, backends: Infinity });
});
