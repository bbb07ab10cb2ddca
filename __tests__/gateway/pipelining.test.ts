/** Clients that send requests over one HTTP/1.1 connection without waiting for the responses. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { GatewayConfig } from '../../lib/gateway/server/gateway.ts';
import { createAntract, type Antract } from '../../lib/index.ts';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, connect, listen } from '../support/http.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { until } from '../support/eventually.ts';

/** How many held requests one connection may have. */
const LIMIT = 16;

afterEach(async () => {
  await closeGateways();
  await closeAll();
});

const get = (path: string, host = 'a'): string => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const gets = (count: number, host = 'a'): string =>
  Array.from({ length: count }, (_, index) => get(`/${index + 1}`, host)).join('');
const post = (path: string, bytes: number, host = 'a'): string =>
  `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`;
const posts = (count: number, bytes: number): string =>
  Array.from({ length: count }, (_, index) => post(`/${index + 1}`, bytes)).join('');

interface Site {
  antract: Antract;
  port: number;
  /** What the backend, or the handler behind the middleware, has received. */
  paths: string[];
  bodies: number[];
  /** How many requests the server in front has taken. */
  taken: () => number;
}

/** `/big` is answered with 100 KB, any other path with itself. */
const answer =
  (paths: string[], bodies: number[]) =>
  async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    paths.push(req.url ?? '');
    let bytes = 0;
    try {
      for await (const chunk of req) bytes += (chunk as Buffer).length;
    } catch {
      return;
    }
    bodies.push(bytes);
    res.end(req.url === '/big' ? 'x'.repeat(100_000) : `<${req.url}>`);
  };

const sites: [string, () => Promise<Site>][] = [
  [
    'the gateway',
    async () => {
      const [paths, bodies]: [string[], number[]] = [[], []];
      const backend = await listen((req, res) => void answer(paths, bodies)(req, res));
      const { antract, server, port } = await openGateway({
        apps: { a: { target: backend.url }, b: { target: backend.url } },
      });
      let taken = 0;
      server.on('request', () => taken++);
      return { antract, port, paths, bodies, taken: () => taken };
    },
  ],
  [
    'the middleware',
    async () => {
      const [paths, bodies]: [string[], number[]] = [[], []];
      const antract = createAntract({ logger: silentLogger });
      const pause = antract.pause({ app: (req) => req.headers.host });
      const { server, port } = await listen((req, res) =>
        pause(req, res, () => void answer(paths, bodies)(req, res)),
      );
      await antract.enable('a');
      await antract.enable('b');
      await antract.disable('a');
      await antract.disable('b');
      let taken = 0;
      server.on('request', () => taken++);
      return { antract, port, paths, bodies, taken: () => taken };
    },
  ],
];

const leavings: [string, (socket: Socket) => unknown][] = [
  ['ends its side', (socket) => socket.end()],
  ['closes', (socket) => socket.destroy()],
  ['resets', (socket) => socket.resetAndDestroy()],
];

async function send(port: number, ...parts: string[]): Promise<{ socket: Socket; text(): string }> {
  const socket = await connect(port);
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  for (const part of parts) socket.write(part);
  return { socket, text: () => text };
}

const answered = (text: string): string[] =>
  [...text.matchAll(/<(.*?)>/g)].map((all) => all[1] ?? '');
const pathsTo = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `/${index + 1}`);

describe.each(sites)('through %s, a connection with pipelined requests', (_name, start) => {
  const held = (site: Site): number => site.antract.status('a').held;

  it.each([
    ['10,100 GETs', gets(10_100)],
    ['1,000 uploads', posts(1000, 5000)],
    ['one upload after the other, each larger than a buffer', posts(40, 200_000)],
  ])(
    'uses only a few places with %s, and leaves the others to other clients',
    async (_what, requests) => {
      const site = await start();
      await site.antract.enable('a');
      const flood = await send(site.port, requests);
      await until(() => held(site) >= LIMIT);
      const other = await send(site.port, get('/other'));
      await until(() => held(site) === LIMIT + 1);
      // All that the client has sent is read, and no request of it is taken.
      await until(() => flood.socket.writableLength === 0);
      expect(held(site)).toBe(LIMIT + 1);
      expect(site.taken()).toBe(LIMIT + 1);
      expect(other.text()).toBe('');
      flood.socket.destroy();
      await until(() => held(site) === 1);
    },
  );

  it.each(leavings)(
    'frees its places in the queue at once when its client %s',
    async (_how, leave) => {
      const site = await start();
      await site.antract.enable('a');
      for (const requests of [gets(3), gets(10_100), posts(1000, 5000)]) {
        const { socket } = await send(site.port, requests);
        await until(() => held(site) > 2 && socket.writableLength === 0);
        leave(socket);
        await until(() => held(site) === 0);
      }
      expect(site.paths).toEqual([]);
    },
  );

  it.each(leavings)(
    'frees the place of a held request that blocks other responses when its client %s',
    async (_how, leave) => {
      const site = await start();
      await site.antract.enable('a');
      await site.antract.stop('b', { message: 'x'.repeat(500) });
      const { socket } = await send(site.port, get('/1'), gets(1000, 'b'));
      await until(() => held(site) === 1 && socket.writableLength === 0);
      leave(socket);
      await until(() => held(site) === 0);
    },
  );

  it.each(leavings)(
    'frees the place of a held request that blocks rejected uploads when its client %s',
    async (_how, leave) => {
      const site = await start();
      await site.antract.enable('a');
      await site.antract.stop('b');
      const { socket } = await send(site.port, get('/1'), post('/2', 2_000_000, 'b'));
      await until(() => held(site) === 1 && socket.writableLength === 0);
      leave(socket);
      await until(() => held(site) === 0);
    },
  );

  it.each(leavings)(
    'frees the place of a held request that blocks large responses of another app when its client %s',
    async (_how, leave) => {
      const site = await start();
      await site.antract.enable('a');
      const { socket } = await send(site.port, get('/1'));
      await until(() => held(site) === 1);
      for (let i = 1; i <= 4; i++) {
        socket.write(get('/big', 'b'));
        await until(() => site.bodies.length === Math.min(i, 3) || i === 4);
      }
      await until(() => site.paths.length >= 3 && socket.writableLength === 0);
      leave(socket);
      await until(() => held(site) === 0);
    },
  );

  it('is answered in order up to its limit, and then closed', async () => {
    const site = await start();
    await site.antract.enable('a');
    const { socket, text } = await send(site.port, gets(1000));
    await until(() => held(site) === LIMIT);
    const ended = once(socket, 'end');
    await site.antract.disable('a');
    await ended;
    expect(answered(text())).toEqual(pathsTo(LIMIT));
    expect(text().match(/^connection: close\r$/gim)).toHaveLength(1);
    expect(site.paths.toSorted()).toEqual(pathsTo(LIMIT).toSorted());
  });

  it('gets its responses while its client keeps sending', async () => {
    const site = await start();
    await site.antract.enable('a');
    const { socket, text } = await send(site.port, gets(100));
    await until(() => held(site) === LIMIT);
    const errors: Error[] = [];
    socket.on('error', (error) => errors.push(error));
    const ended = once(socket, 'end');
    await site.antract.disable('a');
    while (!socket.readableEnded && errors.length === 0) {
      if (socket.writableLength === 0) socket.write(gets(2000));
      await new Promise(setImmediate);
    }
    expect(errors).toEqual([]);
    await ended;
    expect(answered(text())).toEqual(pathsTo(LIMIT));
  });

  it('has its uploads answered completely, up to its limit', async () => {
    const site = await start();
    await site.antract.enable('a');
    const { socket, text } = await send(site.port, posts(20, 200_000));
    await until(() => held(site) === LIMIT);
    const ended = once(socket, 'end');
    await site.antract.disable('a');
    await ended;
    expect(answered(text())).toEqual(pathsTo(LIMIT));
    expect(site.bodies).toEqual(Array.from({ length: LIMIT }, () => 200_000));
  });

  it('counts the held requests of all its apps together', async () => {
    const site = await start();
    await site.antract.enable('a');
    await site.antract.enable('b');
    const both = get('/1', 'a') + get('/2', 'b');
    const { socket, text } = await send(site.port, both.repeat(100));
    await until(() => held(site) === LIMIT / 2 && site.antract.status('b').held === LIMIT / 2);
    const ended = once(socket, 'end');
    await Promise.all([site.antract.disable('a'), site.antract.disable('b')]);
    await ended;
    expect(answered(text())).toHaveLength(LIMIT);
  });

  it('that stays below its limit is an ordinary connection after the release', async () => {
    const site = await start();
    await site.antract.enable('a');
    const { socket, text } = await send(site.port, gets(LIMIT - 1));
    await until(() => held(site) === LIMIT - 1);
    await site.antract.disable('a');
    await until(() => answered(text()).length === LIMIT - 1);
    socket.write(gets(500));
    await until(() => answered(text()).length === LIMIT - 1 + 500);
    await site.antract.enable('a');
    socket.write(gets(2));
    await until(() => held(site) === 2);
    socket.end();
    await until(() => held(site) === 0);
  });

  it('whose client pipelines endlessly uses a limited amount of memory', async () => {
    const site = await start();
    await site.antract.enable('a');
    const { socket } = await send(site.port);
    const chunk = gets(2000);
    for (let i = 0; i < 400; i++) {
      if (!socket.write(chunk)) await once(socket, 'drain');
    }
    expect(held(site)).toBe(LIMIT);
    expect(site.taken()).toBe(LIMIT);
    socket.destroy();
    await until(() => held(site) === 0);
  });

  it('has every request answered in order while its app runs', async () => {
    const site = await start();
    const { text } = await send(site.port, gets(500));
    await until(() => text().includes('</500>'));
    expect(answered(text())).toEqual(pathsTo(500));
  });

  it('has its uploads answered in order while its app runs', async () => {
    const site = await start();
    const { text } = await send(site.port, posts(40, 300_000));
    await until(() => answered(text()).length === 40);
    expect(answered(text())).toEqual(pathsTo(40));
    expect(site.bodies).toEqual(Array.from({ length: 40 }, () => 300_000));
  });
});

it('a connection with too many held requests closes, even if the handler asks for keep-alive', async () => {
  const antract = createAntract({ logger: silentLogger });
  const pause = antract.pause();
  const { port, server } = await listen((req, res) =>
    pause(req, res, () => {
      res.setHeader('Connection', 'keep-alive');
      res.end(`<${req.url}>`);
    }),
  );
  server.keepAliveTimeout = 0;
  await antract.enable();
  const { socket, text } = await send(port, gets(100));
  await until(() => antract.status().held === LIMIT);
  const ended = once(socket, 'end');
  await antract.disable();
  await ended;
  expect(answered(text())).toEqual(pathsTo(LIMIT));
});

describe('pipelined requests that reach the middleware late', () => {
  it('are rejected beyond the limit of their connection, and answered below it', async () => {
    const antract = createAntract({ logger: silentLogger });
    const pause = antract.pause();
    const late: (() => void)[] = [];
    const { port } = await listen((req, res) => {
      late.push(() => pause(req, res, () => res.end(`<${req.url}>`)));
    });
    await antract.enable();
    const { socket, text } = await send(port, gets(40));
    await until(() => late.length === 40);
    for (const run of late) run();
    expect(antract.status().held).toBe(LIMIT);
    await antract.disable();
    await until(() => text().split('HTTP/1.1 503 ').length === 40 - LIMIT + 1);
    expect(text()).toContain('ERR_ANTRACT_FULL');
    expect(answered(text())).toEqual(pathsTo(LIMIT));
    socket.destroy();
  });

  it('are requeued up to the limit of their connection', async () => {
    const antract = createAntract({ logger: silentLogger });
    const pause = antract.pause();
    const passed: (() => boolean)[] = [];
    const { port } = await listen((req, res) => {
      const respond = (): void => void res.end(`<${req.url}>`);
      pause(req, res, () => {
        passed.push(() => pause.requeue(req, res, respond) || !res.writeHead(502).end());
      });
    });
    const { socket, text } = await send(port, gets(40));
    await until(() => passed.length === 40);
    await antract.enable();
    expect(passed.filter((requeue) => requeue())).toHaveLength(LIMIT);
    expect(antract.status().held).toBe(LIMIT);
    await antract.disable();
    await until(() => text().split('HTTP/1.1 502 ').length === 40 - LIMIT + 1);
    expect(answered(text())).toEqual(pathsTo(LIMIT));
    socket.destroy();
  });
});

describe('the gateway, while the backend is slow,', () => {
  async function slowSite(config?: Partial<GatewayConfig>) {
    const open: ServerResponse[] = [];
    const backend = await listen((_req, res) => void open.push(res));
    const gateway = await openGateway({ target: backend.url, ...config });
    return { ...gateway, open };
  }

  it('passes on a few pipelined requests of one connection at a time, and finally all', async () => {
    const { antract, port, open } = await slowSite();
    const { socket, text } = await send(port, gets(1200));
    for (let count = 0; count < 1200;) {
      await until(() => open.length > 0);
      expect(antract.status().inFlight).toBeLessThanOrEqual(LIMIT + 1);
      for (const res of open.splice(0)) res.end(`<${++count}>`);
    }
    await until(() => text().includes('<1200>'));
    expect(answered(text())).toHaveLength(1200);
    socket.destroy();
  });

  it.each([
    ['is closed', 5],
    ['is closed while a part of them waits', 40],
  ])('answers each pipelined request when it %s', async (_when, count) => {
    const { close, port, open } = await slowSite({ shutdownTimeout: 10_000 });
    const { socket, text } = await send(port, gets(count));
    await until(() => open.length === Math.min(count, LIMIT + 1));
    let isEnded = false;
    socket.once('end', () => (isEnded = true));
    const closed = close();
    await until(() => {
      for (const res of open.splice(0)) res.end('<ok>');
      return isEnded;
    });
    await closed;
    expect(answered(text())).toHaveLength(count);
  });

  it('processes no request that follows a response with `Connection: close`', async () => {
    const { close, port, open, server } = await slowSite({ shutdownTimeout: 10_000 });
    const { socket, text } = await send(port, get('/1'));
    await until(() => open.length === 1);
    const closed = close();
    open[0]?.writeHead(200, { 'Content-Length': 3 }).write('<1');
    await until(() => text().includes('<1'));
    expect(text()).toMatch(/\r\nConnection: close\r\n/i);
    const taken = once(server, 'request');
    socket.write(get('/2') + get('/3'));
    await taken;
    const ended = once(socket, 'end');
    open[0]?.end('>');
    await Promise.all([ended, closed]);
    expect(answered(text())).toEqual(['1']);
    expect(open).toHaveLength(1);
  });

  it('processes no request on a connection that it has ended', async () => {
    const { close, port, open, server } = await slowSite();
    server.prependListener('request', ({ socket }: IncomingMessage) => socket.end());
    const { socket } = await send(port, get('/1'));
    await once(socket, 'end');
    await close();
    expect(open).toHaveLength(0);
  });

  it.each(leavings)('notices when the client of pipelined requests %s', async (_how, leave) => {
    const { antract, port, open } = await slowSite();
    const { socket } = await send(port, gets(1000));
    await until(() => open.length === LIMIT + 1 && socket.writableLength === 0);
    leave(socket);
    await until(() => antract.status().inFlight === 0);
    expect(open).toHaveLength(LIMIT + 1);
  });

  it.each([500, 10_000])(
    'notices that the client of %d pipelined requests disconnects after a pause has begun',
    async (count) => {
      const { antract, port, open } = await slowSite();
      const { socket, text } = await send(port, gets(count));
      await until(() => open.length === LIMIT + 1);
      await antract.enable();
      for (const res of open.splice(0)) res.end('<old>');
      await until(() => antract.status().inFlight === 0 && socket.writableLength === 0);
      await until(() => answered(text()).length === LIMIT + 1);
      expect(antract.status().held).toBeGreaterThan(0);
      expect(antract.status().held).toBeLessThanOrEqual(LIMIT);
      socket.destroy();
      await until(() => antract.status().held === 0);
    },
  );

  it('answers thousands of pipelined requests in order when a pause holds the later ones', async () => {
    const { antract, port, open } = await slowSite();
    const { socket, text } = await send(port, gets(10_000));
    await until(() => open.length === LIMIT + 1);
    await antract.enable();
    for (const res of open.splice(0)) res.end('<old>');
    await until(() => antract.status().inFlight === 0 && socket.writableLength === 0);
    const { held } = antract.status();
    const ended = once(socket, 'end');
    await antract.disable();
    for (let released = 0; released < held;) {
      await until(() => open.length > 0);
      for (const res of open.splice(0)) res.end(`<${++released}>`);
    }
    await ended;
    expect(answered(text()).slice(LIMIT + 1)).toEqual(
      Array.from({ length: held }, (_, index) => String(index + 1)),
    );
    expect(antract.status()).toMatchObject({ held: 0, inFlight: 0 });
  });
});
