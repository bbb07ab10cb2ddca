import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import http, { type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import express from 'express';
import express4 from 'express4';
import supertest from 'supertest';
import { systemClock } from '../../lib/common/clock.ts';
import type { PauseOptions } from '../../lib/http/choose-gate.ts';
import { heldMs } from '../../lib/http/held-time.ts';
import {
  createPauseMiddleware as createPause,
  type PauseMiddleware,
} from '../../lib/http/middleware.ts';
import type { AntractOptions, AntractRequest } from '../../lib/options/options.ts';
import { OpenRegistry } from '../support/open-registry.ts';
import { DEFAULT_SPOOL_SETTINGS } from '../../lib/options/spool-settings.ts';
import { createSpooler } from '../../lib/spool/spooler.ts';
import { closeAll, connect, listen, readUntil, request } from '../support/http.ts';
import { nextEvent, untilHeld } from '../support/next-event.ts';
import { until } from '../support/eventually.ts';

const spooler = createSpooler(DEFAULT_SPOOL_SETTINGS, { warn: (message) => logged.push(message) });
const createPauseMiddleware = (registry: OpenRegistry, options?: PauseOptions): PauseMiddleware =>
  createPause(registry.core, spooler, options);

const logged: string[] = [];
const logger = {
  info: () => undefined,
  warn: (message: string) => void logged.push(message),
  error: (message: string) => void logged.push(message),
};

afterEach(async () => {
  logged.length = 0;
  await closeAll();
});

type Handler = (req: AntractRequest, res: ServerResponse) => void;

/** Values that a caller without type checks may pass. */
const promise = (async () => true) as unknown as (req: AntractRequest) => boolean;

/** A gate on node:http in front of a handler that notes each URL it is given. */
async function gated(
  options: AntractOptions = {},
  pauseOptions: PauseOptions = {},
  handler?: Handler,
  clock = systemClock,
) {
  const registry = new OpenRegistry({ logger, ...options }, clock);
  const pause = createPauseMiddleware(registry, pauseOptions);
  const served: string[] = [];
  const answer = handler ?? ((req, res) => res.end(`served ${req.url}`));
  const { server, url, port } = await listen((req, res) =>
    pause(req, res, () => {
      served.push(req.url ?? '');
      answer(req, res);
    }),
  );
  /** Waits until that many are held. */
  const held = (count: number): Promise<void> => untilHeld(registry, count);
  return { registry, served, server, url, port, held };
}

describe('a request while running', () => {
  it('passes, counts as in flight until its response ends, and gets no extra header', async () => {
    const responses: ServerResponse[] = [];
    const { registry, url } = await gated({}, {}, (_req, res) => void responses.push(res));
    const answer = request(url);
    await until(() => responses.length > 0);
    expect(registry.status()).toMatchObject({ phase: 'running', inFlight: 1 });
    responses[0]?.end('done');
    expect((await answer).headers).not.toHaveProperty('server-timing');
    await until(() => registry.status().inFlight === 0);
  });

  it('is counted once if it passes two mounts of the middleware', async () => {
    const registry = new OpenRegistry({ logger });
    const [first, second] = [createPauseMiddleware(registry), createPauseMiddleware(registry)];
    const responses: ServerResponse[] = [];
    const { url } = await listen((req, res) =>
      first(req, res, () => second(req, res, () => void responses.push(res))),
    );
    const answer = request(url);
    await until(() => responses.length > 0);
    expect(registry.status().inFlight).toBe(1);
    responses[0]?.end('done');
    await answer;
    await registry.enable();
    await until(() => registry.status().phase === 'paused');
    expect(registry.status().inFlight).toBe(0);
  });

  it('is counted once when its connection breaks', async () => {
    let arrived!: () => void;
    const arrival = new Promise<void>((resolve) => (arrived = resolve));
    const { registry, port } = await gated({}, {}, () => arrived());
    const socket = await connect(port);
    socket.write('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n');
    await arrival;
    await registry.enable();
    const drained = registry.waitForDrain();
    socket.resetAndDestroy();
    expect(await drained).toMatchObject({ outcome: 'drained', stragglers: [] });
  });

  it('is counted while its upload is still arriving', async () => {
    const { registry, port, served } = await gated({}, {}, (req, res) => {
      req.resume().on('end', () => res.end('stored'));
    });
    const socket = await connect(port);
    socket.write('POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab');
    await until(() => served.length > 0);
    await registry.enable();
    expect(registry.status()).toMatchObject({
      phase: 'pausing',
      stragglers: [{ method: 'POST', path: '/up' }],
    });
    const drained = registry.waitForDrain();
    socket.write('cd');
    expect(await readUntil(socket, (text) => text.includes('stored'))).toContain('200 OK');
    expect(await drained).toMatchObject({ outcome: 'drained' });
  });
});

describe('the cost of the middleware for a request while running', () => {
  it('is one listener, and neither a promise nor a timer', async () => {
    const registry = new OpenRegistry({ logger });
    const pause = createPauseMiddleware(registry);
    const created: string[] = [];
    const hook = createHook({ init: (_id, type) => void created.push(type) });
    const listeners = (req: AntractRequest, res: ServerResponse): number =>
      [req, res, req.socket].flatMap((one) =>
        one.eventNames().flatMap((name) => one.listeners(name)),
      ).length;
    let added = 0;
    const { url } = await listen((req, res) => {
      const before = listeners(req, res);
      hook.enable();
      pause(req, res, () => void hook.disable());
      added = listeners(req, res) - before;
      res.end();
    });
    await request(url);
    expect(created).toEqual([]);
    expect(added).toBe(1);
  });
});

describe('a held request', () => {
  it('is answered once after the pause, with the time it waited', async () => {
    const seen: unknown[] = [];
    const { registry, url, held, served } = await gated({}, {}, (req, res) => {
      seen.push(req.headers['x-antract-held-ms'], String(heldMs(req)));
      res.setHeader('Server-Timing', 'db;dur=5').end('ok');
    });
    await registry.enable();
    const answer = request(`${url}/a`, { method: 'POST', body: 'x'.repeat(1000) });
    await held(1);
    expect(served).toEqual([]);
    await registry.disable();
    expect(await answer).toMatchObject({ status: 200, body: 'ok' });
    expect((await answer).headers['server-timing']).toMatch(/^db;dur=5, antract;dur=\d+$/);
    expect(served).toEqual(['/a']);
    expect(seen[0]).toMatch(/^\d+$/);
    expect(seen[0]).toBe(seen[1]);
  });

  it('keeps its small body', async () => {
    const { registry, url, held } = await gated({}, {}, (req, res) => req.pipe(res));
    await registry.enable();
    const answer = request(url, { method: 'POST', body: 'hello' });
    await held(1);
    await registry.disable();
    expect((await answer).body).toBe('hello');
  });

  it('keeps its AsyncLocalStorage context', async () => {
    const storage = new AsyncLocalStorage<string>();
    const registry = new OpenRegistry({ logger });
    const pause = createPauseMiddleware(registry);
    const { url } = await listen((req, res) =>
      storage.run(req.url ?? '', () => pause(req, res, () => res.end(storage.getStore()))),
    );
    await registry.enable();
    const answers = ['/a', '/b'].map((path) => request(url + path));
    while (registry.status().held < 2) await nextEvent(registry, 'held');
    await storage.run('the admin request', () => registry.disable());
    expect((await Promise.all(answers)).map(({ body }) => body)).toEqual(['/a', '/b']);
  });

  it('is released in order of arrival', async () => {
    const { registry, url, held, served } = await gated();
    await registry.enable();
    const answers: Promise<unknown>[] = [];
    for (let i = 0; i < 20; i++) {
      answers.push(request(`${url}/${i}`));
      await held(i + 1);
    }
    await registry.disable();
    await Promise.all(answers);
    expect(served).toEqual(Array.from({ length: 20 }, (_, i) => `/${i}`));
  });

  it('frees its place in the pace when the headers of its answer go out', async () => {
    const open: ServerResponse[] = [];
    const { registry, url, held, served } = await gated(
      { release: { concurrency: 1 } },
      {},
      (_req, res) => {
        open.push(res);
        res.write('first part of a long download');
      },
    );
    await registry.enable();
    const answers = [request(`${url}/1`)];
    await held(1);
    answers.push(request(`${url}/2`));
    await held(2);
    await registry.disable();
    await until(() => served.length >= 2);
    for (const res of open) res.end();
    await Promise.all(answers);
  });
});

describe('a client that disconnects while held', () => {
  it.each([
    ['no body', 'GET /gone HTTP/1.1\r\nHost: a\r\n\r\n'],
    [
      'a small body',
      `POST /gone HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(1000)}`,
    ],
    [
      'part of a small body',
      `POST /gone HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(10)}`,
    ],
  ])('is removed at once and never reaches the backend (%s)', async (_name, head) => {
    const { registry, port, served, held } = await gated();
    await registry.enable();
    const socket = await connect(port);
    socket.write(head);
    await held(1);
    const abandoned = nextEvent(registry, 'abandoned');
    socket.destroy();
    expect(await abandoned).toMatchObject([{ app: 'default', path: '/gone' }]);
    expect(registry.status().held).toBe(0);
    expect(await registry.disable()).toMatchObject({ held: 0 });
    await new Promise(setImmediate);
    expect(served).toEqual([]);
  });

  it('is removed with every request that it had pipelined', async () => {
    const { registry, port, served, held } = await gated();
    await registry.enable();
    const socket = await connect(port);
    socket.write(
      'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n',
    );
    await held(3);
    socket.destroy();
    while (registry.status().held > 0) await nextEvent(registry, 'abandoned');
    await registry.disable();
    expect(served).toEqual([]);
  });

  it('does not keep a drain waiting for what it had pipelined', async () => {
    const { registry, port, served } = await gated({}, {}, () => undefined);
    const socket = await connect(port);
    socket.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => served.length >= 2);
    await registry.enable();
    expect(registry.status().inFlight).toBe(2);
    socket.destroy();
    expect(await registry.waitForDrain()).toMatchObject({ outcome: 'drained' });
  });

  it('that stays gets the answers to its pipelined requests in order', async () => {
    const { registry, port, held } = await gated();
    await registry.enable();
    const socket = await connect(port);
    socket.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n');
    await held(2);
    await registry.disable();
    const text = await readUntil(socket, (all) => all.includes('served /2'));
    expect(text.indexOf('served /1')).toBeLessThan(text.indexOf('served /2'));
  });
});

describe('a client that disconnected before the middleware ran', () => {
  it('is not served and not counted', async () => {
    const registry = new OpenRegistry({ logger });
    const pause = createPauseMiddleware(registry);
    let arrived!: () => void;
    const arrival = new Promise<void>((resolve) => (arrived = resolve));
    let left!: () => void;
    const outcome = new Promise<void>((resolve) => (left = resolve));
    let served = false;
    const { port } = await listen((req, res) => {
      arrived();
      res.on('close', () => {
        pause(req, res, () => (served = true));
        left();
      });
    });
    const socket = await connect(port);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await arrival;
    socket.destroy();
    await outcome;
    expect([served, registry.status().inFlight]).toEqual([false, 0]);
  });
});

describe('the header that tells the backend how long a request was held', () => {
  // CGI, WSGI and Rack take the last two for the same.
  it.each([
    [false, 'X-Antract-Held-Ms'],
    [true, 'X-Antract-Held-Ms'],
    [false, 'x_ANTRACT_held_ms'],
    [true, 'X-Antract_Held-Ms'],
  ])('cannot be forged (paused: %s) as %s', async (paused, name) => {
    const { registry, url, held } = await gated({}, {}, ({ headers, rawHeaders }, res) =>
      res.end(JSON.stringify([headers, rawHeaders])),
    );
    if (paused) await registry.enable();
    const sent = { [name]: ['forged', 'forged'], X_Antract_Other_2: '1' };
    const answer = request(url, { headers: sent });
    if (paused) await held(1);
    await registry.disable();
    const { body } = await answer;
    const [headers] = JSON.parse(body) as [IncomingHttpHeaders];
    expect(body).not.toContain('forged');
    expect(headers['x-antract-held-ms']).toEqual(
      paused ? expect.stringMatching(/^\d{1,3}$/) : undefined,
    );
    expect(headers['x_antract_other_2']).toBe('1');
  });
});

describe('a bypass', () => {
  it.each([
    ['the admin path', {}, '/_antract/status', {}],
    ['the admin path itself', {}, '/_antract', {}],
    ['another admin path', { adminPath: '/ops/gate' }, '/ops/gate/enable?x=1', {}],
    ['a health check path', { healthCheckPath: '/up' }, '/up?from=lb', {}],
    ['one of several', { healthCheckPath: ['/up', /^\/live(\/.*)?$/] }, '/live/db', {}],
    [
      'a privileged user agent',
      { privilegedUserAgent: 'Pingdom' },
      '/',
      { 'User-Agent': 'x Pingdom/1' },
    ],
    ['one that matches', { privilegedUserAgent: /^ops$/i }, '/', { 'User-Agent': 'OPS' }],
    [
      'the own function',
      { bypass: (req: AntractRequest) => req.headers['x-key'] === '1' },
      '/',
      { 'X-Key': '1' },
    ],
  ] as [string, AntractOptions, string, Record<string, string>][])(
    'is never held and never counted: %s',
    async (_name, options, path, headers) => {
      const counts: number[] = [];
      const { registry, url } = await gated(options, {}, (_req, res) => {
        counts.push(registry.status().inFlight);
        res.end('ok');
      });
      expect((await request(url + path, { headers })).status).toBe(200);
      await registry.enable();
      expect((await request(url + path, { headers })).status).toBe(200);
      expect(counts).toEqual([0, 0]);
    },
  );

  it.each([
    ['a path that only begins like the admin path', {}, 'GET', '/_antractx'],
    ['a path that leads out of the admin path', {}, 'GET', '/_antract/%2E./secret'],
    ['a path below the health check', { healthCheckPath: '/up' }, 'GET', '/up/x'],
    ['a POST to the health check', { healthCheckPath: '/up' }, 'POST', '/up'],
    ['the admin path where there is none', { adminPath: false }, 'GET', '/_antract/status'],
    ['a promise, as of an async function', { bypass: promise }, 'GET', '/'],
    ['a fragment behind the admin path', {}, 'POST', '/_antract#/../secret'],
    ['a fragment behind the health check', { healthCheckPath: '/up' }, 'GET', '/up#/../secret'],
    ['a whole URL with dots in it', { healthCheckPath: '/up' }, 'GET', 'http://a/secret/../up'],
    ['a whole URL of the health check', { healthCheckPath: '/up' }, 'GET', 'http://a/up'],
    ['a whole URL of another scheme', { healthCheckPath: '/up' }, 'GET', 'up://up/up'],
    ['a whole URL without a host', { healthCheckPath: '/up' }, 'GET', 'x:///up'],
    ['a whole URL that a RegExp matches', { healthCheckPath: /up$/ }, 'GET', 'http://a/up'],
    ['a whole URL without a path', { healthCheckPath: '/' }, 'GET', 'http://a'],
    ['a whole URL of the admin path', {}, 'GET', 'http://a/_antract/status'],
  ] as [string, AntractOptions, string, string][])(
    'does not apply: %s',
    async (_name, options, method, path) => {
      const { registry, port, held } = await gated(options);
      await registry.enable();
      const client = await connect(port);
      const answer = readUntil(client, (text) => text.includes('served'));
      client.write(`${method} ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`);
      await held(1);
      await registry.disable();
      expect(await answer).toContain(' 200 ');
    },
  );

  it.each(['/up', '/_antract/status'])(
    'does not apply to a WebSocket handshake to %s that no listener upgrades',
    async (path) => {
      for (const token of ['websocket', 'WebSocket', 'h2c, websocket/13']) {
        const { registry, port, held } = await gated({ healthCheckPath: '/up' });
        await registry.enable();
        const client = await connect(port);
        client.write(
          `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${token}\r\n\r\n`,
        );
        await held(1);
        client.destroy();
      }
    },
  );

  it('is also a health check that asks for h2c, as some clients do with each request', async () => {
    const { registry, url } = await gated({ healthCheckPath: '/up' });
    await registry.enable();
    const headers = { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': '' };
    expect((await request(`${url}/up`, { headers })).status).toBe(200);
  });

  it('answers health checks itself while not running, with `answerHealthChecks`', async () => {
    const { registry, url, served } = await gated({
      healthCheckPath: '/up',
      answerHealthChecks: true,
    });
    expect((await request(`${url}/up`)).body).toBe('served /up');
    await registry.enable();
    expect(await request(`${url}/up`)).toMatchObject({ status: 200, body: 'OK\n' });
    expect(await request(`${url}/up`, { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
    await registry.stop();
    expect(await request(`${url}/up`)).toMatchObject({ status: 200, body: 'OK\n' });
    expect(served).toEqual(['/up']);
  });

  it('answers health checks itself until the last held request is released', async () => {
    let isWell = false;
    const { registry, url, held, served } = await gated({
      healthCheckPath: '/up',
      answerHealthChecks: true,
      probe: { check: () => isWell },
    });
    await registry.enable();
    const answer = request(url);
    await held(1);
    await registry.disable();
    expect(registry.status().phase).toBe('releasing');
    expect((await request(`${url}/up`)).body).toBe('OK\n');
    isWell = true;
    await answer;
    expect((await request(`${url}/up`)).body).toBe('served /up');
    expect(served).toEqual(['/', '/up']);
  });
});

describe('a function that decides which requests are held', () => {
  it('lets the other requests pass, and holds a request when it throws', async () => {
    const shouldHold = (req: AntractRequest): boolean => {
      if (req.url === '/fails') throw new Error('oops');
      return req.url === '/waits';
    };
    const { registry, url, held, served } = await gated({ shouldHold });
    await registry.enable();
    expect((await request(`${url}/passes`)).status).toBe(200);
    const answers = [request(`${url}/waits`)];
    await held(1);
    answers.push(request(`${url}/fails`));
    await held(2);
    expect(served).toEqual(['/passes']);
    await registry.disable();
    await Promise.all(answers);
    expect(logged.join()).toContain('oops');
  });
});

describe('a function that decides which requests are long-lived', () => {
  it('is ignored when it returns a promise', async () => {
    const responses: ServerResponse[] = [];
    const options = { longLived: 'ignore', isLongLived: promise } as const;
    const { registry, url } = await gated(options, {}, (_req, res) => void responses.push(res));
    const answer = request(url);
    await until(() => responses.length > 0);
    await registry.enable();
    const { phase } = registry.status();
    responses[0]?.end();
    await answer;
    expect(phase).toBe('pausing');
  });
});

/** With this chance, `Retry-After` has no random part. */
const steady = { ...systemClock, random: () => 0 };

describe('a rejection', () => {
  it('is a problem document for an API client', async () => {
    const { registry, url } = await gated({}, {}, undefined, steady);
    await registry.stop('default', { message: 'Back at 10:00.' });
    const answer = await request(url, { headers: { Accept: '*/*' } });
    expect(answer).toMatchObject({
      status: 503,
      headers: {
        'content-type': 'application/problem+json',
        'retry-after': '30',
        'cache-control': 'no-store',
      },
    });
    expect(JSON.parse(answer.body)).toEqual({
      type: 'about:blank',
      title: 'Out of service',
      status: 503,
      detail: 'Back at 10:00.',
      code: 'ERR_ANTRACT_STOPPED',
    });
  });

  it.each([
    [{ 'Sec-Fetch-Mode': 'navigate', Accept: '*/*' }, 'text/html'],
    [{ Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }, 'text/html'],
    [{ 'Sec-Fetch-Mode': 'cors', Accept: 'text/html' }, 'application/problem+json'],
    [{ Accept: 'application/json' }, 'application/problem+json'],
  ])('is a page only for a browser that navigates: %j', async (headers, type) => {
    const { registry, url } = await gated();
    await registry.stop();
    expect((await request(url, { headers })).headers['content-type']).toContain(type);
  });

  it('is a page for browsers that reloads itself and can not be injected into', async () => {
    const { registry, url } = await gated({}, {}, undefined, steady);
    await registry.stop('default', { message: '<script>alert(1)</script>' });
    const headers = { 'Sec-Fetch-Mode': 'navigate' };
    const page = await request(url, { headers });
    expect(page.headers['refresh']).toBe('30');
    expect(page.body).not.toContain('<script>');
    expect(page.headers['content-security-policy']).toContain("default-src 'none'");
    const sent = await request(url, { method: 'POST', body: 'a=1', headers });
    expect(sent.body).toContain('not processed');
    expect(sent.headers).not.toHaveProperty('refresh');
  });

  it('has no body for HEAD', async () => {
    const { registry, url } = await gated();
    await registry.stop();
    expect(await request(url, { method: 'HEAD' })).toMatchObject({ status: 503, body: '' });
  });

  it.each([
    [{ maxQueue: 0 }, 'ERR_ANTRACT_FULL'],
    [{ maxWait: 1 }, 'ERR_ANTRACT_HOLD_TIMEOUT'],
  ])('says why: %j', async (options, code) => {
    const { registry, url, served } = await gated(options, {}, undefined, steady);
    await registry.enable();
    const answer = await request(url, { method: 'POST', body: 'x' });
    expect([answer.status, (JSON.parse(answer.body) as { code: string }).code]).toEqual([
      503,
      code,
    ]);
    expect(answer.headers['retry-after']).toBe('5');
    expect(served).toEqual([]);
  });

  it('closes the connection when shutting down', async () => {
    const { registry, url, held } = await gated();
    await registry.enable();
    const answer = request(url, { agent: new http.Agent({ keepAlive: true }) });
    await held(1);
    await registry.close();
    expect(await answer).toMatchObject({ status: 503, headers: { connection: 'close' } });
    expect((await answer).body).toContain('ERR_ANTRACT_SHUTDOWN');
    // A program that uses the middleware is no gateway.
    expect((await answer).body).not.toContain('gateway');
  });

  it('does not ask to come back later than the pause ends', async () => {
    const { registry, url } = await gated({ maxQueue: 0, maxTime: '2s' }, {}, undefined, steady);
    await registry.enable();
    expect((await request(url)).headers['retry-after']).toBe('2');
  });

  it.each([
    [0, '100', '30'],
    [0.5, '113', '34'],
    [0.9999, '125', '38'],
  ])('spreads clients after the expected end: with chance %d', async (chance, retry, reload) => {
    const clock = { ...systemClock, random: () => chance };
    const { registry, url } = await gated({ maxQueue: 0 }, {}, undefined, clock);
    await registry.enable('default', { expect: '100s' });
    const page = await request(url, { headers: { 'Sec-Fetch-Mode': 'navigate' } });
    expect(page.headers['retry-after']).toBe(retry);
    expect(page.headers['refresh']).toBe(reload);
  });
});

describe('the app of a request', () => {
  const byHost: PauseOptions = { app: (req) => req.headers.host };

  it('is read from the request, and a pause of one app never affects another', async () => {
    const { registry, url, served } = await gated({}, byHost);
    await registry.enable('a.test');
    const answer = request(url, { headers: { Host: 'a.test' } });
    while (registry.status('a.test').held === 0) await nextEvent(registry, 'held');
    expect((await request(`${url}/b`, { headers: { Host: 'b.test' } })).status).toBe(200);
    expect(served).toEqual(['/b']);
    await registry.disable('a.test');
    expect((await answer).status).toBe(200);
  });

  it('is rejected when its name is invalid, or there are too many apps', async () => {
    const { url } = await gated(
      { maxApps: 1 },
      byHost,
      (_req, res) => void setImmediate(() => res.end()),
    );
    expect((await request(url, { headers: { Host: 'x'.repeat(300) } })).status).toBe(400);
    const answers = ['a', 'b', 'c'].map((Host) => request(url, { headers: { Host } }));
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(statuses).toContain(200);
    for (const status of statuses) expect([200, 503]).toContain(status);
  });

  it("shows the client nothing of an error in the user's function", async () => {
    const throws = (): never => {
      throw new Error('secret detail');
    };
    const { url, served } = await gated({}, { app: throws });
    const answer = await request(url);
    expect([answer.status, served]).toEqual([500, []]);
    expect(answer.body).not.toContain('secret');
    expect(logged.join()).toContain('secret detail');
  });
});

describe.each([
  ['Express 5', express],
  ['Express 4', express4 as unknown as typeof express],
])('mounted in %s', (_name, createApp) => {
  it('holds, releases, and sees whole paths inside a router', async () => {
    const registry = new OpenRegistry({ logger, healthCheckPath: '/shop/up' });
    const app = createApp();
    const shop = createApp.Router();
    shop.use(createPauseMiddleware(registry, { app: 'shop' }));
    shop.get('/up', (_req, res) => void res.send('up'));
    shop.get('/cart', (_req, res) => void res.send('cart'));
    app.use('/shop', shop);
    app.get('/other', (_req, res) => void res.send('other'));
    await registry.enable('shop');
    const { url } = await listen(app);
    expect((await supertest(url).get('/other')).text).toBe('other');
    expect((await supertest(url).get('/shop/up')).text).toBe('up');
    const cart = request(`${url}/shop/cart`);
    await nextEvent(registry, 'held');
    await registry.disable('shop');
    expect((await cart).body).toBe('cart');
  });
});
