/** Waiting for a drain over HTTP: `enable?wait=` and `drain`. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type AdminOptions, type Antract, type WaitOptions } from '../../lib/index.ts';
import { closeAll, connect, listen, readUntil, request, type Answer } from '../support/http.ts';
import { watchListeners } from '../support/warnings.ts';
import { nextEvent } from '../support/next-event.ts';
import { createOpenAntract } from '../support/open-registry.ts';

afterEach(closeAll);

interface Call {
  res: ServerResponse;
  /** How many 'close' listeners its socket and response had when the admin router was called. */
  before: { socket: number; res: number };
  /** And now. */
  now(): { socket: number; res: number };
}

function record({ socket }: IncomingMessage, res: ServerResponse): Call {
  const now = (): Call['before'] => ({
    socket: socket.listenerCount('close'),
    res: res.listenerCount('close'),
  });
  return { res, now, before: now() };
}

interface Site {
  antract: Antract;
  url: string;
  admin: string;
  port: number;
  /** Responses that the backend has not ended yet. */
  open: ServerResponse[];
  /** What the endpoints asked the registry to wait for. */
  waits: WaitOptions[];
  /** The requests that the admin router was given. */
  calls: Call[];
  /** What was logged as one. */
  errors: string[];
}

async function start(adminOptions?: AdminOptions): Promise<Site> {
  const errors: string[] = [];
  const antract = createOpenAntract({
    logger: { info() {}, warn() {}, error: (message) => void errors.push(message) },
  });
  const pause = antract.pause();
  const open: ServerResponse[] = [];
  const waits: WaitOptions[] = [];
  const { drains } = antract.core;
  const waitFor = drains.waitFor.bind(drains);
  drains.waitFor = (caller, app, options) => {
    waits.push(options);
    const result = waitFor(caller, app, options);
    waiting.resolve();
    return result;
  };
  const admin = antract.admin(adminOptions);
  const calls: Call[] = [];
  const { url, port } = await listen((req, res) =>
    pause(req, res, () => {
      if (!req.url?.startsWith('/_antract')) {
        open.push(res);
        return arrived.resolve();
      }
      calls.push(record(req, res));
      req.url = req.url.slice('/_antract'.length);
      return admin(req, res);
    }),
  );
  return {
    antract,
    url,
    admin: `${url}/_antract`,
    port,
    open,
    waits,
    calls,
    errors,
  };
}

/** Resolved by what happens next in a site; each is awaited right after what brings it about. */
const waiting = createBell();
const arrived = createBell();

function createBell(): { resolve(): void; next(): Promise<void> } {
  let ring: (() => void) | undefined;
  return {
    resolve: () => ring?.(),
    next: () => new Promise((resolve) => (ring = resolve)),
  };
}

/** Sends a request that stays in flight until `open[0]` is ended, or the test. */
async function keepBusy(site: Site): Promise<void> {
  const now = arrived.next();
  request(`${site.url}/slow?password=1`).catch(() => undefined);
  await now;
}

/** Sends an admin request; resolves when it waits. */
async function ask(
  site: Site,
  target: string,
  accept = 'text/plain',
): Promise<{ answer: Promise<Answer> }> {
  const now = waiting.next();
  const answer = request(site.admin + target, { headers: { accept } });
  await now;
  return { answer };
}

const parse = ({ body }: Answer): Record<string, unknown> =>
  JSON.parse(body) as Record<string, unknown>;

describe('enable with wait', () => {
  it('answers 200 at once when nothing is in flight', async () => {
    const site = await start();
    const answer = await request(`${site.admin}/enable?wait=1m`);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatch(
      /^Pause is enabled\.\nDrained after [\d.]+ m?s: nothing is in flight\.\nApp default is paused: .*\n/,
    );
  });

  it('answers 200 when the last request in flight has ended, and not before', async () => {
    const site = await start();
    await keepBusy(site);
    const { answer } = await ask(site, '/enable?wait=1m');
    expect((await request(`${site.admin}/status`)).body).toMatch(/^Pause is enabled, 0 requests/);
    let isAnswered = false;
    void answer.then(() => (isAnswered = true));
    await request(`${site.admin}/status`);
    expect(isAnswered).toBe(false);
    site.open[0]?.end('done');
    expect((await answer).status).toBe(200);
    expect((await answer).body).toMatch(/^Pause is enabled\.\nDrained after /);
  });

  it('says in JSON whether the app has drained, how long that took, and which requests are in flight', async () => {
    const site = await start();
    await keepBusy(site);
    const { answer } = await ask(site, '/enable?wait=1m&reason=disk', 'application/json');
    site.open[0]?.end('done');
    expect(parse(await answer)).toEqual({
      ...site.antract.status(),
      oldestHoldMs: null,
      pausedForMs: expect.any(Number),
      endsInMs: expect.any(Number),
      traffic: expect.objectContaining({ errorShare: 0 }),
      phase: 'paused',
      reason: 'disk',
      changed: true,
      summary: expect.stringMatching(/^App default is paused: /),
      result: expect.stringMatching(/^Pause is enabled\. Drained after .*\.$/),
      drained: true,
      waitedMs: expect.any(Number),
      stragglers: [],
    });
  });

  it('answers 202 when the time is over, with the requests in flight', async () => {
    const site = await start();
    await keepBusy(site);
    const answer = await request(`${site.admin}/enable?wait=20ms`);
    expect(answer.status).toBe(202);
    expect(answer.body).toMatch(
      /^Pause is enabled\.\nNot drained after [\d.]+ m?s: 1 request still in flight\.\nApp default is pausing: .*\n(.*\n)* {2}GET \/slow for [\d.]+ m?s\n/,
    );
    const json = await request(`${site.admin}/enable?wait=0`, {
      headers: { accept: 'application/json' },
    });
    expect(json.status).toBe(202);
    expect(parse(json)).toMatchObject({
      phase: 'pausing',
      changed: false,
      result: expect.stringMatching(
        /^Pause is already enabled, 0 requests are currently paused\. Not drained after .*\.$/,
      ),
      drained: false,
      stragglers: [{ method: 'GET', path: '/slow', ageMs: expect.any(Number) }],
    });
    expect(site.antract.status().phase).toBe('pausing');
  });

  it('counts the requests held at the time of the response', async () => {
    const site = await start();
    await keepBusy(site);
    await site.antract.enable();
    const { answer } = await ask(site, '/enable?wait=1m');
    const held = nextEvent(site.antract, 'held');
    const late = request(`${site.url}/late`);
    await held;
    site.open[0]?.end();
    expect((await answer).body).toMatch(
      /^Pause is already enabled, 1 request is currently paused\.\n/,
    );
    const now = arrived.next();
    await site.antract.disable();
    await now;
    site.open[1]?.end();
    await late;
  });

  it.each(['text/plain', 'application/json'])(
    'answers 409 when the pause is ended meanwhile (%s)',
    async (accept) => {
      const site = await start();
      await keepBusy(site);
      const { answer } = await ask(site, '/enable?wait=1m', accept);
      await site.antract.disable();
      const { status, body } = await answer;
      expect(status).toBe(409);
      expect(body).toContain('The pause ended while this command waited for the drain');
      expect(body).toContain('ERR_ANTRACT_NOT_PAUSED');
    },
  );

  it('answers 409 when the pause ends by itself meanwhile', async () => {
    const site = await start();
    await keepBusy(site);
    expect((await request(`${site.admin}/enable?wait=1m&max_time=20ms`)).status).toBe(409);
  });

  it('answers 503 when antract is closed meanwhile', async () => {
    const site = await start();
    await keepBusy(site);
    const { answer } = await ask(site, '/enable?wait=1m');
    await site.antract.close();
    expect((await answer).status).toBe(503);
    expect((await answer).body).toContain('ERR_ANTRACT_CLOSED');
  });

  it('ends the wait when its client disconnects, and keeps the pause', async () => {
    const site = await start();
    await keepBusy(site);
    const leaving = new AbortController();
    const now = waiting.next();
    const answer = request(`${site.admin}/enable?wait=1m`, { signal: leaving.signal });
    answer.catch(() => undefined);
    await now;
    const signal = site.waits[0]?.signal as AbortSignal;
    expect(signal.aborted).toBe(false);
    const call = site.calls[0] as Call;
    expect(call.now()).toEqual({ socket: call.before.socket, res: call.before.res + 1 });
    const aborted = once(signal, 'abort');
    leaving.abort();
    await aborted;
    expect(site.antract.status().phase).toBe('pausing');
    await new Promise((resolve) => setImmediate(resolve));
    expect(call.res.headersSent).toBe(false);
    expect(call.now()).toEqual(call.before);
    expect(site.errors).toEqual([]);
  });

  it('does not wait if the client disconnected before the wait began', async () => {
    const leaving = new AbortController();
    const site = await start({
      async authorize({ socket }) {
        const closed = once(socket, 'close');
        leaving.abort();
        await closed;
        return true;
      },
    });
    await keepBusy(site);
    const isWaiting = waiting.next();
    request(`${site.admin}/enable?wait=1m`, { signal: leaving.signal }).catch(() => undefined);
    await isWaiting;
    expect(site.waits[0]?.signal?.aborted).toBe(true);
    expect(site.antract.status().phase).toBe('pausing');
  });

  it('ends the wait also if it is the second of two requests on one connection', async () => {
    const site = await start();
    await keepBusy(site);
    await site.antract.enable();
    const socket = await connect(site.port);
    const get = 'GET /_antract/enable?wait=1m HTTP/1.1\r\nHost: localhost\r\n\r\n';
    const first = waiting.next();
    socket.write(get);
    await first;
    const second = waiting.next();
    socket.write(get);
    await second;
    expect(site.waits).toHaveLength(2);
    const aborted = site.waits.map(({ signal }) => once(signal as AbortSignal, 'abort'));
    socket.destroy();
    await Promise.all(aborted);
  });

  it('causes no warning of too many listeners when pipelined over one connection', async () => {
    const warnings = watchListeners();
    const site = await start();
    await keepBusy(site);
    await site.antract.enable();
    const socket = await connect(site.port);
    const count = 24;
    for (let i = 0; i < count; i++) {
      const isWaiting = waiting.next();
      socket.write('GET /_antract/drain?wait=1m HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await isWaiting;
    }
    site.open[0]?.end();
    await readUntil(socket, (text) => text.split('Drained after').length > count);
    expect(await warnings.stop()).toEqual([]);
  });

  it('removes its listeners when it is answered', async () => {
    const site = await start();
    await keepBusy(site);
    const socket = await connect(site.port);
    for (let i = 0; i < 3; i++) {
      const isWaiting = waiting.next();
      socket.write('GET /_antract/enable?wait=20ms HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await isWaiting;
      await readUntil(socket, (text) => text.includes('202 Accepted'));
    }
    // Node takes a listener of its own off the socket with each answer: compare like with like.
    const sockets = site.calls.map(({ before }) => before.socket);
    expect(sockets).toEqual([sockets[0], sockets[0], sockets[0]]);
  });

  it('does not take the end of the answer for a disconnect', async () => {
    const site = await start();
    await request(`${site.admin}/enable?wait=1s`);
    const { res } = site.calls[0] as Call;
    if (!res.closed) await once(res, 'close');
    expect(site.waits[0]?.signal?.aborted).toBe(false);
  });

  it('rejects invalid parameters and pauses nothing', async () => {
    const site = await start();
    expect((await request(`${site.admin}/enable?wait=1x`)).status).toBe(400);
    expect(site.antract.status().phase).toBe('running');
  });
});

describe('a lease whose holder waits for the drain', () => {
  /** Calls back for each renewal. */
  function onRenewal({ antract }: Site, callback: () => void): void {
    const { registry } = antract;
    const enable = registry.enable.bind(registry);
    registry.enable = async (app, options) => {
      const result = await enable(app, options);
      if (options?.ifPause !== undefined) callback();
      return result;
    };
  }

  /** Resolves after so many. */
  function renewals(site: Site, count: number): Promise<void> {
    return new Promise((resolve) => {
      let left = count;
      onRenewal(site, () => --left === 0 && resolve());
    });
  }

  it('is renewed until the answer, which contains the id for further renewals', async () => {
    const site = await start();
    await keepBusy(site);
    // Three leases.
    const renewed = renewals(site, 9);
    const { answer } = await ask(site, '/enable?wait=1m&lease=300ms', 'application/json');
    await renewed;
    expect(site.antract.status()).toMatchObject({ phase: 'pausing' });
    site.open[0]?.end();
    const { status, body } = await answer;
    const { pauseId, leaseEndsInMs } = JSON.parse(body) as Record<string, unknown>;
    expect(status).toBe(200);
    expect(leaseEndsInMs).toBeGreaterThan(200);
    const again = await request(`${site.admin}/enable?lease=1m&if_pause=${pauseId as string}`);
    expect(again.status).toBe(200);
  });

  it('expires after the holder disconnects', async () => {
    const site = await start();
    await keepBusy(site);
    const renewed = renewals(site, 1);
    const leaving = new AbortController();
    request(`${site.admin}/enable?wait=1m&lease=60ms`, { signal: leaving.signal }).catch(
      () => undefined,
    );
    await renewed;
    const expired = nextEvent(site.antract, 'expired');
    leaving.abort();
    expect(await expired).toMatchObject([{ cause: 'lease' }]);
    expect(site.errors).toEqual([]);
  });

  it('stays removed after a command has removed it', async () => {
    const site = await start();
    await keepBusy(site);
    const { answer } = await ask(site, '/enable?wait=300ms&lease=60ms', 'application/json');
    await site.antract.enable('default', { lease: 0 });
    expect((await answer).status).toBe(202);
    expect(site.antract.status()).toMatchObject({ phase: 'pausing', leaseEndsInMs: null });
  });

  it('does not extend a pause beyond its maxTime', async () => {
    const site = await start();
    await keepBusy(site);
    const expired = nextEvent(site.antract, 'expired');
    const answer = request(`${site.admin}/enable?wait=1m&lease=60ms&max_time=200ms`);
    expect(await expired).toMatchObject([{ cause: 'maxTime' }]);
    expect((await answer).status).toBe(409);
  });
});

describe('drain', () => {
  it('waits until the app has drained, and changes nothing', async () => {
    const site = await start();
    await keepBusy(site);
    await site.antract.enable();
    const { answer } = await ask(site, '/drain');
    expect(site.waits[0]?.timeout).toBe(undefined);
    site.open[0]?.end();
    expect((await answer).status).toBe(200);
    expect((await answer).body).toMatch(
      /^Drained after [\d.]+ m?s: nothing is in flight\.\nApp default is paused: .*\n/,
    );
  });

  it('answers 202 when the time is up', async () => {
    const site = await start();
    await keepBusy(site);
    await site.antract.enable();
    const answer = await request(`${site.admin}/drain?wait=10ms`, {
      headers: { accept: 'application/json' },
    });
    expect(answer.status).toBe(202);
    expect(parse(answer)).toMatchObject({
      drained: false,
      phase: 'pausing',
      result: expect.stringMatching(/^Not drained after [\d.]+ m?s: 1 request still in flight\.$/),
      stragglers: [{ path: '/slow' }],
    });
  });

  it('answers 409 for an app that runs, and does not pause it', async () => {
    const site = await start();
    expect((await request(`${site.admin}/drain?wait=1s`)).status).toBe(409);
    expect(site.antract.status().phase).toBe('running');
  });

  it('works for a stopped app', async () => {
    const site = await start();
    await keepBusy(site);
    await site.antract.stop();
    const { answer } = await ask(site, '/drain?wait=1m');
    site.open[0]?.end();
    expect((await answer).body).toMatch(/^Drained after .*\nApp default is stopped: /);
  });
});
