/** That a gateway says when its backend is down: why, since when, and what happens next. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import http from 'node:http';
import type net from 'node:net';
import type { BackendStatus } from '../../lib/gate/status.ts';
import { createAntract, type AntractOptions } from '../../lib/index.ts';
import { eventually } from '../support/eventually.ts';
import { killBackends, startBackend, type Backend } from '../support/backend.ts';
import { closeGateways, openGateway, type OpenGateway } from '../support/gateway.ts';
import { closeAll, connect, listen, readUntil, request } from '../support/http.ts';
import { nextEvent } from '../support/next-event.ts';
import { bareBackend, closeRawBackends } from '../support/raw-backend.ts';

afterEach(async () => {
  await closeGateways();
  await killBackends();
  await closeAll();
  await closeRawBackends();
});

async function away(): Promise<Backend> {
  const backend = await startBackend();
  await backend.kill();
  return backend;
}

const stateOf = ({ antract }: OpenGateway): BackendStatus => antract.status().backend;

const text = async ({ url }: OpenGateway, endpoint = 'status'): Promise<string> =>
  (await request(`${url}/_antract/${endpoint}`)).body;

describe('a backend that is down', () => {
  it('is shown as down in text, JSON and metrics after holdOnOutage', async () => {
    const backend = await away();
    const gateway = await openGateway({ target: backend.url, holdOnOutage: 100 });
    expect((await request(gateway.url)).status).toBe(502);
    expect(gateway.antract.status()).toMatchObject({
      phase: 'running',
      backend: {
        state: 'down',
        reason: 'ECONNREFUSED',
        forMs: expect.any(Number),
        probing: true,
        summary: 'The backend is down: connection refused (ECONNREFUSED).',
      },
    });
    expect(await text(gateway)).toMatch(
      /\nThe backend is down: connection refused \(ECONNREFUSED\)\.\nRequests are passed on, and fail until the backend answers\. It is probed meanwhile\.\n/,
    );
    expect(await text(gateway, 'metrics')).toContain('antract_backend_up{app="default"} 0');

    await backend.start();
    while (stateOf(gateway).probing) await request(gateway.url);
    expect(stateOf(gateway)).toMatchObject({ state: 'up', reason: null, summary: null });
    expect(await text(gateway)).not.toContain('The backend');
    expect(await text(gateway, 'metrics')).toContain('antract_backend_up{app="default"} 1');
  });

  it('is shown as down since the first failure, also during a pause, until it answers', async () => {
    const backend = await away();
    const gateway = await openGateway({ target: backend.url, holdOnOutage: 0 });
    expect((await request(gateway.url)).status).toBe(502);
    const before = stateOf(gateway);
    await gateway.antract.enable();
    const paused = stateOf(gateway);
    expect(paused).toMatchObject({
      state: 'down',
      reason: 'ECONNREFUSED',
      probing: false,
      summary: 'The backend was down when it was last seen: connection refused (ECONNREFUSED).',
    });
    expect(paused.forMs).toBeGreaterThanOrEqual(before.forMs as number);
    expect(await text(gateway, 'metrics')).toContain('antract_backend_up{app="default"} 0');
    await gateway.antract.disable();
    const held = request(gateway.url);
    const summary = 'The backend is down: connection refused (ECONNREFUSED).';
    while (stateOf(gateway).summary !== summary) await text(gateway);
    expect(stateOf(gateway).forMs).toBeGreaterThanOrEqual(paused.forMs as number);
    await backend.start();
    expect((await held).status).toBe(200);
    expect(stateOf(gateway)).toMatchObject({ state: 'up', summary: null });
    await gateway.antract.enable();
    expect(stateOf(gateway)).toMatchObject({ state: 'unknown', summary: null });
  });

  it('is shown as down without holdOnOutage, until a request is answered', async () => {
    const backend = await away();
    const gateway = await openGateway({ target: backend.url, holdOnOutage: 0 });
    expect(stateOf(gateway).state).toBe('unknown');
    expect(await text(gateway, 'metrics')).not.toContain('antract_backend_up{');
    await request(gateway.url);
    expect(stateOf(gateway)).toMatchObject({
      state: 'down',
      reason: 'ECONNREFUSED',
      probing: false,
      next: 'Requests are passed on; the next one shows whether the backend answers.',
    });
    await backend.start();
    expect((await request(gateway.url)).status).toBe(200);
    expect(stateOf(gateway).state).toBe('up');
  });

  it('is shown as the reason why held requests wait', async () => {
    const backend = await startBackend();
    const gateway = await openGateway({ target: backend.url });
    await gateway.antract.enable();
    const answer = request(gateway.url);
    await nextEvent(gateway.antract, 'held');
    await backend.kill();
    await gateway.antract.disable();
    await eventually('the backend is down', () => stateOf(gateway).state === 'down');
    expect(gateway.antract.status()).toMatchObject({ phase: 'releasing', held: 1 });
    expect(await text(gateway)).toMatch(
      /App default is releasing: 1 held, .*\n(.*\n)*The backend is down: connection refused .*\n(.*\n)*Held requests wait until the backend answers; it is probed\./,
    );
    await backend.start();
    expect((await answer).status).toBe(200);
    expect(stateOf(gateway).state).toBe('up');
  });

  it('is shown in an unknown state while the app is paused and not probed', async () => {
    const backend = await startBackend();
    const gateway = await openGateway({ target: backend.url });
    await request(gateway.url);
    expect(stateOf(gateway).state).toBe('up');
    await gateway.antract.enable();
    await backend.kill();
    expect(stateOf(gateway)).toMatchObject({ state: 'unknown', summary: null, next: null });
    expect(await text(gateway, 'metrics')).not.toContain('antract_backend_up{');
  });

  it('is shown as down after a failed request that bypassed the pause', async () => {
    const backend = await away();
    const gateway = await openGateway({ target: backend.url, privilegedUserAgent: 'me' });
    await gateway.antract.enable();
    await request(gateway.url, { headers: { 'User-Agent': 'me' } });
    expect(gateway.antract.status()).toMatchObject({
      phase: 'paused',
      backend: {
        state: 'down',
        next: 'After the pause, held requests wait until the backend answers.',
      },
    });
  });

  it.each([
    [
      'drops each connection',
      (socket: net.Socket) => void socket.once('data', () => socket.destroy()),
      'ECONNRESET',
    ],
    ['is silent', () => undefined, 'ERR_ANTRACT_PROXY_TIMEOUT'],
    [
      'speaks no HTTP',
      (socket: net.Socket) => void socket.once('data', () => socket.end('SSH-2.0-OpenSSH\r\n')),
      'HPE_INVALID_CONSTANT',
    ],
    [
      'is a proxy that answers 502',
      (socket: net.Socket) =>
        void socket.once('data', () => socket.end('HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n')),
      'HTTP 502',
    ],
  ])('is shown as down if it %s', async (_name, onConnection, reason) => {
    const backend = await bareBackend(onConnection);
    const gateway = await openGateway({ target: backend.url, holdOnOutage: 0, proxyTimeout: 200 });
    expect((await request(gateway.url)).status).toBeGreaterThanOrEqual(502);
    expect(stateOf(gateway)).toMatchObject({ state: 'down', reason });
  });

  it('is shown as down if its host name does not exist', async () => {
    const gateway = await openGateway({ target: 'http://nowhere.invalid:80', holdOnOutage: 0 });
    await request(gateway.url);
    expect(stateOf(gateway)).toMatchObject({
      state: 'down',
      reason: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/),
    });
  });

  it('is shown as down after a failed WebSocket handshake, and as up after an answered one', async () => {
    const backend = await away();
    const gateway = await openGateway({ target: backend.url, holdOnOutage: 0 });
    const handshake = async (): Promise<string> => {
      const socket = await connect(gateway.port);
      socket.write(
        'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
      );
      return readUntil(socket, (all) => all.includes('\r\n\r\n'));
    };
    expect(await handshake()).toMatch(/^HTTP\/1\.1 502 /);
    expect(stateOf(gateway)).toMatchObject({ state: 'down', reason: 'ECONNREFUSED' });
    await backend.start();
    await handshake();
    expect(stateOf(gateway).state).toBe('up');
  });

  it('is not shown as down after a disconnect, or after a request that can not be sent', async () => {
    const { url } = await listen((req, res) => {
      if (req.url !== '/hang') res.end('ok');
    });
    const gateway = await openGateway({ target: url, holdOnOutage: 0 });
    await request(gateway.url);
    const arrived = once(gateway.server, 'request');
    const client = http.get(`${gateway.url}/hang`).on('error', () => undefined);
    await arrived;
    await eventually('a request in flight', () => gateway.antract.status().inFlight > 0);
    client.destroy();
    await eventually('nothing in flight', () => gateway.antract.status().inFlight === 0);
    expect(stateOf(gateway).state).toBe('up');
  });

  it('is not shown as down after a 503', async () => {
    let status = 200;
    const { url } = await listen((_req, res) => void res.writeHead(status).end());
    const gateway = await openGateway({ target: url });
    await request(gateway.url);
    status = 503;
    await request(gateway.url);
    expect(stateOf(gateway).state).toBe('up');
  });
});

describe('the middleware', () => {
  it('shows the state of a backend only from probes and requeued requests', async () => {
    const antract = createAntract({ logger: { info() {}, warn() {}, error() {} } });
    const pause = antract.pause();
    let isAway = false;
    const { url } = await listen((req, res) =>
      pause(req, res, () => {
        if (isAway && pause.requeue(req, res, () => undefined)) return;
        res.statusCode = isAway ? 502 : 200;
        res.end();
      }),
    );
    await request(url);
    expect(antract.status().backend.state).toBe('unknown');
    isAway = true;
    await request(url);
    expect(antract.status().backend).toMatchObject({
      state: 'down',
      summary: 'The backend is down: no connection could be made.',
    });
    isAway = false;
    await request(url);
    expect(antract.status().backend.state).toBe('up');
    await antract.close();
  });
});

describe('the middleware in front of a handler that answers 502 or 504', () => {
  /** An app that can do all that a proxy does, and says nothing to antract. */
  async function appWith(options: AntractOptions) {
    const antract = createAntract({ logger: { info() {}, warn() {}, error() {} }, ...options });
    const pause = antract.pause();
    let status = 502;
    const { url } = await listen((req, res) =>
      pause(req, res, () => {
        res.statusCode = status;
        res.end();
      }),
    );
    const get = async (answer: number): Promise<void> => {
      status = answer;
      expect((await request(url)).status).toBe(answer);
    };
    return { antract, get, state: () => antract.status().backend };
  }

  it.each([502, 504])('shows the backend as down when a probe fails after a %i', async (status) => {
    const backend = await away();
    const { antract, get, state } = await appWith({
      probe: { connect: `127.0.0.1:${backend.port}` },
    });
    await get(status);
    await eventually('the probe', () => state().state === 'down');
    expect(state()).toMatchObject({ reason: 'ECONNREFUSED', probing: true });
    expect(state().next).toMatch(/^Requests are passed on, and fail until the backend answers/);
    expect(antract.status().phase).toBe('running');
    // An answer of the app may be one without its backend.
    await get(200);
    expect(state().state).toBe('down');
    await backend.start();
    await eventually('the probe', () => state().state === 'up');
    expect(state()).toMatchObject({ probing: false, summary: null });
    await antract.close();
  });

  it('shows the backend as up when only the request failed, and stops probing', async () => {
    let asked = 0;
    const check = async () => void asked++;
    const { antract, get, state } = await appWith({ probe: { check } });
    await get(502);
    await eventually('the probe', () => state().state === 'up');
    for (let i = 0; i < 5; i++) await get(502);
    expect(asked).toBe(1);
    await antract.close();
  });

  it('does not probe after other statuses, or during a pause', async () => {
    let asked = 0;
    const check = async () => void asked++;
    const { antract, get } = await appWith({ probe: { check }, shouldHold: () => false });
    for (const status of [200, 404, 500, 503]) await get(status);
    await antract.enable('default');
    await get(502);
    expect(asked).toBe(0);
    await antract.close();
  });
});

describe('a wrong health check path', () => {
  const backendWith = async (status: () => number): Promise<string> =>
    (
      await listen((req, res) => {
        res.statusCode = req.url === '/up' ? status() : 200;
        res.end();
      })
    ).url;

  async function warned({ warnings }: OpenGateway): Promise<string> {
    await eventually('a warning', () => warnings.length > 0);
    return warnings.join('\n');
  }

  it('causes a warning at the start, and is shown by enable, disable and status', async () => {
    const target = await backendWith(() => 404);
    const gateway = await openGateway({ target, healthCheckPath: '/up' });
    const sentence = 'The backend answers, but the health check path /up answers 404.';
    expect(await warned(gateway)).toBe(
      `WRN_ANTRACT_PROBE_PATH: app 'default': ${sentence} Correct the health check, such as ` +
        '`healthCheckPath`. Otherwise held requests wait after a pause until their time for it is over.',
    );
    expect(await text(gateway)).toContain(`\n${sentence}\n`);
    expect(await text(gateway, 'enable')).toContain(`\n${sentence}\n`);
    expect(await text(gateway, 'disable?wait=100ms')).toMatch(
      /\nNot released after .* still held\.\n(.*\n)*The backend answers, but the health check path \/up answers 404\.\n/,
    );
    // It is the same news.
    expect(gateway.warnings.join().match(/PROBE_PATH/g)).toHaveLength(1);
    expect(stateOf(gateway).state).not.toBe('down');
  });

  it('causes a warning at the first release that fails because of it', async () => {
    let status = 200;
    const gateway = await openGateway({
      target: await backendWith(() => status),
      healthCheckPath: '/up',
    });
    await gateway.antract.enable();
    status = 401;
    await gateway.antract.disable();
    expect(await warned(gateway)).toMatch(/health check path \/up answers 401\./);
    status = 200;
    expect((await gateway.antract.waitForRelease()).outcome).toBe('reopened');
    expect(stateOf(gateway).summary).toBeNull();
  });

  it('causes no warning if it is right, and another one if the backend is down', async () => {
    const warnings: string[] = [];
    const logger = {
      // One line says it: no other one follows.
      info: (line: string) => void warnings.push(line),
      warn: (line: string) => void warnings.push(line),
      error: (line: string) => void warnings.push(line),
    };
    const backend = await away();
    const gateway = await openGateway({ target: backend.url, healthCheckPath: '/up', logger });
    await eventually('the check', () => stateOf(gateway).state !== 'unknown');
    expect(warnings.splice(0)).toEqual([
      "WRN_ANTRACT_TARGET: app 'default': The backend is down: connection refused (ECONNREFUSED). It may still be starting.",
    ]);
    const right = await openGateway({
      target: await backendWith(() => 204),
      healthCheckPath: '/up',
      logger,
    });
    await eventually('the check', () => stateOf(right).state !== 'unknown');
    expect(stateOf(right).state).toBe('up');
    expect(warnings).toEqual([]);
  });
});
