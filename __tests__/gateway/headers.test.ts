/** What the gateway tells the backend of a request, and what clients can't make it say. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { GatewayConfig } from '../../lib/gateway/server/gateway.ts';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, connect, listen, request } from '../support/http.ts';
import { nextEvent } from '../support/next-event.ts';

afterEach(async () => {
  await closeGateways();
  await closeAll();
});

async function open(config: GatewayConfig = {}) {
  const backend = await listen((req, res) => res.end(JSON.stringify(req.headers)));
  const gateway = await openGateway({ target: backend.url, ...config });
  const seen = async (headers: OutgoingHttpHeaders): Promise<IncomingHttpHeaders> => {
    const { body } = await request(gateway.url, { headers });
    return JSON.parse(body) as IncomingHttpHeaders;
  };
  return { ...gateway, backend, seen };
}

const FORGED = {
  'X-Forwarded-For': '192.0.2.1',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Host': 'forged.example',
  'X-Forwarded-Port': '1',
  'X-Forwarded-Prefix': '/forged',
  'X-Real-IP': '192.0.2.1',
  Forwarded: 'for=192.0.2.1',
};

describe('X-Forwarded-*', () => {
  it('tell the backend the address, protocol and host of the client', async () => {
    const { seen } = await open();
    expect(await seen({ host: 'shop.example:8080' })).toMatchObject({
      host: 'shop.example:8080',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'shop.example:8080',
      'x-forwarded-port': '8080',
    });
    expect(await seen({ host: 'shop.example' })).toMatchObject({ 'x-forwarded-port': '80' });
  });

  it('can not be forged', async () => {
    const { seen } = await open();
    const headers = await seen({ host: 'shop.example', ...FORGED });
    expect(JSON.stringify(headers)).not.toMatch(/192\.0\.2\.1|https|forged/);
    expect(headers).toMatchObject({ 'x-forwarded-for': '127.0.0.1', 'x-forwarded-port': '80' });
  });

  it.each([false, true])(
    'can not be forged by names with `_`, which CGI, WSGI and Rack read the same (another proxy trusted: %s)',
    async (trustForwarded) => {
      const { seen } = await open({ trustForwarded });
      const { Forwarded: _, ...names } = FORGED;
      const forged = Object.entries(names).map(([name, value]) => [name.replace('-', '_'), value]);
      const headers = await seen({ ...Object.fromEntries(forged), X_FORWARDED_FOR: '192.0.2.1' });
      expect(JSON.stringify(headers)).not.toMatch(/192\.0\.2\.1|https|forged/);
      expect(await seen({ X_Other: '1' })).toHaveProperty('x_other', '1');
    },
  );

  it('are kept and extended with trustForwarded', async () => {
    const { seen } = await open({ trustForwarded: true });
    expect(await seen({ host: 'shop.example', ...FORGED })).toMatchObject({
      'x-forwarded-for': '192.0.2.1, 127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'forged.example',
      'x-forwarded-port': '1',
      forwarded: 'for=192.0.2.1',
    });
    expect(await seen({ host: 'shop.example', 'X-Forwarded-Proto': 'https' })).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-port': '443',
    });
  });

  it('can not be removed by naming them in Connection', async () => {
    const { seen } = await open({ trustForwarded: true });
    const headers = await seen({
      ...FORGED,
      Connection: 'close, x-forwarded-for, host, x-private',
      'X-Private': '1',
    });
    expect(headers).toMatchObject({ 'x-forwarded-for': '192.0.2.1, 127.0.0.1' });
    expect(headers.host).toBeDefined();
    expect(headers).not.toHaveProperty('x-private');
  });
});

describe('Host', () => {
  it('is the host name of the target with changeOrigin', async () => {
    const { seen, backend } = await open({ changeOrigin: true });
    expect(await seen({ host: 'shop.example' })).toMatchObject({
      host: `127.0.0.1:${backend.port}`,
      'x-forwarded-host': 'shop.example',
    });
  });
});

describe('hop-by-hop headers', () => {
  it('are not passed on, in both directions', async () => {
    const backend = await listen((req, res) => {
      res.setHeader('Keep-Alive', 'timeout=1');
      res.setHeader('Connection', 'X-Hop');
      res.setHeader('X-Hop', '1');
      res.setHeader('Upgrade', 'h2c');
      res.end(JSON.stringify(req.headers));
    });
    const { url } = await openGateway({ target: backend.url });
    const sent = {
      TE: 'gzip',
      'Keep-Alive': '1',
      'Proxy-Connection': 'keep-alive',
      Expect: '100-continue',
    };
    const { headers, body } = await request(url, { method: 'POST', body: 'x', headers: sent });
    for (const name of ['te', 'keep-alive', 'proxy-connection', 'expect']) {
      expect(JSON.parse(body)).not.toHaveProperty([name]);
    }
    expect(headers).not.toHaveProperty('x-hop');
    expect(headers).not.toHaveProperty('upgrade');
    expect(headers).not.toHaveProperty('keep-alive', 'timeout=1');
  });

  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
  const chunk = `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`;

  it.each([
    ['content-length', `Content-Length: ${smuggled.length}\r\n\r\n${smuggled}`],
    ['transfer-encoding', `Transfer-Encoding: chunked\r\n\r\n${chunk}`],
  ])('keep the framing of a body, even if Connection names %s', async (name, rest) => {
    const bodies: string[] = [];
    const backend = await listen(async (req, res) => {
      let body = '';
      for await (const part of req) body += String(part);
      bodies.push(`${req.method} ${body}`);
      res.end('ok');
    });
    const { port } = await openGateway({ target: backend.url });
    const socket = await connect(port);
    const closed = once(socket.resume(), 'close');
    socket.write(`GET / HTTP/1.1\r\nHost: x\r\nConnection: ${name}, close\r\n${rest}`);
    await closed;
    expect(bodies).toEqual([`GET ${smuggled}`]);
  });
});

describe('X-Antract-Held-Ms', () => {
  it('tells the backend how long a request was held', async () => {
    const { seen, antract } = await open();
    await antract.enable();
    const held = nextEvent(antract, 'held');
    const waiting = seen({ 'X-Antract-Held-Ms': '1000000' });
    await held;
    await antract.disable();
    expect(Number((await waiting)['x-antract-held-ms'])).toBeLessThan(10_000);
  });

  it('can not be forged, held or not, bypassing or not', async () => {
    const { seen } = await open({ privilegedUserAgent: 'tester' });
    for (const agent of ['anybody', 'tester']) {
      const headers = await seen({ 'X-Antract-Held-Ms': '1', 'User-Agent': agent });
      expect(headers).not.toHaveProperty('x-antract-held-ms');
    }
  });
});
