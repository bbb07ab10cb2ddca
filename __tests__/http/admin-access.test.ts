/** Who may use the admin endpoints. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http, { type IncomingMessage, type RequestListener, type ServerOptions } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { AntractError, createAntract, type AdminOptions } from '../../lib/index.ts';
import { WrongTokens } from '../../lib/admin/access/wrong-tokens.ts';
import { isLoopbackAddress, isLoopbackHost } from '../../lib/admin/access/loopback.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { openStream } from '../support/event-stream.ts';
import { closeAll, connect, listen, request, type Answer } from '../support/http.ts';
import { createOpenAntract, type OpenAntract } from '../support/open-registry.ts';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
  await closeAll();
});

interface Admin {
  antract: OpenAntract;
  app: RequestListener;
  warnings: string[];
  errors: string[];
  passedOn: string[];
}

/** An application with the admin router; `peer` is what its sockets say of the other end. */
function createApp(options?: AdminOptions, peer?: string): Admin {
  const warnings: string[] = [];
  const errors: string[] = [];
  const passedOn: string[] = [];
  const logger = {
    info: () => undefined,
    warn: (message: string) => void warnings.push(message),
    error: (message: string) => void errors.push(message),
  };
  const antract = createOpenAntract({ logger });
  const app = express();
  if (peer !== undefined) {
    app.use((req, _res, next) => {
      Object.defineProperty(req.socket, 'remoteAddress', { value: peer });
      next();
    });
  }
  app.use('/_antract', antract.admin(options));
  app.use((req, res) => {
    passedOn.push(req.originalUrl);
    res.status(418).end('passed on');
  });
  return { antract, app, warnings, errors, passedOn };
}

async function start(
  options?: AdminOptions,
  peer?: string,
): Promise<Admin & { url: string; port: number }> {
  const admin = createApp(options, peer);
  const { port, url } = await listen(admin.app);
  return { ...admin, port, url: `${url}/_antract` };
}

/** Listens without the checks that Node makes of its own accord. */
async function listenWith(options: ServerOptions, app: RequestListener): Promise<number> {
  const server = http.createServer(options, app);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

/** Sends just these lines, and returns the status. */
async function raw(port: number, lines: string[]): Promise<number> {
  const socket = await connect(port);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(chunk.toString())?.[1]);
}

const bearer = (token: string): string => `Bearer ${token}`;
const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

describe('without options,', () => {
  it.each([
    'localhost',
    'LocalHost:8082',
    'shop.localhost',
    'a.b.localhost:1',
    '127.0.0.1',
    '127.9.9.9:65535',
    '[::1]',
    '[::1]:8082',
  ])('a direct loopback connection to %s is served', async (host) => {
    const { url } = await start();
    expect((await request(`${url}/status`, { headers: { host } })).status).toBe(200);
  });

  it.each([
    'evil.example',
    'localhost.evil.example',
    'evil-localhost',
    '.localhost',
    '127.0.0.1.nip.io',
    '127.1',
    '128.0.0.1',
    '10.0.0.1:8082',
    '[::2]',
    'localhost:80:80',
    'user@localhost',
    'localhost/x',
  ])('a page that had %s resolve to loopback is refused', async (host) => {
    const { antract, url } = await start();
    expect((await request(`${url}/enable`, { headers: { host } })).status).toBe(403);
    expect(antract.status().phase).toBe('running');
  });

  it('an admin request without a Host header is rejected', async () => {
    const { app } = createApp();
    const port = await listenWith({ requireHostHeader: false }, app);
    expect(await raw(port, ['GET /_antract/status HTTP/1.1'])).toBe(403);
    expect(await raw(port, ['GET /_antract/status HTTP/1.1', 'Host: localhost'])).toBe(200);
  });

  it('an admin request with two Host headers is rejected', async () => {
    const { port } = await start();
    const status = await raw(port, [
      'GET /_antract/status HTTP/1.1',
      'Host: localhost',
      'Host: localhost',
    ]);
    expect([400, 403]).toContain(status);
  });

  it.each([
    'Forwarded',
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    'X-Forwarded',
    'X-Real-IP',
    'Via',
    'CF-Connecting-IP',
    'True-Client-IP',
  ])('a request with %s came through a proxy and is refused', async (name) => {
    const { antract, url } = await start();
    const { status } = await request(`${url}/enable`, { headers: { [name]: '127.0.0.1' } });
    expect(status).toBe(403);
    expect(antract.status().phase).toBe('running');
  });

  it('HTTP/1.0 and absolute URLs, as clients send them to proxies, are rejected', async () => {
    const { port } = await start();
    expect(await raw(port, ['GET /_antract/status HTTP/1.0', 'Host: localhost'])).toBe(403);
    expect(
      await raw(port, ['GET http://localhost/_antract/status HTTP/1.1', 'Host: localhost']),
    ).toBe(403);
    expect(await raw(port, ['GET /_antract/status HTTP/1.1', 'Host: localhost'])).toBe(200);
  });

  it('an admin request with `Connection: upgrade` and no Upgrade header, as nginx sends it, is rejected', async () => {
    const { port } = await start();
    const lines = ['GET /_antract/status HTTP/1.1', 'Host: localhost'];
    expect(await raw(port, [...lines, 'Connection: upgrade'])).toBe(403);
    expect(await raw(port, [...lines, 'Connection: keep-alive, Upgrade'])).toBe(403);
    expect(await raw(port, [...lines, 'Connection: Upgrade', 'Upgrade: h2c'])).toBe(200);
  });

  it.each(['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::1', 'fe80::1%eth0'])(
    'a connection from %s is refused',
    async (peer) => {
      const { url } = await start(undefined, peer);
      expect((await request(`${url}/status`)).status).toBe(403);
    },
  );

  it('an admin request over a Unix socket is rejected', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'antract-admin-'));
    cleanUps.push(() => rm(directory, { recursive: true }));
    const socketPath = path.join(directory, 'admin.sock');
    const server = http.createServer(createApp().app).listen(socketPath);
    cleanUps.push(() => new Promise((resolve) => server.close(resolve)));
    await once(server, 'listening');
    const client = http.get({
      socketPath,
      path: '/_antract/status',
      headers: { host: 'localhost' },
      agent: false,
    });
    const [res] = (await once(client, 'response')) as [IncomingMessage];
    res.resume();
    expect(res.statusCode).toBe(403);
  });

  it('a warning says once that a token or another listener is meant for production', async () => {
    const { url, warnings } = await start();
    expect(warnings).toEqual([]);
    await request(`${url}/status`);
    await request(`${url}/status`);
    await request(`${url}/status`, { headers: { via: '1.1 proxy' } });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(
      /^WRN_ANTRACT_ADMIN_LOOPBACK: .*give `token` or `authorize` to admin\(\), or serve/,
    );
    expect(warnings[0]).not.toContain('refused');
  });

  it('the warning says why the first admin request was rejected', async () => {
    const { url, warnings } = await start();
    await request(`${url}/status`, { headers: { via: '1.1 proxy' } });
    expect(warnings[0]).toContain('refused: it came through a proxy (it has a via header)');
  });

  it('a rejection is the same for each endpoint and each state of the app', async () => {
    const { antract, url, passedOn } = await start(undefined, '10.0.0.1');
    const ask = (method: string, target: string, body?: string): Promise<Answer> =>
      request(url + target, {
        method,
        headers: { 'content-type': 'text/xml' },
        ...(body && { body }),
      });
    const refusals = [await ask('GET', '/status')];
    await antract.enable('shop', { reason: 'secret' });
    refusals.push(
      await ask('GET', '/status?app=shop'),
      await ask('GET', '/status?app=nosuch'),
      await ask('GET', '/nosuch'),
      await ask('DELETE', '/enable'),
      await ask('OPTIONS', '/enable'),
      await ask('POST', '/enable', '<app>shop</app>'),
      await ask('GET', ''),
      await ask('GET', '//..%2f/'),
    );
    const shown = refusals.map(({ status, body }) => ({ status, body }));
    expect(new Set(shown.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(shown[0]?.status).toBe(403);
    expect(shown[0]?.body).not.toMatch(/secret|shop|pause|held/i);
    expect(passedOn).toEqual([]);
  });
});

describe('a loopback address', () => {
  it('is 127/8 and ::1, also when mapped', () => {
    expect(['127.0.0.1', '127.255.0.1', '::1', '::ffff:127.0.0.1'].map(isLoopbackAddress)).toEqual(
      Array(4).fill(true),
    );
    expect(
      ['126.0.0.1', '128.0.0.1', '::', '::ffff:128.0.0.1', '', 'localhost', undefined].map(
        isLoopbackAddress,
      ),
    ).toEqual(Array(7).fill(false));
  });

  it('is told from a long host name in a short time', () => {
    expect(isLoopbackHost(`${'a.'.repeat(100_000)}!`)).toBe(false);
    expect(isLoopbackHost(`${'a.'.repeat(100_000)}localhost.`)).toBe(false);
  });
});

describe('an admin token', () => {
  const header = async (url: string, authorization: string): Promise<number> =>
    (await request(`${url}/status`, { headers: { authorization } })).status;

  it('is accepted as Bearer, and as the password of Basic with any user name', async () => {
    const { url, warnings } = await start({ token: 'se:cret' });
    expect(await header(url, bearer('se:cret'))).toBe(200);
    expect(await header(url, 'bearer   se:cret')).toBe(200);
    expect(await header(url, basic('ops', 'se:cret'))).toBe(200);
    expect(await header(url, basic('', 'se:cret'))).toBe(200);
    expect(warnings).toEqual([]);
  });

  it.each([
    ['nothing', ''],
    ['no scheme', 'secret'],
    ['no token', 'Bearer '],
    ['another token', bearer('secreT')],
    ['the beginning of it', bearer('secre')],
    ['more than it', bearer('secret2')],
    ['another scheme', 'Digest secret'],
    ['Basic with it as the user name', basic('secret', '')],
    ['Basic that is not base64', 'Basic %%%'],
    ['Basic without a colon', `Basic ${Buffer.from('secret').toString('base64')}`],
    ['bytes that are no text', `Bearer ${Buffer.from([0xff, 0xfe, 0x80]).toString('latin1')}`],
    ['something long', bearer('x'.repeat(8000))],
  ])('%s is answered 401 with both schemes', async (_what, authorization) => {
    const { antract, url } = await start({ token: 'secret' });
    const answer = await request(`${url}/enable`, { headers: { authorization } });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe(
      'Bearer realm="antract", Basic realm="antract", charset="UTF-8"',
    );
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.body).not.toContain('secret');
    expect(antract.status().phase).toBe('running');
  });

  it('is required: a request without Authorization gets 401', async () => {
    const { url } = await start({ token: 'secret' });
    expect((await request(`${url}/status`)).status).toBe(401);
  });

  it('is rejected with 401 in two Authorization headers, even if each is valid', async () => {
    const { port } = await start({ token: 'secret' });
    const one = 'Authorization: Bearer secret';
    const head = ['GET /_antract/status HTTP/1.1', 'Host: localhost'];
    expect(await raw(port, [...head, one, one])).toBe(401);
    expect(await raw(port, [...head, one])).toBe(200);
  });

  it('is accepted if it is one of several, as they were when the router was created', async () => {
    const token = ['old', 'new'];
    const { url } = await start({ token });
    token.push('later');
    expect(await header(url, bearer('old'))).toBe(200);
    expect(await header(url, bearer('new'))).toBe(200);
    expect(await header(url, basic('x', 'old'))).toBe(200);
    expect(await header(url, bearer('later'))).toBe(401);
    expect(await header(url, bearer('old,new'))).toBe(401);
  });

  it('may contain more than ASCII, in UTF-8', async () => {
    const { url } = await start({ token: 'größe😀' });
    expect(await header(url, bearer(Buffer.from('größe😀').toString('latin1')))).toBe(200);
    expect(await header(url, basic('ops', 'größe😀'))).toBe(200);
    expect(await header(url, bearer('gr'))).toBe(401);
  });

  it('replaces the loopback rule', async () => {
    const { url } = await start({ token: 'secret' }, '10.1.2.3');
    const headers = {
      authorization: bearer('secret'),
      host: 'ops.example',
      'x-forwarded-for': '1.2.3.4',
    };
    expect((await request(`${url}/status`, { headers })).status).toBe(200);
  });

  it('is checked ahead of path, method, parameters and body', async () => {
    const { url } = await start({ token: 'secret' });
    const statuses = [
      await request(`${url}/nosuch`),
      await request(`${url}/enable`, { method: 'DELETE' }),
      await request(`${url}/enable?nosuch=1`),
      await request(`${url}/enable`, { method: 'POST', body: 'x'.repeat(5000) }),
      await request(`${url}/enable`, {
        method: 'POST',
        headers: { 'sec-fetch-site': 'cross-site' },
      }),
    ].map(({ status }) => status);
    expect(statuses).toEqual([401, 401, 401, 401, 401]);
  });
});

describe('a wrong token', () => {
  it('is logged with its address, the first at once', async () => {
    const { url, warnings } = await start({ token: 'secret' });
    await request(`${url}/status`);
    await request(`${url}/status`, { headers: { authorization: bearer('secret') } });
    expect(warnings).toEqual([]);
    for (const authorization of [bearer('guess'), basic('ops', 'guess'), 'Digest x']) {
      await request(`${url}/status`, { headers: { authorization } });
    }
    expect(warnings).toEqual([
      'WRN_ANTRACT_ADMIN_TOKEN: an admin request with a wrong token was refused, from 127.0.0.1 (1).',
    ]);
  });

  it('is logged when antract is closed within the minute', async () => {
    const { antract, url, warnings } = await start({ token: 'secret' });
    for (let i = 0; i < 3; i++) {
      await request(`${url}/status`, { headers: { authorization: bearer('guess') } });
    }
    await antract.close();
    expect(warnings).toHaveLength(2);
    expect(warnings[1]).toMatch(/2 admin requests .* were refused, from 127.0.0.1 \(2\)\.$/);
  });

  it('can not flood the log: one line a minute, which names ten addresses', () => {
    const clock = new FakeClock();
    const warnings: string[] = [];
    const logger = {
      info() {},
      warn: (message: string) => void warnings.push(message),
      error() {},
    };
    const closing = new AbortController();
    const wrong = new WrongTokens(logger, closing.signal, clock);
    wrong.add(undefined);
    expect(warnings.splice(0)).toEqual([expect.stringContaining('from a Unix socket (1).')]);
    for (let i = 0; i < 10_000; i++) wrong.add('::ffff:192.0.2.1');
    for (let i = 2; i < 30; i++) wrong.add(`192.0.2.${i}`);
    clock.advance(59_999);
    expect(warnings).toEqual([]);
    clock.advance(1);
    const [line = ''] = warnings.splice(0);
    expect(line).toContain(
      '10028 admin requests with a wrong token were refused, from 192.0.2.1 (10000)',
    );
    expect(line).toContain('192.0.2.10 (1), others (19).');
    clock.advance(60_000);
    expect(warnings).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
    wrong.add('192.0.2.1');
    expect(warnings).toHaveLength(1);
    closing.abort();
    expect(clock.pendingTimers).toBe(0);
    expect(warnings).toHaveLength(1);
  });
});

describe('the authorize function of the admin router', () => {
  const ask = async (authorize: unknown): Promise<{ answer: Answer; errors: string[] }> => {
    const { url, errors } = await start({ authorize } as AdminOptions);
    return { answer: await request(`${url}/status`), errors };
  };

  it('accepts a request with true or a promise for true', async () => {
    expect((await ask(() => true)).answer.status).toBe(200);
    expect((await ask(async () => true)).answer.status).toBe(200);
  });

  it('rejects a request with any other value', async () => {
    for (const no of [false, undefined, null, 1, 'yes', {}]) {
      expect((await ask(() => no)).answer.status).toBe(403);
      expect((await ask(async () => no)).answer.status).toBe(403);
    }
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('database is down');
      },
    ],
    ['rejects', () => Promise.reject(new Error('database is down'))],
  ])('one that %s keeps a request out, and only the log tells why', async (_how, authorize) => {
    const { answer, errors } = await ask(authorize);
    expect(answer.status).toBe(403);
    expect(answer.body).not.toMatch(/database|Error:|\bat /);
    expect(errors).toEqual([expect.stringContaining('database is down')]);
  });

  it('replaces the loopback rule, without a warning', async () => {
    const { url, warnings } = await start(
      { authorize: (req) => req.headers['x-user'] === 'ops' },
      '10.1.2.3',
    );
    expect(
      (await request(`${url}/status`, { headers: { 'x-user': 'ops', via: '1.1 a' } })).status,
    ).toBe(200);
    expect((await request(`${url}/status`, { headers: { 'x-user': 'eve' } })).status).toBe(403);
    expect(warnings).toEqual([]);
  });

  it('accepts a request only with a valid token, if both are given', async () => {
    let asked = 0;
    const authorize = (req: IncomingMessage): boolean => {
      asked++;
      return req.headers['x-user'] === 'ops';
    };
    const { url } = await start({ token: 'secret', authorize });
    const status = async (headers: Record<string, string>): Promise<number> =>
      (await request(`${url}/status`, { headers })).status;
    expect(await status({ authorization: bearer('secret'), 'x-user': 'ops' })).toBe(200);
    expect(await status({ authorization: bearer('secret') })).toBe(403);
    expect(asked).toBe(2);
    expect(await status({ 'x-user': 'ops' })).toBe(401);
    expect(asked).toBe(2);
  });
});

describe('a state change that another web site requests', () => {
  const CHANGES = ['/enable', '/disable', '/stop', '/drain'];
  const modes: [string, AdminOptions | undefined, Record<string, string>][] = [
    ['without options', undefined, {}],
    ['with a token', { token: 'secret' }, { authorization: basic('ops', 'secret') }],
    ['with authorize', { authorize: () => true }, {}],
  ];
  const FOREIGN: Record<string, string>[] = [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'same-origin, cross-site' },
    { 'sec-fetch-site': '' },
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: '' },
    { origin: 'http://localhost:1' },
    { origin: 'http://localhost.evil.example' },
    { origin: 'http://localhost@evil.example' },
    { origin: 'chrome-extension://localhost' },
    { origin: 'http://localhost', 'sec-fetch-site': 'cross-site' },
    { origin: 'http://evil.example', 'sec-fetch-site': 'same-origin' },
    { 'sec-purpose': 'prefetch', 'sec-fetch-site': 'none' },
    { 'sec-purpose': 'prefetch;prerender', 'sec-fetch-site': 'same-origin' },
    { purpose: 'prefetch' },
    { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64)' },
  ];

  it.each(modes)('is refused %s', async (_mode, options, credentials) => {
    const { antract, url } = await start(options);
    for (const foreign of FOREIGN) {
      for (const [index, target] of CHANGES.entries()) {
        const headers = { host: 'localhost', ...credentials, ...foreign };
        const method = index % 2 === 0 ? 'GET' : 'POST';
        const { status, body } = await request(url + target, { method, headers });
        expect({ foreign, target, status }).toEqual({ foreign, target, status: 403 });
        expect(body).toContain('ERR_ANTRACT_ADMIN_CROSS_SITE');
      }
    }
    expect(antract.status().phase).toBe('running');
  });

  it.each(modes)(
    'is not what curl, an address typed in, or an own page sends, %s',
    async (_mode, options, credentials) => {
      const { url } = await start(options);
      const own: Record<string, string>[] = [
        {},
        { 'user-agent': 'curl/8.0' },
        { 'user-agent': 'Mozilla/5.0', 'sec-fetch-site': 'none' },
        {
          'user-agent': 'Mozilla/5.0',
          'sec-fetch-site': 'same-origin',
          origin: 'http://localhost',
        },
        { 'user-agent': 'Mozilla/5.0', origin: 'http://localhost' },
        { origin: 'https://LOCALHOST:443', host: 'localhost' },
        { origin: 'http://localhost', host: 'LocalHost:80' },
        { origin: 'http://localhost:8082', host: 'localhost:8082' },
        { origin: 'http://[::1]:8082', host: '[::1]:8082' },
      ];
      for (const headers of own) {
        const answer = await request(`${url}/enable`, {
          headers: { host: 'localhost', ...credentials, ...headers },
        });
        expect({ headers, status: answer.status }).toEqual({ headers, status: 200 });
      }
    },
  );

  it('does not concern `status`, which changes nothing', async () => {
    const { url } = await start();
    expect(
      (await request(`${url}/status`, { headers: { 'sec-fetch-site': 'cross-site' } })).status,
    ).toBe(200);
  });

  it.each(modes)(
    'is treated alike by the event stream: another site’s page gets 403, %s',
    async (_mode, options, credentials) => {
      const { url } = await start(options);
      for (const foreign of FOREIGN) {
        for (const method of ['GET', 'POST']) {
          const headers = { host: 'localhost', ...credentials, ...foreign };
          const { status, body } = await request(`${url}/events`, { method, headers });
          expect({ foreign, method, status }).toEqual({ foreign, method, status: 403 });
          expect(body).toContain('ERR_ANTRACT_ADMIN_CROSS_SITE');
        }
      }
    },
  );

  it('can not start the metrics', async () => {
    const { antract, url } = await start();
    const counted = () => antract.core.events.listenerCount('held');
    const before = counted();
    for (const foreign of FOREIGN.filter((headers) => !('user-agent' in headers))) {
      const { status } = await request(`${url}/metrics`, {
        headers: { host: 'localhost', ...foreign },
      });
      expect({ foreign, status }).toEqual({ foreign, status: 403 });
    }
    expect(counted()).toBe(before);
  });

  it('is told from the event stream of the dashboard, with and without HTTPS', async () => {
    const { url } = await start({ token: 'secret' });
    const own: Record<string, string>[] = [
      {},
      { 'user-agent': 'curl/8.0', accept: '*/*' },
      { 'user-agent': 'Mozilla/5.0', accept: 'text/event-stream', 'sec-fetch-site': 'same-origin' },
      // Towards plain HTTP on another machine.
      { 'user-agent': 'Mozilla/5.0', accept: 'text/event-stream' },
      { 'user-agent': 'Mozilla/5.0', 'sec-fetch-site': 'none' },
    ];
    for (const headers of own) {
      const stream = await openStream(`${url}/events`, {
        host: 'antract.internal',
        authorization: basic('ops', 'secret'),
        ...headers,
      });
      expect({ headers, status: stream.res.statusCode }).toEqual({ headers, status: 200 });
      stream.leave();
    }
  });

  it('takes no event stream from an operator', async () => {
    const { url } = await start();
    const refused = await Promise.all(
      Array.from({ length: 40 }, () =>
        request(`${url}/events`, { headers: { host: 'localhost', origin: 'http://evil.example' } }),
      ),
    );
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([403]));
    const stream = await openStream(`${url}/events`);
    expect(stream.res.statusCode).toBe(200);
    stream.leave();
  });
});

describe('admin options', () => {
  const refused = (options: unknown): string => {
    try {
      createAntract().admin(options as AdminOptions);
    } catch (error) {
      expect(error).toBeInstanceOf(AntractError);
      expect((error as AntractError).code).toBe('ERR_ANTRACT_OPTION');
      return (error as AntractError).message;
    }
    throw new Error('Nothing was thrown.');
  };

  it('throw for a misspelt name, and suggest the right one', () => {
    expect(refused({ tokn: 'x' })).toMatch(/`admin\.tokn`.*`token`/);
    expect(refused({ nosuch: 1 })).toMatch(/`admin\.nosuch`.*token, authorize/);
  });

  it.each([
    ['an empty token', ''],
    ['no tokens', []],
    ['an empty one among tokens', ['hunter2', '']],
    ['a line end', 'hunter2\n'],
    ['white space at an end', ' hunter2'],
    ['a control character', 'hunt\u0000er2'],
    ['a number', 42],
    ['null', null],
    ['an array in an array', [['hunter2']]],
  ])('%s throws, and is not shown', (_what, token) => {
    const message = refused({ token });
    expect(message).toMatch(/^Expected `admin\.token` to be a string that is not empty/);
    expect(message).not.toContain('hunt');
  });

  it('throw if `authorize` is not a function', () => {
    expect(refused({ authorize: true })).toMatch(/^Expected `admin\.authorize` to be a function/);
  });

  it('throw if they are not an object', () => {
    expect(refused('secret')).toMatch(/^Expected `admin` to be an object/);
  });

  it('that are undefined count as absent, so the loopback rule applies', async () => {
    const { url } = await start({ token: undefined, authorize: undefined }, '10.0.0.1');
    expect((await request(`${url}/status`)).status).toBe(403);
  });
});
