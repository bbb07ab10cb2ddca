/** The gateway's access lines. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { EventEmitter, once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http, { type IncomingMessage } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';
import { createAccessLog } from '../../lib/gateway/server/access-log.ts';
import type { AccessLogFormat, LineStream } from '../../lib/gateway/server/gateway.ts';
import { killBackends, startBackend } from '../support/backend.ts';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, connect, listen, readUntil, request } from '../support/http.ts';
import { nextEvent } from '../support/next-event.ts';

/** How long requests are held here. A gateway has the clock of the system, so this time has to pass. */
const MEASURED_MS = 20;

afterEach(async () => {
  await closeGateways();
  await killBackends();
  await closeAll();
});

interface Line {
  [name: string]: unknown;
}

/** A stream that hands out what it is given line by line. */
class Lines extends EventEmitter implements LineStream {
  readonly isTTY: boolean;
  isFull = false;
  readonly #lines: string[] = [];

  constructor(isTTY = false) {
    super();
    this.isTTY = isTTY;
  }

  get writableLength(): number {
    this.emit('asked');
    return this.isFull ? 2 ** 30 : 0;
  }

  write(text: string): boolean {
    this.#lines.push(...text.split('\n').slice(0, -1));
    this.emit('line');
    return true;
  }

  async next(): Promise<string> {
    while (this.#lines.length === 0) await once(this, 'line');
    return this.#lines.shift() as string;
  }

  async json(): Promise<Line> {
    return JSON.parse(await this.next()) as Line;
  }
}

async function open(accessLogFormat: AccessLogFormat = 'auto', isTTY = false) {
  const lines = new Lines(isTTY);
  const backend = await listen((_req, res) => res.end('ok'));
  const gateway = await openGateway({ target: backend.url, accessLog: lines, accessLogFormat });
  return { ...gateway, backend, lines };
}

describe('the access log', () => {
  it('has a line with the client, the request and its outcome', async () => {
    const { url, port, lines } = await open();
    await request(`${url}/path?secret=1`, {
      method: 'POST',
      body: 'x',
      headers: { 'User-Agent': 'tester/1' },
    });
    const line = await lines.json();
    expect(line).toMatchObject({
      app: 'default',
      remote: '127.0.0.1',
      method: 'POST',
      host: `127.0.0.1:${port}`,
      path: '/path',
      status: 200,
      heldMs: 0,
      userAgent: 'tester/1',
    });
    expect(new Date(line['time'] as string).getTime()).toBeGreaterThan(Date.now() - 10_000);
    expect(line['durationMs']).toEqual(expect.any(Number));
    expect(line['bytes']).toBeGreaterThan(20);
    expect(JSON.stringify(line)).not.toContain('secret');
    expect(line).not.toHaveProperty('outcome');
  });

  it('has every documented field in its place, and no other', async () => {
    const { url, lines, backend } = await open();
    await request(`${url}/gone`, { headers: { 'User-Agent': 'tester/1' } });
    const line = await lines.json();
    const docs = await readFile(new URL('../../docs/gateway.md', import.meta.url), 'utf8');
    const section = docs.split('\n## The access log\n')[1]?.split('\n##')[0] ?? '';
    const documented = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
    const always = documented.filter((name) => !['outcome', 'error', 'code'].includes(name ?? ''));
    expect(always).toEqual(Object.keys(line));
    expect(line).toMatchObject({ target: backend.url, backendMs: expect.any(Number) });
  });

  it('has the bytes that the client sent, for each request of a connection', async () => {
    const { url, lines } = await open();
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const sizes: number[] = [];
    for (const body of ['x'.repeat(5000), 'x'.repeat(100_000), 'x']) {
      await request(url, { method: 'POST', body, agent });
      sizes.push(Number((await lines.json())['bytesIn']) - body.length);
    }
    agent.destroy();
    // What is left are the headers.
    for (const size of sizes) {
      expect(size).toBeGreaterThan(50);
      expect(size).toBeLessThan(300);
    }
  });

  it('has no time and target of a backend that was not asked', async () => {
    const { url, antract, lines } = await open();
    await antract.stop();
    await request(url);
    expect(await lines.json()).toMatchObject({
      status: 503,
      code: 'ERR_ANTRACT_STOPPED',
      backendMs: null,
      target: null,
    });
  });

  it('leaves out admin requests and health checks that succeed', async () => {
    const lines = new Lines();
    const backend = await listen((req, res) => {
      res.statusCode = req.url === '/up' ? 200 : 500;
      res.end();
    });
    const gateway = await openGateway({
      target: backend.url,
      accessLog: lines,
      healthCheckPath: ['/up', '/down'],
    });
    await request(`${gateway.adminUrl}/status?app=default`);
    await request(`${gateway.url}/up`);
    await request(`${gateway.url}/down`);
    expect(await lines.json()).toMatchObject({ path: '/down', status: 500 });
    await request(`${gateway.adminUrl}/status?app=none`);
    expect(await lines.json()).toMatchObject({ app: null, path: '/_antract/status', status: 404 });
    const own = await openGateway({
      target: 'http://127.0.0.1:9',
      adminListen: '127.0.0.1:0',
      accessLog: lines,
    });
    await request(`${own.adminUrl}/status`);
    await request(`${own.adminUrl}/nothing`);
    expect(await lines.json()).toMatchObject({ app: null, path: '/_antract/nothing', status: 404 });
  });

  it('shows how long a request was held, and its outcome', async () => {
    const { url, antract, lines } = await open();
    await antract.enable();
    const held = nextEvent(antract, 'held');
    const answer = request(url);
    await held;
    await wait(MEASURED_MS);
    await antract.disable();
    await answer;
    const line = await lines.json();
    // A timer may run up to 1 ms early by another clock.
    expect(line['heldMs']).toBeGreaterThanOrEqual(MEASURED_MS - 1);
    expect(line['durationMs']).toBeGreaterThanOrEqual(line['heldMs'] as number);
  });

  it('shows that a client disconnected while held', async () => {
    const { url, antract, lines } = await open();
    await antract.enable();
    const held = nextEvent(antract, 'held');
    const client = http.get(url, { agent: false }).on('error', () => undefined);
    await held;
    await wait(MEASURED_MS);
    client.destroy();
    const line = await lines.json();
    expect(line).toMatchObject({ status: null, outcome: 'left', remote: '127.0.0.1' });
    expect(line['heldMs']).toBeGreaterThanOrEqual(MEASURED_MS - 1);
  });

  it('shows the error code of a failed backend', async () => {
    const backend = await startBackend();
    const lines = new Lines();
    const config = { target: backend.url, accessLog: lines, holdOnOutage: 0 };
    const impatient = await openGateway({ ...config, proxyTimeout: 50 });
    await request(`${impatient.url}/hang`);
    expect(await lines.json()).toMatchObject({ status: 504, error: 'ERR_ANTRACT_PROXY_TIMEOUT' });
    const { url } = await openGateway(config);
    const client = http.get(`${url}/begin`, { agent: false });
    const [res] = (await once(client, 'response')) as [IncomingMessage];
    res.on('error', () => undefined).resume();
    await backend.kill();
    expect(await lines.json()).toMatchObject({
      status: 200,
      outcome: 'cut-off',
      error: 'ECONNRESET',
    });
    await request(url);
    expect(await lines.json()).toMatchObject({ status: 502, error: 'ECONNREFUSED' });
  });

  it('has a line for a WebSocket when it closes', async () => {
    const { url, backend, lines } = await open();
    new WebSocketServer({ server: backend.server });
    const socket = new WebSocket(`${url.replace('http', 'ws')}/socket`);
    await once(socket, 'open');
    socket.close();
    expect(await lines.json()).toMatchObject({ app: 'default', path: '/socket', status: 101 });
  });

  it('contains no control characters, ASCII or other', async () => {
    for (const format of ['json', 'pretty'] as const) {
      const { port, lines } = await open(format);
      const socket = await connect(port);
      socket.write(
        Buffer.from('GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: a\x9b31m\x85\tc\r\n\r\n', 'latin1'),
      );
      await readUntil(socket, (text) => text.includes('ok'));
      // eslint-disable-next-line no-control-regex
      expect(await lines.next()).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    }
  });

  it('contains no bidirectional characters from an app name', async () => {
    const app = 'a\u202eb';
    const destination = { app, target: null };
    const exchange = { peer: undefined, error: undefined, sentAt: undefined, backendMs: undefined };
    const finished = { destination, exchange, status: 200, outcome: 'answered' } as const;
    for (const format of ['json', 'pretty'] as const) {
      let written = '';
      const log = createAccessLog({ write: (text) => (written += text) !== '' }, format);
      const req = { method: 'GET', url: '/', headers: {} } as IncomingMessage;
      log.write({ ...finished, req, bytesIn: 0, bytes: 0, durationMs: 1, endedAt: 0 });
      log.close();
      expect(written).toContain('a\\u202eb');
    }
  });

  it('has the time when the request ended, not when its line was written', () => {
    let written = '';
    const log = createAccessLog({ write: (text) => (written += text) !== '' }, 'json');
    const destination = { app: 'default', target: null };
    const exchange = { peer: undefined, error: undefined, sentAt: undefined, backendMs: undefined };
    const req = { method: 'GET', url: '/', headers: {} } as IncomingMessage;
    const finished = { destination, exchange, req, status: 200, outcome: 'answered' } as const;
    for (const endedAt of [0, 750])
      log.write({ ...finished, bytesIn: 0, bytes: 0, durationMs: 1, endedAt });
    log.close();
    const times = written
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { time: string }).time);
    // Exactly: a conversion between two clocks could put the lines of two batches out of order.
    expect(times).toEqual(['1970-01-01T00:00:00.000Z', '1970-01-01T00:00:00.750Z']);
  });

  it('truncates long paths and user agents', async () => {
    const { url, lines } = await open();
    await request(`${url}/${'x'.repeat(8000)}`, { headers: { 'User-Agent': 'y'.repeat(4000) } });
    expect((await lines.next()).length).toBeLessThan(2000);
  });

  it('is pretty on a terminal, unless JSON is set', async () => {
    const terminal = await open('auto', true);
    await request(`${terminal.url}/path`);
    expect(await terminal.lines.next()).toMatch(/^\d\d:\d\d:\d\d 200 GET {2}\/path [\d.]+ m?s$/);
    const json = await open('json', true);
    await request(json.url);
    expect(await json.lines.json()).toMatchObject({ status: 200 });
  });
});

describe('the stream of the access log', () => {
  it('may fail, and the gateway keeps serving', async () => {
    const { url, lines } = await open();
    lines.emit('error', new Error('EPIPE'));
    expect((await request(url)).status).toBe(200);
  });

  it('gets no more than it accepts: further lines are dropped and counted', async () => {
    const { url, lines } = await open();
    lines.isFull = true;
    const asked = once(lines, 'asked');
    await request(url);
    await asked;
    lines.isFull = false;
    await request(url);
    await lines.next();
    expect(await lines.json()).toMatchObject({ droppedLines: 1 });
  });

  it('has no listener after the gateway has closed', async () => {
    const { url, lines, close } = await open();
    await request(url);
    await close();
    expect(lines.listenerCount('error')).toBe(0);
  });
});
