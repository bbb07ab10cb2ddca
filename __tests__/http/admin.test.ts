/** The admin endpoints: their words, their JSON, their methods and paths, on Express 5 and 4. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import express5 from 'express';
import express4 from 'express4';
import supertest from 'supertest';
import {
  createAntract,
  type AdminOptions,
  type Antract,
  type AntractOptions,
  type AppOf,
} from '../../lib/index.ts';
import { closeAll, listen, request, type Answer } from '../support/http.ts';
import { eventually, until } from '../support/eventually.ts';
import { UNKNOWN_BACKEND } from '../support/unknown-backend.ts';
import { nextEvent } from '../support/next-event.ts';
import { silentLogger } from '../support/silent-logger.ts';

afterEach(closeAll);

const MODULES: [string, typeof express5][] = [
  ['Express 5', express5],
  // Its types differ where these tests do not look.
  ['Express 4', express4 as unknown as typeof express5],
];

interface Site {
  antract: Antract;
  url: string;
  admin: string;
  errors: string[];
  passedOn: string[];
  /** Responses that the backend has not ended yet. */
  open: ServerResponse[];
}

interface SiteOptions {
  express?: typeof express5;
  options?: AntractOptions;
  adminOptions?: AdminOptions;
  apps?: AppOf[];
}

/** A gate, the admin router behind it, and a backend that answers when `open` is ended. */
async function start({
  express = express5,
  options,
  adminOptions,
  apps = ['default'],
}: SiteOptions = {}): Promise<Site> {
  const errors: string[] = [];
  const passedOn: string[] = [];
  const open: ServerResponse[] = [];
  const logger = { ...silentLogger, error: (message: string) => void errors.push(message) };
  const antract = createAntract({ logger, ...options });
  const app = express();
  for (const name of apps) app.use(antract.pause({ app: name }));
  app.use('/_antract', antract.admin(adminOptions));
  app.use('/_antract', (req, res) => {
    passedOn.push(req.originalUrl);
    res.end();
  });
  app.get('/slow', (_req, res) => void open.push(res));
  app.get('/', (_req, res) => void res.end('hello'));
  const { url } = await listen(app);
  return { antract, url, admin: `${url}/_antract`, errors, passedOn, open };
}

/** Sends requests that are held; resolves when they are. */
async function hold(site: Site, count: number, signal?: AbortSignal): Promise<Promise<Answer>[]> {
  const answers: Promise<Answer>[] = [];
  for (let i = 0; i < count; i++) {
    const held = nextEvent(site.antract, 'held');
    answers.push(request(`${site.url}/`, signal ? { signal } : {}));
    answers.at(-1)?.catch(() => undefined);
    await held;
  }
  return answers;
}

const text = async (site: Site, target: string): Promise<string> =>
  (await request(site.admin + target)).body;
const firstLine = async (site: Site, target: string): Promise<string | undefined> =>
  (await text(site, target)).split('\n')[0];
const json = async (site: Site, target: string): Promise<Record<string, unknown>> => {
  const answer = await request(site.admin + target, { headers: { accept: 'application/json' } });
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  return JSON.parse(answer.body) as Record<string, unknown>;
};

describe.each(MODULES)('on %s', (_name, express) => {
  it('the first lines are exactly those of the OpenResty original, with status 200', async () => {
    const site = await start({ express });
    const lines: string[] = [];
    const ask = async (target: string): Promise<void> => {
      const answer = await request(site.admin + target);
      expect(answer.status).toBe(200);
      expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
      lines.push(answer.body.slice(0, answer.body.indexOf('\n')));
    };
    await ask('/status');
    await ask('/disable');
    await ask('/enable');
    await ask('/status');
    await ask('/enable');
    const held = await hold(site, 2);
    await ask('/status');
    await ask('/enable');
    await ask('/disable');
    await ask('/disable');
    await ask('/status');
    expect(lines).toEqual([
      'Pause is disabled.',
      'Pause is already disabled.',
      'Pause is enabled.',
      'Pause is enabled, 0 requests are currently paused.',
      'Pause is already enabled, 0 requests are currently paused.',
      'Pause is enabled, 2 requests are currently paused.',
      'Pause is already enabled, 2 requests are currently paused.',
      'Pause is disabled. 2 requests were held in-flight.',
      'Pause is already disabled.',
      'Pause is disabled.',
    ]);
    expect((await Promise.all(held)).map(({ body }) => body)).toEqual(['hello', 'hello']);
  });

  it('GET and POST have the same effect', async () => {
    const site = await start({ express });
    for (const method of ['get', 'post'] as const) {
      const agent = supertest(site.url);
      await agent[method]('/_antract/enable').expect(200, /^Pause is enabled\.\n/);
      await agent[method]('/_antract/status').expect(200, /^Pause is enabled, 0 /);
      await agent[method]('/_antract/disable').expect(
        200,
        /^Pause is disabled\. No requests were held\.\n/,
      );
      await agent[method]('/_antract/stop').expect(
        200,
        /^App is stopped: requests are answered 503\.\n/,
      );
      await agent[method]('/_antract/disable').expect(200);
    }
  });

  it('a disconnected client is not counted', async () => {
    const site = await start({ express });
    await site.antract.enable();
    const leaving = new AbortController();
    const [stays] = await hold(site, 1);
    void (await hold(site, 2, leaving.signal));
    expect(await firstLine(site, '/status')).toBe(
      'Pause is enabled, 3 requests are currently paused.',
    );
    const abandoned = [nextEvent(site.antract, 'abandoned')];
    leaving.abort();
    await Promise.all(abandoned);
    while (site.antract.status().held > 1) await nextEvent(site.antract, 'abandoned');
    expect(await firstLine(site, '/enable')).toBe(
      'Pause is already enabled, 1 request is currently paused.',
    );
    expect(await firstLine(site, '/disable')).toBe(
      'Pause is disabled. 1 request was held in-flight.',
    );
    expect((await stays)?.status).toBe(200);
  });

  it('reload calls the function of admin(), and is refused without one', async () => {
    const reload = async () => ({ started: 2, leaving: 1 });
    const able = await start({ express, adminOptions: { authorize: () => true, reload } });
    const done = await request(`${able.admin}/reload`, { method: 'POST' });
    expect([done.status, done.body]).toEqual([
      200,
      'Reloaded: 2 new workers took over. 1 old worker will exit after the last request.\n',
    ]);
    expect((await request(able.admin)).body).toContain('/_antract/reload');
    const unable = await start({ express });
    const refused = await request(`${unable.admin}/reload`, { method: 'POST' });
    expect(refused.status).toBe(501);
    expect(refused.body).toContain('was not started by `antract serve`');
    expect((await request(unable.admin)).body).not.toContain('/_antract/reload');
  });

  it.each(['HEAD', 'OPTIONS', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'])(
    '%s on a known path is answered 405, and changes nothing',
    async (method) => {
      const site = await start({ express });
      for (const endpoint of ['enable', 'disable', 'stop', 'status', 'drain']) {
        const answer = await request(`${site.admin}/${endpoint}`, { method });
        expect(answer.status).toBe(405);
        expect(answer.headers.allow).toBe('GET, POST');
        expect(answer.body).toBe(
          method === 'HEAD'
            ? ''
            : 'Expected the method to be GET or POST.\nERR_ANTRACT_ADMIN_METHOD\n',
        );
      }
      expect(site.antract.status().phase).toBe('running');
      expect(site.passedOn).toEqual([]);
    },
  );

  it.each(['/nosuch', '/enable/x', '/%65nable', '/enable%2f', '/enable%', '/enable;x', '/%'])(
    '%p is no path: 404',
    async (target) => {
      const site = await start({ express });
      const answer = await request(site.admin + target, { method: 'POST' });
      expect(answer.status).toBe(404);
      expect(answer.body).toMatch(
        /^Expected one of \/enable, \/disable, \/stop, \/status, \/drain, .*\.\nERR_ANTRACT_ADMIN_PATH\n$/,
      );
      expect(site.antract.status().phase).toBe('running');
      expect(site.passedOn).toEqual([]);
    },
  );

  it('every response forbids caching and sniffing, and does not name Express', async () => {
    const site = await start({ express });
    const answers = [
      await request(`${site.admin}/status`),
      await request(`${site.admin}/status`, { headers: { accept: 'application/json' } }),
      await request(`${site.admin}/status?app=`),
      await request(`${site.admin}/nosuch`),
      await request(`${site.admin}/status`, { method: 'PUT' }),
      await request(`${site.admin}/status`, { headers: { host: 'evil.example' } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 400, 404, 405, 403]);
    for (const { headers } of answers) {
      expect(headers['cache-control']).toBe('no-store');
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers).not.toHaveProperty('etag');
      expect(headers).not.toHaveProperty('x-powered-by');
    }
  });

  it('parameters may come in the body of a POST', async () => {
    const site = await start({ express });
    await supertest(site.url)
      .post('/_antract/enable')
      .type('form')
      .send({ max_time: '1m', reason: 'a form & more' })
      .expect(200);
    expect(site.antract.status()).toMatchObject({ reason: 'a form & more' });
    expect(site.antract.status().endsInMs).toBeLessThanOrEqual(60_000);
    await supertest(site.url).post('/_antract/enable').send({ reason: 'JSON' }).expect(200);
    expect(site.antract.status().reason).toBe('JSON');
  });

  it('an internal error is answered 500 without its message, and logged', async () => {
    const site = await start({ express });
    site.antract.registry.status = () => {
      throw new TypeError('secret thing is undefined');
    };
    const answer = await request(`${site.admin}/status?app=default`);
    expect(answer.status).toBe(500);
    expect(answer.body).toBe(
      'The admin endpoint failed. The log of the server has the error.\nERR_ANTRACT_ADMIN_FAULT\n',
    );
    expect(site.errors).toEqual([expect.stringContaining('secret thing')]);
  });
});

describe('the text of the admin endpoints:', () => {
  it('`status` names the requests in flight, the start, end and reason of a pause, and the next step', async () => {
    const site = await start();
    const slow = request(`${site.url}/slow?password=1`);
    await until(() => site.open.length > 0);
    const enabled = await text(site, '/enable?max_time=1h&reason=new%20disk');
    expect(enabled).toMatch(
      new RegExp(
        [
          '^Pause is enabled\\.',
          'App default is pausing: 0 held, 1 in flight, ends by itself in 1 h, paused for [\\d.]+ m?s\\.',
          'Draining: 1 request still in flight\\. New requests are held\\.',
          'Paused by: 127\\.0\\.0\\.1',
          'Reason: new disk',
          '  GET /slow for [\\d.]+ m?s',
          'Next: /_antract/drain answers once nothing is in flight\\.',
          '$',
        ].join('\n'),
      ),
    );
    void (await hold(site, 1));
    expect(await text(site, '/status')).toMatch(/ 1 held, 1 in flight, oldest wait [\d.]+ m?s, /);
    site.open[0]?.end();
    await slow;
    expect(await text(site, '/status')).toMatch(
      /^App default is paused: .*\nDrained: nothing is in flight\. New requests are held\.\n(.*\n)*Next: do the work, then \/_antract\/disable lets /m,
    );
    await site.antract.disable();
    expect(await text(site, '/status')).toMatch(
      /^Pause is disabled\.\nApp default is running: 0 held, \d in flight\.\n$/,
    );
  });

  it('a stopped app is disabled on the first line, and stopped on the second', async () => {
    const site = await start();
    await site.antract.enable();
    const held = await hold(site, 2);
    expect(await text(site, '/stop?message=Back%20at%209')).toMatch(
      /^App is stopped: requests are answered 503\.\n2 held requests got that answer now\.\nApp default is stopped: .*, stopped for .* m?s\.\nRequests are answered 503\. The stop does not end by itself\.\nStopped by: 127\.0\.0\.1\nClients are told: Back at 9\n/,
    );
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([503, 503]);
    expect(await firstLine(site, '/stop')).toBe('App is already stopped.');
    expect(await text(site, '/status')).toMatch(
      /^Pause is disabled\.\nApp default is stopped: 0 held, 0 in flight, stopped for .* m?s\.\nRequests are answered 503\. The stop does not end by itself\.\nStopped by: 127\.0\.0\.1\nClients are told: Back at 9\n/,
    );
  });

  it('a stop with a maxTime shows when it ends, and ends then', async () => {
    const site = await start();
    expect(await text(site, '/stop?max_time=10m')).toMatch(
      /, ends by itself in (10 min|9 min \d+ s), stopped for .*\.\n/,
    );
    expect(await text(site, '/status?app=default')).not.toContain('does not end by itself');
    const resumed = nextEvent(site.antract, 'resumed');
    await text(site, '/stop?max_time=20ms');
    await resumed;
    expect(await json(site, '/status?app=default')).toMatchObject({ phase: 'running' });
  });

  it('an app that is releasing is disabled on the first line, with the number of held requests', async () => {
    const site = await start({ options: { release: { concurrency: 1 } } });
    await site.antract.enable();
    const held: Promise<Answer>[] = [];
    for (let i = 0; i < 3; i++) {
      const now = nextEvent(site.antract, 'held');
      held.push(request(`${site.url}/slow`));
      await now;
    }
    expect(await text(site, '/disable')).toMatch(
      /^Pause is disabled\. 3 requests were held in-flight\.\nApp default is releasing: 2 held, 1 in flight, .*\nHeld requests are released, in order\.\n/,
    );
    expect(await text(site, '/status')).toMatch(
      /^Pause is disabled\.\nApp default is releasing: 2 held, 1 in flight, .*\nHeld requests are released, in order\.\n/,
    );
    for (let i = 0; i < 3; i++) {
      await until(() => site.open.length !== i);
      site.open[i]?.end();
    }
    await Promise.all(held);
  });

  it('status without an app begins with the default app, followed by all others', async () => {
    const site = await start({ apps: ['shop', 'default', 'blog', 'wiki'] });
    await site.antract.enable('shop', { maxTime: '10m', reason: 'new disk' });
    await site.antract.stop('wiki');
    const status = await text(site, '/status');
    expect(status.split('\n')[0]).toBe('Pause is disabled.');
    expect(status).toMatch(
      /\nApp shop is paused: 0 held, 0 in flight, ends by itself in (10 min|9 min \d+ s), .*\n {2}Drained: .*\n {2}Reason: new disk\nApp blog is running: 0 held, 0 in flight\.\nApp wiki is stopped: 0 held, 0 in flight, stopped for [\d.]+ m?s\.\n {2}Requests are answered 503\. The stop does not end by itself\.\n$/,
    );
  });

  it('status without an app begins with an app that does not run, if there is no default app', async () => {
    const site = await start({ apps: ['blog', 'shop'] });
    expect(await text(site, '/status')).toMatch(/^Pause is disabled\.\nApp blog is running: /);
    await site.antract.enable('shop');
    expect(await text(site, '/status')).toMatch(
      /^Pause is enabled, 0 requests are currently paused\.\nApp shop is paused: /,
    );
  });

  it('the next step names the app, and where the router is mounted', async () => {
    const antract = createAntract({ logger: silentLogger });
    const app = express5();
    app.use('/ops/gate', antract.admin());
    const { url } = await listen(app);
    const { body } = await request(`${url}/ops/gate/enable?app=a%26b`);
    expect(body).toContain('/ops/gate/disable?app=a%26b lets');
  });
});

describe('the JSON of the admin endpoints:', () => {
  it('status with an app is what registry.status() returns', async () => {
    const site = await start();
    await site.antract.enable('default', { reason: 'new disk' });
    void (await hold(site, 1));
    const status = await json(site, '/status?app=default');
    expect(status).toEqual({
      app: 'default',
      phase: 'paused',
      held: 1,
      inFlight: 0,
      longLived: 0,
      spooledBytes: 0,
      heldLimit: 10_000,
      maxWaitMs: null,
      onMaxWait: 'reject',
      maxTimeMs: 300_000,
      target: null,
      heldDelta: null,
      backend: UNKNOWN_BACKEND,
      traffic: expect.objectContaining({ requestsPerSecond: 0, p95Ms: null }),
      by: null,
      probe: null,
      only: null,
      oldestHoldMs: expect.any(Number),
      pausedForMs: expect.any(Number),
      stoppedForMs: null,
      endsInMs: expect.any(Number),
      leaseEndsInMs: null,
      expectedEndInMs: null,
      pauseId: expect.any(String),
      reason: 'new disk',
      message: null,
      summary: expect.stringMatching(/^App default is paused: 1 held, 0 in flight, .*\.$/),
      details: ['Drained: nothing is in flight. New requests are held.', 'Reason: new disk'],
    });
    expect(Object.keys(status)).toEqual(Object.keys(site.antract.status()));
  });

  it('status counts the spooled bytes of held requests', async () => {
    const site = await start();
    await site.antract.enable();
    const upload = request(`${site.url}/`, { method: 'POST', body: Buffer.alloc(102_400) });
    await eventually('the body is kept', () => site.antract.status().spooledBytes === 102_400);
    expect(await json(site, '/status?app=default')).toMatchObject({
      spooledBytes: 102_400,
      details: expect.arrayContaining(['Bodies of held requests: 100 KiB, in memory and on disk.']),
    });
    await site.antract.disable();
    await upload;
    expect(site.antract.status()).toMatchObject({ held: 0, spooledBytes: 0 });
  });

  it('status names the stragglers while draining', async () => {
    const site = await start();
    const slow = request(`${site.url}/slow?password=1`);
    await until(() => site.open.length > 0);
    await site.antract.enable();
    expect(await json(site, '/status?app=default')).toMatchObject({
      phase: 'pausing',
      inFlight: 1,
      stragglers: [{ method: 'GET', path: '/slow', ageMs: expect.any(Number) }],
    });
    site.open[0]?.end();
    await slow;
  });

  it('status without an app lists every app', async () => {
    const site = await start({ apps: ['default', 'shop'] });
    await site.antract.enable('shop');
    expect(await json(site, '/status')).toMatchObject({
      apps: [
        { app: 'default', phase: 'running' },
        { app: 'shop', phase: 'paused' },
      ],
    });
  });

  it('commands say what changed, how many were held before, and the state after', async () => {
    const site = await start();
    expect(await json(site, '/enable')).toMatchObject({
      app: 'default',
      phase: 'paused',
      changed: true,
      heldBefore: 0,
      result: 'Pause is enabled.',
    });
    const held = await hold(site, 2);
    expect(await json(site, '/enable')).toMatchObject({ changed: false, heldBefore: 2, held: 2 });
    expect(await json(site, '/disable')).toMatchObject({
      changed: true,
      heldBefore: 2,
      held: 0,
      result: 'Pause is disabled. 2 requests were held in-flight.',
    });
    await Promise.all(held);
    expect(await json(site, '/stop?message=Bye')).toMatchObject({
      phase: 'stopped',
      changed: true,
      message: 'Bye',
      result: 'App is stopped: requests are answered 503. 0 held requests got that answer now.',
    });
    expect(await json(site, '/stop')).toMatchObject({
      changed: false,
      result: 'App is already stopped.',
    });
  });

  it.each([
    [undefined, false],
    ['*/*', false],
    ['text/plain', false],
    ['text/html,application/xhtml+xml,*/*;q=0.8', false],
    ['image/png', false],
    ['application/json;q=0.5, text/plain', false],
    ['application/json', true],
    ['application/json, text/plain, */*', true],
    ['text/plain;q=0.5, application/json;q=0.9', true],
    ['application/problem+json', true],
    ['application/*', true],
  ])('Accept: %s asks for it: %p', async (accept, isJson) => {
    const site = await start();
    const headers: Record<string, string> = accept === undefined ? {} : { accept };
    const answer = await request(`${site.admin}/status`, { headers });
    const problem = await request(`${site.admin}/nosuch`, { headers });
    expect(answer.headers['content-type']).toBe(
      isJson ? 'application/json; charset=utf-8' : 'text/plain; charset=utf-8',
    );
    expect(problem.headers['content-type']).toBe(
      isJson ? 'application/problem+json' : 'text/plain; charset=utf-8',
    );
  });

  it('errors are problem documents with the code', async () => {
    const site = await start({ apps: ['shop'] });
    const problem = async (target: string): Promise<unknown> => {
      const answer = await request(site.admin + target, {
        headers: { accept: 'application/json' },
      });
      const body = JSON.parse(answer.body) as { status: number };
      expect(body.status).toBe(answer.status);
      return body;
    };
    expect(await problem('/enable?app=shpo')).toEqual({
      type: 'about:blank',
      title: 'Not Found',
      status: 404,
      detail: expect.stringContaining('shop'),
      code: 'ERR_ANTRACT_UNKNOWN_APP',
    });
    expect(await problem('/enable?app=%00')).toMatchObject({
      status: 400,
      code: 'ERR_ANTRACT_APP_NAME',
    });
    expect(await problem('/enable?app=shop&max_time=x')).toMatchObject({
      status: 400,
      code: 'ERR_ANTRACT_OPTION',
    });
    expect(await problem('/drain?app=shop')).toMatchObject({
      status: 409,
      detail: expect.stringMatching(/`antract pause`.*`\/enable`/),
      code: 'ERR_ANTRACT_NOT_PAUSED',
    });
    expect(await problem('/nosuch')).toMatchObject({ status: 404, code: 'ERR_ANTRACT_ADMIN_PATH' });
    await site.antract.close();
    expect(await problem('/enable?app=shop')).toMatchObject({
      status: 503,
      code: 'ERR_ANTRACT_CLOSED',
    });
  });
});

describe('the router', () => {
  it('works with node:http alone', async () => {
    const antract = createAntract({ logger: silentLogger });
    const { url } = await listen(antract.admin());
    expect((await request(`${url}/enable?reason=x`)).body).toMatch(/^Pause is enabled\.\n/);
    const form = {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'reason=y',
    };
    expect((await request(`${url}/enable`, form)).status).toBe(200);
    expect(antract.status().reason).toBe('y');
    expect(
      (await request(`${url}/nosuch`, { headers: { accept: 'application/json' } })).status,
    ).toBe(404);
    expect((await request(`${url}/nosuch`, { method: 'OPTIONS' })).status).toBe(404);
  });

  it('works in a `node:http` server without Express', async () => {
    const antract = createAntract({ logger: silentLogger });
    const admin = antract.admin();
    const { url } = await listen((req, res) => admin(req, res));
    expect((await request(`${url}/status`)).status).toBe(200);
    const json = { 'content-type': 'application/json' };
    const body = '{"reason":"upgrade"}';
    expect((await request(`${url}/enable`, { method: 'POST', headers: json, body })).status).toBe(
      200,
    );
    expect(antract.status()).toMatchObject({ phase: 'paused', reason: 'upgrade' });
    expect((await request(`${url}/nosuch`)).status).toBe(404);
  });

  it('is never held by a pause mounted ahead of it', async () => {
    const site = await start();
    await site.antract.enable();
    await site.antract.stop();
    expect((await request(`${site.admin}/status`)).status).toBe(200);
  });

  it('answers where the application allows other sites to read, but does not allow it itself', async () => {
    const antract = createAntract({ logger: silentLogger });
    const app = express5();
    app.use((_req, res, next) => {
      res.setHeader('Access-Control-Allow-Origin', '*');
      res.setHeader('ETag', '"x"');
      next();
    });
    app.use('/_antract', antract.admin());
    const { url } = await listen(app);
    const { status, headers } = await request(`${url}/_antract/status`);
    expect(status).toBe(200);
    expect(headers).not.toHaveProperty('access-control-allow-origin');
    expect(headers).not.toHaveProperty('etag');
    expect(headers['cross-origin-resource-policy']).toBe('same-origin');
  });

  it('takes any case of a path and a slash at its end, as Express does', async () => {
    const site = await start();
    expect((await request(`${site.admin}/Status/`)).status).toBe(200);
  });
});
