/** A drain ends requests that it waits for only because their client is too slow. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { TooSlowEvent } from '../../lib/gate/events.ts';
import { createPauseMiddleware } from '../../lib/http/middleware.ts';
import type { AntractOptions } from '../../lib/options/options.ts';
import { OpenRegistry } from '../support/open-registry.ts';
import { DEFAULT_SPOOL_SETTINGS } from '../../lib/options/spool-settings.ts';
import { createSpooler } from '../../lib/spool/spooler.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, connect, listen, readUntil } from '../support/http.ts';
import { until } from '../support/eventually.ts';
import { silentLogger } from '../support/silent-logger.ts';

afterEach(async () => {
  await closeGateways();
  await closeAll();
});

const UPLOAD = 'POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n';
const ignore = (): void => undefined;

const untilEnd = async (socket: Socket): Promise<string> => {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  // Not by `once()`, which rejects where the connection is reset.
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
};

/** A backend that answers when it has read a body, and what became of each request. */
async function openBackend() {
  const seen: { url: string; bytes: number; isComplete: boolean | undefined }[] = [];
  const backend = await listen((req, res) => {
    const one: (typeof seen)[number] = { url: req.url ?? '', bytes: 0, isComplete: undefined };
    seen.push(one);
    req.on('data', (chunk: Buffer) => (one.bytes += chunk.length)).on('error', ignore);
    req.once('close', () => (one.isComplete = req.complete));
    if (one.url === '/slow') return;
    if (one.url === '/big') {
      res.setHeader('Content-Length', 50_000_000);
      res.end(Buffer.alloc(50_000_000));
    } else req.once('end', () => res.end('done'));
  });
  return { ...backend, seen };
}

describe('a gateway that drains', () => {
  it.each(['1.1', '1.0'])(
    'answers 408 to an upload that takes longer than drainBodyTimeout, and its backend sees an incomplete body (HTTP/%s)',
    async (version) => {
      const backend = await openBackend();
      const gateway = await openGateway({ target: backend.url, drainBodyTimeout: 50 });
      const events: TooSlowEvent[] = [];
      gateway.antract.on('tooSlow', (event) => events.push(event));
      const client = await connect(gateway.port);
      client.write(`${UPLOAD.replace('HTTP/1.1', `HTTP/${version}`)}half`);
      await until(() => backend.seen[0]?.bytes === 4);
      const answer = untilEnd(client);
      const { status } = await gateway.antract.enable();
      expect(status.stragglers).toMatchObject([
        { method: 'POST', path: '/upload', waitsFor: 'upload' },
      ]);
      expect(await gateway.antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
      expect(await answer).toMatch(
        /^HTTP\/1\.1 408 [^]*Connection: close[^]*ERR_ANTRACT_BODY_TIMEOUT/i,
      );
      expect(events).toMatchObject([
        { app: 'default', method: 'POST', path: '/upload', waitsFor: 'upload', cause: 'timeout' },
      ]);
      expect(gateway.warnings).toContainEqual(expect.stringContaining('WRN_ANTRACT_TOO_SLOW'));
      await until(() => backend.seen[0]?.isComplete !== undefined);
      expect(backend.seen).toEqual([{ url: '/upload', bytes: 4, isComplete: false }]);
    },
  );

  it('passes on nothing of a body that is completed after its 408', async () => {
    const backend = await openBackend();
    const gateway = await openGateway({ target: backend.url, drainBodyTimeout: 50 });
    const client = await connect(gateway.port);
    client.write('POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf');
    await until(() => backend.seen[0]?.bytes === 4);
    await gateway.antract.enable();
    await readUntil(client, (text) => text.includes('408'));
    client.write('rest');
    expect(await gateway.antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    await until(() => backend.seen[0]?.isComplete !== undefined);
    expect(backend.seen).toEqual([{ url: '/upload', bytes: 4, isComplete: false }]);
  });

  it('aborts a download whose client does not read it within drainBodyTimeout', async () => {
    const backend = await openBackend();
    const gateway = await openGateway({ target: backend.url, drainBodyTimeout: 50 });
    const client = await connect(gateway.port);
    client.write('GET /big HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => backend.seen.length === 1);
    await gateway.antract.enable();
    expect(await gateway.antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    expect((await untilEnd(client)).length).toBeLessThan(50_000_000);
  });

  it('ends an upload that is pipelined behind a request without an answer by closing the connection', async () => {
    const backend = await openBackend();
    const gateway = await openGateway({ target: backend.url, drainBodyTimeout: 50 });
    const client = await connect(gateway.port);
    client.write(`GET /slow HTTP/1.1\r\nHost: a\r\n\r\n${UPLOAD}half`);
    await until(() => backend.seen.length === 2);
    await gateway.antract.enable();
    expect(await gateway.antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    await until(() => backend.seen.every(({ isComplete }) => isComplete !== undefined));
    expect(backend.seen[1]).toMatchObject({ url: '/upload', isComplete: false });
  });

  it('ends an upload that was held and released before', async () => {
    const backend = await openBackend();
    const gateway = await openGateway({ target: backend.url, drainBodyTimeout: 50 });
    await gateway.antract.enable();
    const client = await connect(gateway.port);
    client.write(`${UPLOAD}half`);
    await until(() => gateway.antract.status().held === 1);
    await gateway.antract.disable();
    await until(() => backend.seen[0]?.bytes === 4);
    await gateway.antract.enable();
    expect(await readUntil(client, (text) => text.includes('\r\n\r\n'))).toMatch(
      /^HTTP\/1\.1 408 /,
    );
    expect(await gateway.antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
  });

  it('ends a slow upload after a stop too', async () => {
    const backend = await openBackend();
    const gateway = await openGateway({ target: backend.url, drainBodyTimeout: 50 });
    const client = await connect(gateway.port);
    client.write(`${UPLOAD}half`);
    await until(() => backend.seen[0]?.bytes === 4);
    await gateway.antract.stop();
    expect(await readUntil(client, (text) => text.includes('\r\n\r\n'))).toMatch(
      /^HTTP\/1\.1 408 /,
    );
    expect(await gateway.antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
  });
});

/** Middleware on a clock that the test moves; its handler reads bodies, except that of `/unread`. */
async function startMiddleware(options: AntractOptions) {
  const clock = new FakeClock();
  const registry = new OpenRegistry({ logger: silentLogger, maxTime: '1h', ...options }, clock);
  const pause = createPauseMiddleware(
    registry.core,
    createSpooler(DEFAULT_SPOOL_SETTINGS, silentLogger),
  );
  const handled: { req: IncomingMessage; res: ServerResponse; bytes: number }[] = [];
  const site = await listen((req, res) =>
    pause(req, res, () => {
      const one = { req, res, bytes: 0 };
      handled.push(one);
      req.on('error', ignore);
      if (req.url !== '/unread') req.on('data', (chunk: Buffer) => (one.bytes += chunk.length));
      if (req.url !== '/unread') req.on('end', () => res.end('done'));
    }),
  );
  const events: TooSlowEvent[] = [];
  registry.on('tooSlow', (event) => events.push(event));
  const upload = async (first = 'x') => {
    const client = await connect(site.port);
    client.write(`${UPLOAD}${first}`);
    await until(() => handled[0]?.bytes === first.length);
    return client;
  };
  return { ...site, clock, registry, handled, events, upload };
}

/** Sends so many bytes a second, for so many seconds of the test's clock. */
async function send(
  client: Socket,
  { clock, handled }: Awaited<ReturnType<typeof startMiddleware>>,
  bytesPerSecond: number,
  seconds: number,
): Promise<void> {
  for (let second = 0; second < seconds && handled[0]?.res.destroyed === false; second++) {
    const target = (handled[0]?.bytes ?? 0) + bytesPerSecond;
    client.write(Buffer.alloc(bytesPerSecond));
    await until(() => (handled[0]?.bytes ?? 0) >= target);
    clock.advance(1000);
  }
}

describe('drainMinBodyRate', () => {
  it('ends an upload below it after 20 s of a drain', async () => {
    const site = await startMiddleware({ drainMinBodyRate: 500 });
    const client = await site.upload();
    const answer = untilEnd(client);
    await site.registry.enable();
    const drained = site.registry.waitForDrain();
    await send(client, site, 1, 19);
    expect(site.events).toEqual([]);
    await send(client, site, 1, 1);
    expect(site.events).toMatchObject([{ waitsFor: 'upload', cause: 'rate', ageMs: 20_000 }]);
    expect(await answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(await drained).toMatchObject({ outcome: 'drained' });
    expect(site.handled[0]?.req).toMatchObject({ complete: false, aborted: true });
  });

  it('ends an upload that was fast and then stalls', async () => {
    const site = await startMiddleware({ drainMinBodyRate: 500 });
    const client = await site.upload();
    await site.registry.enable();
    await send(client, site, 20_000, 5);
    site.clock.advance(40_000);
    expect(site.events).toMatchObject([{ cause: 'rate' }]);
  });

  it('lets an upload above it finish, however long that takes', async () => {
    const site = await startMiddleware({ drainMinBodyRate: 500 });
    const client = await site.upload();
    await site.registry.enable();
    await send(client, site, 500, 120);
    expect(site.events).toEqual([]);
    client.write(Buffer.alloc(1_000_000 - (site.handled[0]?.bytes ?? 0)));
    expect(await readUntil(client, (text) => text.includes('done'))).toMatch(/^HTTP\/1\.1 200 /);
    expect(await site.registry.waitForDrain()).toMatchObject({ outcome: 'drained' });
  });

  it('does not blame a client for a handler that does not read', async () => {
    const site = await startMiddleware({ drainMinBodyRate: 500 });
    const client = await connect(site.port);
    client.write(UPLOAD.replace('/upload', '/unread'));
    client.write(Buffer.alloc(900_000));
    await until(() => site.handled[0]?.req.socket.isPaused() === true);
    await site.registry.enable();
    expect(site.registry.status().stragglers).toEqual([
      { method: 'POST', path: '/unread', ageMs: 0 },
    ]);
    site.clock.advance(600_000);
    expect(site.events).toEqual([]);
  });

  it('measures nothing while the app runs', async () => {
    const site = await startMiddleware({ drainMinBodyRate: 500, drainBodyTimeout: '1s' });
    await site.upload();
    expect(site.clock.pendingTimers).toBe(0);
    await site.registry.enable();
    await site.registry.disable();
    expect(site.clock.pendingTimers).toBe(0);
    site.clock.advance(600_000);
    expect(site.events).toEqual([]);
  });

  it('does not end a request that the drain does not wait for', async () => {
    const site = await startMiddleware({ drainMinBodyRate: 500, shouldHold: () => false });
    await site.upload();
    await site.registry.enable();
    site.clock.advance(600_000);
    expect(site.events).toEqual([]);
  });

  it('is off in the middleware unless it is set', async () => {
    const site = await startMiddleware({});
    await site.upload();
    await site.registry.enable();
    site.clock.advance(600_000);
    expect(site.events).toEqual([]);
    expect(site.registry.status()).toMatchObject({ phase: 'pausing', inFlight: 1 });
  });
});
