/** What an `EventSource` is answered when its request is refused: it gives up on any status but 200. */
import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { WebSocket } from 'ws';
import { createAntract, type AntractOptions } from '../../lib/index.ts';
import type { LineStream } from '../../lib/gateway/server/gateway.ts';
import { GatedHttpRequest } from '../../lib/http/gated-http-request.ts';
import type { PauseOptions } from '../../lib/http/choose-gate.ts';
import type { RejectionResponse } from '../../lib/http/rejection-response.ts';
import { sendRejection } from '../../lib/http/send-rejection.ts';
import { DEFAULT_APP } from '../../lib/options/app-name.ts';
import { closeGateways, openGateway, type OpenGateway } from '../support/gateway.ts';
import { closeAll, connect, listen, readUntil, request, type Answer } from '../support/http.ts';
import { nextEvent } from '../support/next-event.ts';
import { createOpenAntract } from '../support/open-registry.ts';
import { silentLogger } from '../support/silent-logger.ts';

afterEach(async () => {
  jest.restoreAllMocks();
  await closeGateways();
  await closeAll();
});

/** As a browser asks. */
const EVENT_SOURCE = { Accept: 'text/event-stream', 'Cache-Control': 'no-cache' };

/** A backend with an event stream that stays open. */
async function streamingBackend() {
  return listen((_req, res) => {
    res.writeHead(200, { 'Content-Type': 'text/event-stream' });
    res.write('data: hello\n\n');
  });
}

/** The address of a port on which nothing listens. */
async function deadUrl(): Promise<string> {
  const { url, server } = await listen(() => undefined);
  await new Promise((resolve) => server.close(resolve));
  return url;
}

/** Pauses, and resolves when an `EventSource` is held. */
async function holdEventSource(gateway: OpenGateway): Promise<{ answer: Promise<Answer> }> {
  await gateway.antract.enable();
  const held = nextEvent(gateway.antract, 'held');
  const answer = request(gateway.url, { headers: EVENT_SOURCE });
  await held;
  return { answer };
}

function expectEmptyStream(answer: Answer, status: number, code: string): void {
  expect(answer.status).toBe(200);
  expect(answer.headers).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
  });
  expect(answer.body).toMatch(new RegExp(`^: ${status} ${code}: [^\\n]+\\nretry: \\d+\\n\\n$`));
}

describe('an EventSource that the gateway rejects gets an empty stream with a reconnection time', () => {
  it('when it is held and the app is stopped', async () => {
    const gateway = await openGateway({ target: (await streamingBackend()).url });
    const { answer } = await holdEventSource(gateway);
    await gateway.antract.stop();
    expectEmptyStream(await answer, 503, 'ERR_ANTRACT_STOPPED');
  });

  it('when the app has been stopped before', async () => {
    const gateway = await openGateway({ target: (await streamingBackend()).url });
    await gateway.antract.stop();
    const answer = await request(gateway.url, { headers: EVENT_SOURCE });
    expectEmptyStream(answer, 503, 'ERR_ANTRACT_STOPPED');
  });

  it.each([
    [{ maxWait: 1 }, 'ERR_ANTRACT_HOLD_TIMEOUT'],
    [{ maxQueue: 0 }, 'ERR_ANTRACT_FULL'],
  ])('when it can not be held (%j)', async (options, code) => {
    const gateway = await openGateway({ target: (await streamingBackend()).url, ...options });
    await gateway.antract.enable();
    expectEmptyStream(await request(gateway.url, { headers: EVENT_SOURCE }), 503, code);
  });

  it('when it is held and the gateway shuts down, and its connection is closed', async () => {
    const gateway = await openGateway({ target: (await streamingBackend()).url });
    const { answer } = await holdEventSource(gateway);
    await gateway.close();
    expectEmptyStream(await answer, 503, 'ERR_ANTRACT_SHUTDOWN');
    expect((await answer).headers.connection).toBe('close');
  });

  it.each([0, 1])(
    'when its backend is down for longer than `holdOnOutage`, %d ms',
    async (holdOnOutage) => {
      const gateway = await openGateway({ target: await deadUrl(), holdOnOutage });
      const answer = await request(gateway.url, { headers: EVENT_SOURCE });
      expectEmptyStream(answer, 502, 'ERR_ANTRACT_BAD_GATEWAY');
    },
  );

  it('when its backend does not answer in time', async () => {
    const silent = await listen(() => undefined);
    const gateway = await openGateway({ target: silent.url, proxyTimeout: 20 });
    const answer = await request(gateway.url, { headers: EVENT_SOURCE });
    expectEmptyStream(answer, 504, 'ERR_ANTRACT_GATEWAY_TIMEOUT');
  });

  it('when it is ended by a drain before its response has begun', async () => {
    const silent = await listen(() => undefined);
    const gateway = await openGateway({ target: silent.url, isLongLived: ['/'] });
    const answer = request(gateway.url, { headers: EVENT_SOURCE });
    await once(silent.server, 'request');
    await gateway.antract.enable();
    expectEmptyStream(await answer, 503, 'ERR_ANTRACT_LONG_POLL');
  });

  it('and its line in the access log has the status of the rejection', async () => {
    const lines: string[] = [];
    const accessLog: LineStream = { write: (line) => lines.push(line) > 0 };
    const gateway = await openGateway({ target: (await streamingBackend()).url, accessLog });
    await gateway.antract.stop();
    await request(gateway.url, { headers: EVENT_SOURCE });
    await gateway.close();
    expect(JSON.parse(lines.join(''))).toMatchObject({ status: 503, app: 'default' });
    expect(lines.join('')).not.toContain('outcome');
  });
});

/** `pause()` on node:http in front of a handler that answers `ok`. */
async function paused(options: AntractOptions = {}, pauseOptions: PauseOptions = {}) {
  const antract = createAntract({ logger: silentLogger, ...options });
  const pause = antract.pause(pauseOptions);
  const site = await listen((req, res) => pause(req, res, () => res.end('ok')));
  return { ...site, antract };
}

describe('an EventSource that the middleware rejects', () => {
  it('gets an empty stream', async () => {
    const { antract, url } = await paused();
    await antract.stop();
    const answer = await request(url, { headers: EVENT_SOURCE });
    expectEmptyStream(answer, 503, 'ERR_ANTRACT_STOPPED');
  });

  it('gets an empty stream when there are too many apps', async () => {
    const { antract, url } = await paused({ maxApps: 1 }, { app: (req) => req.headers.host });
    await antract.enable('other');
    const answer = await request(url, { headers: EVENT_SOURCE });
    expectEmptyStream(answer, 503, 'ERR_ANTRACT_TOO_MANY_APPS');
  });

  it('gets an empty stream over http2', async () => {
    const antract = createAntract({ logger: silentLogger });
    const pause = antract.pause();
    const server = http2.createServer((req, res) =>
      pause(req as never, res as never, () => res.end('ok')),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    await antract.stop();
    const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const stream = session.request({ ':path': '/', accept: 'text/event-stream' });
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
    let body = '';
    for await (const chunk of stream) body += String(chunk);
    session.close();
    server.close();
    expect([headers[':status'], body]).toEqual([
      200,
      expect.stringContaining('ERR_ANTRACT_STOPPED'),
    ]);
  });

  it('reconnects after five to ten seconds, or soon after the end of maxTime', async () => {
    jest.spyOn(Math, 'random').mockReturnValue(0.5);
    const long = await paused({ maxQueue: 0 });
    const short = await paused({ maxQueue: 0, maxTime: '1s' });
    await Promise.all([long.antract.enable(), short.antract.enable()]);
    expect((await request(long.url, { headers: EVENT_SOURCE })).body).toContain('\nretry: 7500\n');
    expect((await request(short.url, { headers: EVENT_SOURCE })).body).toContain('\nretry: 1500\n');
    await long.antract.stop();
    expect((await request(long.url, { headers: EVENT_SOURCE })).body).toContain('\nretry: 7500\n');
  });

  it('keeps its connection unless the rejection closes it', async () => {
    const { antract, port } = await paused();
    await antract.stop();
    const socket = await connect(port);
    const ask = 'GET / HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n';
    for (let i = 0; i < 2; i++) {
      socket.write(ask);
      await readUntil(socket, (text) => /\nretry: \d+\n\n$/.test(text));
    }
  });

  it.each([
    ['a POST', { method: 'POST', body: '{}' }, 'text/event-stream'],
    ['HEAD', { method: 'HEAD' }, 'text/event-stream'],
    ['one that takes JSON too', {}, 'application/json, text/event-stream'],
    ['one that takes a stream first', {}, 'text/event-stream, */*'],
    ['one that takes anything', {}, '*/*'],
  ])('is not recognised in %s, which gets the error status', async (_name, options, accept) => {
    const { antract, url } = await paused();
    await antract.stop();
    const answer = await request(url, { ...options, headers: { Accept: accept } });
    expect(answer.status).toBe(503);
  });

  it.each(['text/event-stream;charset=utf-8', ' TEXT/Event-Stream '])(
    'is recognised by any spelling of its Accept header (%j)',
    async (accept) => {
      const { antract, url } = await paused();
      await antract.stop();
      const answer = await request(url, { headers: { Accept: accept } });
      expectEmptyStream(answer, 503, 'ERR_ANTRACT_STOPPED');
    },
  );

  it('is never a WebSocket handshake, whatever that accepts', async () => {
    const gateway = await openGateway({ target: (await streamingBackend()).url });
    await gateway.antract.stop();
    const socket = new WebSocket(gateway.url.replace('http', 'ws'), { headers: EVENT_SOURCE });
    const [, response] = (await once(socket, 'unexpected-response')) as [
      unknown,
      { statusCode: number },
    ];
    expect(response.statusCode).toBe(503);
  });
});

describe('a rejection that a reconnect would not change', () => {
  it.each([
    ['a host that the gateway does not know', '/', 'b.test', 421],
    ['a target that can not be passed on', '*', 'a.test', 400],
  ])('keeps its status for an EventSource: %s', async (_name, path, host, status) => {
    const backend = await streamingBackend();
    const gateway = await openGateway({ apps: { a: { target: backend.url, hosts: ['a.test'] } } });
    const socket = await connect(gateway.port);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAccept: text/event-stream\r\n\r\n`);
    expect(await readUntil(socket, (text) => text.includes('\r\n\r\n'))).toContain(
      `HTTP/1.1 ${status} `,
    );
  });
});

const UNREACHABLE: RejectionResponse = {
  status: 502,
  code: 'ERR_ANTRACT_BAD_GATEWAY',
  title: 'Bad gateway',
  detail: 'Away.',
};

describe('the 200 response that rejects an EventSource', () => {
  it('contains no field from the text of the rejection', async () => {
    const detail = 'Back soon.\ndata: forged\r\nretry: 99999\rid: 7';
    const site = await listen((req, res) =>
      sendRejection(req, res, { ...UNREACHABLE, detail }, createOpenAntract().core),
    );
    const { body } = await request(site.url, { headers: EVENT_SOURCE });
    const fields = body.split(/\r\n|\r|\n/).filter((line) => line !== '' && !line.startsWith(':'));
    expect(fields).toEqual([expect.stringMatching(/^retry: \d{4,5}$/)]);
  });

  it('does not count as a response of the backend', async () => {
    const antract = createOpenAntract({ logger: silentLogger });
    const passages: GatedHttpRequest[] = [];
    const site = await listen((req, res) => {
      const gate = antract.core.gate(DEFAULT_APP);
      passages.push(new GatedHttpRequest(req, res, gate, silentLogger));
      sendRejection(req, res, UNREACHABLE, gate);
    });
    await request(site.url, { headers: EVENT_SOURCE });
    expect(passages[0]?.hasGoodResponse()).toBe(false);
  });

  it('counts as a failure for the pace of a release', async () => {
    const antract = createOpenAntract({ logger: silentLogger });
    const pause = antract.pause();
    const answered = jest.spyOn(antract.core.gate(DEFAULT_APP), 'onResponseStart');
    const site = await listen((req, res) =>
      pause(req, res, () => sendRejection(req, res, UNREACHABLE, antract.core)),
    );
    await antract.enable();
    const held = nextEvent(antract, 'held');
    const answer = request(site.url, { headers: EVENT_SOURCE });
    await held;
    await antract.disable();
    expectEmptyStream(await answer, 502, 'ERR_ANTRACT_BAD_GATEWAY');
    expect(answered.mock.calls.map(([, good]) => good)).toEqual([false]);
  });
});
