/** A request that waits for a drain which waits for it. */
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import middie from '@fastify/middie';
import express from 'express';
import fastify from 'fastify';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createAntract, type Antract, type AntractError } from '../../lib/index.ts';
import { closeAll, listen, request } from '../support/http.ts';
import { until } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { createOpenAntract } from '../support/open-registry.ts';
import { silentLogger } from '../support/silent-logger.ts';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
  await closeAll();
});

function create(): Antract {
  const antract = createAntract({ logger: silentLogger });
  cleanUps.push(() => antract.close());
  return antract;
}

const codeOf = (error: unknown): string => (error as AntractError).code;

/** Answers with the code of what the call failed with. */
async function waitForItself(antract: Antract, res: ServerResponse): Promise<void> {
  const outcome = await antract.during('default', () => 'ran').catch(codeOf);
  res.end(outcome);
}

describe('a request whose handler calls during() for its own app', () => {
  it.each([
    ['without a body', undefined],
    ['behind a body parser', '{"deploy":true}'],
  ])('gets ERR_ANTRACT_OWN_REQUEST in Express (%s), and the app resumes', async (_name, body) => {
    const antract = create();
    const app = express();
    app.use(antract.pause(), express.json());
    app.post('/deploy', (_req, res) => waitForItself(antract, res));
    const { url } = await listen(app);
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const answer = await request(`${url}/deploy`, {
      method: 'POST',
      headers,
      ...(body && { body }),
    });
    expect(answer.body).toBe('ERR_ANTRACT_OWN_REQUEST');
    expect(antract.status().phase).toBe('running');
  });

  it('gets ERR_ANTRACT_OWN_REQUEST in Fastify', async () => {
    const antract = create();
    const app = fastify();
    await app.register(middie);
    app.use(antract.pause());
    app.get('/deploy', () => antract.during('default', () => 'ran').catch(codeOf));
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    cleanUps.push(() => app.close());
    expect((await request(`${url}/deploy`)).body).toBe('ERR_ANTRACT_OWN_REQUEST');
  });

  it('gets ERR_ANTRACT_OWN_REQUEST over http2, unlike another stream of its connection', async () => {
    const antract = create();
    const pause = antract.pause();
    const other = create();
    const pauseOther = other.pause();
    const open: ServerResponse[] = [];
    const handle = (req: IncomingMessage, res: ServerResponse): void => {
      if (req.url === '/slow') open.push(res);
      else void waitForItself(antract, res);
    };
    const server = http2.createServer((req, res) => {
      const [request, response] = [req as never, res as never];
      // `/outside` is ahead of the pause: it may wait.
      if (req.url === '/outside') return handle(request, response);
      if (req.url === '/other') {
        return pauseOther(request, response, () => void waitForItself(other, response));
      }
      return pause(request, response, () => handle(request, response));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    cleanUps.push(() => (client.close(), new Promise((resolve) => server.close(resolve))));
    const get = async (path: string): Promise<string> => {
      const stream = client.request({ ':path': path });
      let text = '';
      for await (const chunk of stream) text += String(chunk);
      return text;
    };
    expect(await get('/deploy')).toBe('ERR_ANTRACT_OWN_REQUEST');
    const slow = get('/slow');
    const outside = get('/outside');
    await until(() => antract.status().stragglers?.length === 1);
    // Two that do wait for themselves are found, one after the other. `/outside` waits for longer.
    expect(await get('/other')).toBe('ERR_ANTRACT_OWN_REQUEST');
    expect(await get('/other')).toBe('ERR_ANTRACT_OWN_REQUEST');
    expect(antract.status().phase).toBe('pausing');
    open[0]?.end();
    expect(await outside).toBe('ran');
    await slow;
  });

  it('may end its response without waiting, however late that is', async () => {
    const clock = new FakeClock();
    const antract = createOpenAntract({ logger: silentLogger }, clock);
    cleanUps.push(() => antract.close());
    const pause = antract.pause();
    let ran: Promise<string> | undefined;
    const { url } = await listen((req, res) =>
      pause(req, res, async () => {
        ran = antract.during('default', () => 'ran');
        // The deadlines of the pause and of the drain, and the second check for a request that waits for itself.
        await until(() => clock.pendingTimers === 3);
        clock.advance(999);
        res.end('accepted');
      }),
    );
    expect((await request(url)).body).toBe('accepted');
    expect(await ran).toBe('ran');
    expect(clock.pendingTimers).toBe(0);
  });

  it('gets ERR_ANTRACT_OWN_REQUEST only when it is the last request in flight', async () => {
    const antract = create();
    const pause = antract.pause();
    const open: ServerResponse[] = [];
    const { url } = await listen((req, res) =>
      pause(req, res, () => {
        if (req.url === '/slow') open.push(res);
        else void waitForItself(antract, res);
      }),
    );
    const other = request(`${url}/slow`);
    await until(() => open.length > 0);
    const own = request(`${url}/deploy`);
    await until(() => antract.status().stragglers?.length === 2);
    open[0]?.end();
    await other;
    expect((await own).body).toBe('ERR_ANTRACT_OWN_REQUEST');
  });

  it('is named at the end of the drain timeout where it has awaited something before', async () => {
    const antract = create();
    const pause = antract.pause();
    const { url } = await listen((req, res) =>
      pause(req, res, async () => {
        await new Promise(setImmediate);
        const options = { drainTimeout: 100 };
        const error = await antract.during('default', () => 'ran', options).catch((e) => e);
        res.end(`${codeOf(error)}: ${(error as Error).message}`);
      }),
    );
    const { body } = await request(`${url}/deploy`);
    expect(body).toMatch(/^ERR_ANTRACT_DRAIN_TIMEOUT: .*GET \/deploy/);
    expect(body).toContain('If one of these requests called `during()`, it waits for itself');
  });

  it('can wait for the drain of another app', async () => {
    const antract = create();
    const pause = antract.pause({ app: 'front' });
    antract.pause({ app: 'back' });
    const { url } = await listen((req, res) =>
      pause(req, res, async () => {
        res.end(await antract.during('back', () => 'ran').catch(codeOf));
      }),
    );
    expect((await request(url)).body).toBe('ran');
  });
});

describe('a request that waits for the drain of its own app', () => {
  it('gets ERR_ANTRACT_OWN_REQUEST when its handler calls waitForDrain()', async () => {
    const antract = create();
    const pause = antract.pause();
    const { url } = await listen((req, res) =>
      pause(req, res, () => {
        void antract.enable();
        antract.waitForDrain().then(
          () => res.end('drained'),
          (error: unknown) => res.end(codeOf(error)),
        );
      }),
    );
    expect((await request(url)).body).toBe('ERR_ANTRACT_OWN_REQUEST');
  });

  it('gets ERR_ANTRACT_OWN_REQUEST when it is an admin request at an unknown `adminPath`', async () => {
    const antract = create();
    const app = express();
    app.use(antract.pause());
    app.use('/ops', antract.admin());
    const server = http.createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanUps.push(() => new Promise((resolve) => server.close(resolve)));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const answer = await request(`${url}/ops/enable?wait=1m`);
    expect(answer.status).toBe(409);
    expect(answer.body).toContain('ERR_ANTRACT_OWN_REQUEST');
    expect(answer.body).toContain('set `adminPath`');
  });
});
