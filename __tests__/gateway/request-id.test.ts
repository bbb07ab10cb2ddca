/** The id of a request, from the client to the backend, the log and antract's own responses. */
import { once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { WebSocket, WebSocketServer } from 'ws';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, connect, listen, readUntil, request } from '../support/http.ts';

const GENERATED = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

afterEach(async () => {
  await closeGateways();
  await closeAll();
});

/** A gateway whose backend answers with the id that it got, and the ids in its access log. */
async function open() {
  const backend = await listen((req, res) => res.end(String(req.headers['x-request-id'])));
  const sockets = new WebSocketServer({ server: backend.server });
  sockets.on('connection', (socket, req) => socket.send(String(req.headers['x-request-id'])));
  const logged: unknown[] = [];
  const write = (lines: string): void => {
    for (const line of lines.trim().split('\n'))
      logged.push((JSON.parse(line) as { requestId: unknown }).requestId);
  };
  const gateway = await openGateway({ target: backend.url, accessLog: { write } });
  return { ...gateway, logged };
}

describe('the id of a request', () => {
  it('is the one that the client sent, if it is valid', async () => {
    const { url, logged, close } = await open();
    const ids = ['abc-1.2:3', 'Root=1-5f84/x+y@z', 'x'.repeat(128)];
    for (const id of ids) {
      const { body } = await request(url, { headers: { 'X-Request-Id': id } });
      expect(body).toBe(id);
    }
    await close();
    expect(logged).toEqual(ids);
  });

  it('is generated, if the client sent none or one that is not valid', async () => {
    const { url, logged, close } = await open();
    const sent = [
      {},
      ...['', 'a b', 'a\tb', 'x'.repeat(129), 'a"b'].map((id) => ({ 'X-Request-Id': id })),
    ];
    const ids: string[] = [];
    for (const headers of [...sent, { 'X-Request-Id': ['a', 'b'] }]) {
      ids.push((await request(url, { headers })).body);
    }
    for (const id of ids) expect(id).toMatch(GENERATED);
    expect(new Set(ids).size).toBe(ids.length);
    await close();
    expect(logged).toEqual(ids);
  });

  it('can not be removed by naming it in Connection', async () => {
    const { port } = await open();
    const socket = await connect(port);
    socket.write(
      'GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: kept\r\nConnection: x-request-id\r\n\r\n',
    );
    await readUntil(socket, (text) => text.includes('kept'));
  });

  it('reaches the backend of a WebSocket', async () => {
    const { url } = await open();
    const socket = new WebSocket(url.replace('http', 'ws'), {
      headers: { 'X-Request-Id': 'ws-1' },
    });
    const [message] = (await once(socket, 'message')) as [Buffer];
    expect(String(message)).toBe('ws-1');
    socket.close();
  });

  it('is in the responses that antract makes itself, also to an EventSource', async () => {
    const { url, antract, logged, close } = await open();
    await antract.stop();
    const given = await request(url, { headers: { 'X-Request-Id': 'abc' } });
    expect([given.status, given.headers['x-request-id']]).toEqual([503, 'abc']);
    const generated = await request(url, { headers: { accept: 'text/event-stream' } });
    expect(generated.headers['x-request-id']).toMatch(GENERATED);
    await close();
    expect(logged).toEqual(['abc', generated.headers['x-request-id']]);
  });
});
