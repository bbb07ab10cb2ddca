/** How a gateway ends: who is refused, who may finish, and what is left open. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import http, { type ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { createGateway } from '../../lib/gateway/server/gateway.ts';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, connect, listen, readUntil, request, type Answer } from '../support/http.ts';
import { watchListeners } from '../support/warnings.ts';
import { nextEvent } from '../support/next-event.ts';

const agents: http.Agent[] = [];

afterEach(async () => {
  for (const agent of agents.splice(0)) agent.destroy();
  await closeGateways();
  await closeAll();
});

function keepAliveAgent(): http.Agent {
  const agent = new http.Agent({ keepAlive: true });
  agents.push(agent);
  return agent;
}

/** A backend that answers when it is told to. */
async function patientBackend() {
  const waiting: ServerResponse[] = [];
  const backend = await listen((_req, res) => void waiting.push(res));
  return { ...backend, waiting };
}

describe('closing a gateway', () => {
  it('closes each connection once, however many responses end', async () => {
    const warnings = watchListeners();
    const backend = await patientBackend();
    const gateway = await openGateway({ target: backend.url });
    await gateway.antract.enable();
    const answers: Promise<Answer>[] = [];
    while (answers.length < 50) {
      answers.push(request(gateway.url));
      await nextEvent(gateway.antract, 'held');
    }
    // All of them are refused, and end, in the same moment.
    await gateway.close();
    for (const answer of answers) expect((await answer).status).toBe(503);
    expect(await warnings.stop()).toEqual([]);
  });

  it('rejects held requests with 503 and Retry-After, and closes their connections', async () => {
    const backend = await patientBackend();
    const gateway = await openGateway({ target: backend.url });
    await gateway.antract.enable();
    const held = nextEvent(gateway.antract, 'held');
    const answer = request(gateway.url, { agent: keepAliveAgent() });
    await held;
    await gateway.close();
    const { status, headers, body } = await answer;
    expect(status).toBe(503);
    expect(headers).toMatchObject({ connection: 'close' });
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    expect(JSON.parse(body)).toMatchObject({ code: 'ERR_ANTRACT_SHUTDOWN' });
    expect(backend.waiting).toEqual([]);
  });

  it('lets requests in flight finish', async () => {
    const backend = await patientBackend();
    const gateway = await openGateway({ target: backend.url, shutdownTimeout: '10s' });
    const answer = request(gateway.url, { agent: keepAliveAgent() });
    await once(backend.server, 'request');
    const closed = gateway.close();
    backend.waiting[0]?.end('ok');
    expect(await answer).toMatchObject({
      status: 200,
      body: 'ok',
      headers: { connection: 'close' },
    });
    await closed;
  });

  it('closes a connection as soon as its response has ended, while others are still in flight', async () => {
    const backend = await patientBackend();
    const gateway = await openGateway({ target: backend.url, shutdownTimeout: '10s' });
    const unanswered = request(gateway.url);
    await once(backend.server, 'request');
    // Its headers said that the connection would be kept.
    const socket = await connect(gateway.port);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(backend.server, 'request');
    backend.waiting[1]?.write('the beginning');
    await readUntil(socket, (text) => text.includes('the beginning'));
    const closed = gateway.close();
    backend.waiting[1]?.end();
    await once(socket.resume(), 'close');
    backend.waiting[0]?.end('ok');
    expect((await unanswered).status).toBe(200);
    await closed;
  });

  it('cuts off requests that take longer than shutdownTimeout', async () => {
    const backend = await patientBackend();
    const gateway = await openGateway({ target: backend.url, shutdownTimeout: 50 });
    const answer = request(gateway.url);
    answer.catch(() => undefined);
    await once(backend.server, 'request');
    await gateway.close();
    await expect(answer).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('closes idle connections at once, and accepts no new ones', async () => {
    const backend = await listen((_req, res) => res.end('ok'));
    const gateway = await openGateway({ target: backend.url });
    const idle = await connect(gateway.port);
    idle.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await readUntil(idle, (text) => text.endsWith('ok'));
    const unused = await connect(gateway.port);
    const closed = Promise.all([once(idle.resume(), 'close'), once(unused.resume(), 'close')]);
    await Promise.all([gateway.close(), closed]);
    await expect(request(gateway.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('closes WebSockets when nothing else is in flight', async () => {
    const backend = await patientBackend();
    const sockets = new WebSocketServer({ server: backend.server });
    sockets.on('connection', (one) => one.on('message', () => one.send('still here')));
    const gateway = await openGateway({ target: backend.url, shutdownTimeout: '10s' });
    const socket = new WebSocket(gateway.url.replace('http', 'ws'));
    await once(socket, 'open');
    const answer = request(gateway.url);
    await once(backend.server, 'request');
    const closed = gateway.close();
    socket.send('anybody?');
    expect(String((await once(socket, 'message'))[0])).toBe('still here');
    const socketClosed = once(socket, 'close');
    backend.waiting[0]?.end('ok');
    expect((await answer).status).toBe(200);
    await Promise.all([socketClosed, closed]);
  });

  it('answers an operator who waits for a drain', async () => {
    const backend = await patientBackend();
    const gateway = await openGateway({
      target: backend.url,
      shutdownTimeout: '10s',
      adminListen: '127.0.0.1:0',
    });
    const inFlight = request(gateway.url);
    await once(backend.server, 'request');
    const operator = request(`${gateway.adminUrl}/enable?wait=1m`);
    await nextEvent(gateway.antract, 'paused');
    await new Promise((resolve) => setImmediate(resolve));
    const closed = gateway.close();
    expect((await operator).status).toBe(503);
    backend.waiting[0]?.end('ok');
    expect((await inFlight).status).toBe(200);
    await closed;
  });

  it('happens once for any number of calls, and rejects a later listen()', async () => {
    const gateway = await openGateway({ target: 'http://127.0.0.1:9' });
    const closed = gateway.close();
    expect(gateway.close()).toBe(closed);
    await closed;
    await expect(gateway.listen()).rejects.toMatchObject({ code: 'ERR_ANTRACT_CLOSED' });
  });

  it('waits for a gateway that is about to listen, and leaves nothing open', async () => {
    const gateway = createGateway({
      target: 'http://127.0.0.1:9',
      port: 0,
      adminListen: '127.0.0.1:0',
    });
    const opening = gateway.listen();
    await gateway.close();
    await opening;
    expect([gateway.server.listening, gateway.adminServer?.listening]).toEqual([false, false]);
  });

  it('works for a gateway that never listened', async () => {
    await createGateway({ target: 'http://127.0.0.1:9' }).close();
  });
});

describe('a gateway that can not listen', () => {
  it('rejects with the reason, and leaves nothing open', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const gateway = createGateway({
      target: 'http://127.0.0.1:9',
      port,
      adminListen: '127.0.0.1:0',
    });
    await expect(gateway.listen()).rejects.toMatchObject({ code: 'EADDRINUSE', port });
    expect(gateway.adminServer?.listening).toBe(false);
    await gateway.close();
    other.close();
  });
});
