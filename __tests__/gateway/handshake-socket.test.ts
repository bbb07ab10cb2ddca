/** What becomes of the sockets of an upgrade, however it ends: nothing stays in flight, nothing open. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { WebSocket, WebSocketServer } from 'ws';
import { createAntract, type Antract, type UpgradeListener } from '../../lib/index.ts';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { nextEvent } from '../support/next-event.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { until } from '../support/eventually.ts';

const HANDSHAKE =
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
const SWITCHING =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  await closeGateways();
});

async function listen<T extends Server>(server: T): Promise<{ server: T; url: string }> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** Leaves the end of a connection to the test: neither side follows the other's by itself. */
const HALF_OPEN = { allowHalfOpen: true };

interface RawBackend {
  readonly url: string;
  /** The connections that something was sent on. */
  readonly sockets: Socket[];
  /** The connections that the other side has not ended. */
  readonly open: Set<Socket>;
  readonly received: () => string;
}

/** A backend that answers each connection's first bytes with these, and never ends one by itself. */
async function rawBackend(
  answer: string,
  { end = false, listener = (_socket: Socket): void => undefined } = {},
): Promise<RawBackend> {
  let received = '';
  const sockets: Socket[] = [];
  const open = new Set<Socket>();
  const { url } = await listen(
    net.createServer(HALF_OPEN, (socket) => {
      open.add(socket);
      for (const event of ['end', 'close']) socket.on(event, () => open.delete(socket));
      socket.once('data', () => {
        sockets.push(socket);
        if (end) socket.end(answer);
        else if (answer) socket.write(answer);
      });
      socket.on('data', (chunk) => (received += chunk.toString('latin1')));
      listener(socket);
    }),
  );
  return { url, sockets, open, received: () => received };
}

interface Client {
  readonly socket: Socket;
  readonly text: () => string;
}

async function shake(port: number, early: string | Buffer = '', reads = true): Promise<Client> {
  const socket = net.connect({ port, host: '127.0.0.1', ...HALF_OPEN });
  ends.push(() => socket.destroy());
  let text = '';
  socket.on('error', () => undefined);
  if (reads) socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  await once(socket, 'connect');
  socket.write(HANDSHAKE);
  if (early.length > 0) socket.write(early);
  return { socket, text: () => text };
}

const connections = (server: Server): Promise<number> =>
  new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );

const empty = (server: Server) => until(async () => (await connections(server)) === 0);

/** Nothing is in flight, no connection is open, and a drain succeeds, which closes those to the backend. */
async function expectNothingLeft(
  antract: Antract,
  server: Server,
  backend?: RawBackend,
): Promise<void> {
  await until(() => antract.status().inFlight === 0);
  await empty(server);
  await antract.enable();
  expect(await antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
  if (backend) await until(() => backend.open.size === 0);
}

const EARLY = [
  ['nothing', ''],
  ['one byte', 'x'],
  ['100 KB', Buffer.alloc(100_000, 'x')],
] as const;

const BODY = `${'body '.repeat(10_000)}the end`;
const sized = (status: string): string =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
const half = Math.floor(BODY.length / 2);
const chunked =
  'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n' +
  `${half.toString(16)}\r\n${BODY.slice(0, half)}\r\n` +
  `${(BODY.length - half).toString(16)}\r\n${BODY.slice(half)}\r\n0\r\n\r\n`;

describe.each(EARLY)('a handshake with %s of early data', (_name, early) => {
  it.each([
    ['200', sized('200 OK'), false],
    ['301', sized('301 Moved Permanently'), false],
    ['401', sized('401 Unauthorized'), false],
    ['404', sized('404 Not Found'), false],
    ['426', sized('426 Upgrade Required'), false],
    ['500', sized('500 Internal Server Error'), false],
    ['404 over HTTP/1.0', sized('404 Not Found').replace('1.1', '1.0'), false],
    ['404 in chunks', chunked, false],
    ['404 that the end of the connection ends', `HTTP/1.1 404 Not Found\r\n\r\n${BODY}`, true],
  ])(
    'that the backend answers with %s gets the complete response, and its connection closes',
    async (_status, answer, end) => {
      const backend = await rawBackend(answer, { end });
      const { antract, server, port } = await openGateway({ target: backend.url });
      const { socket, text } = await shake(port, early);
      await once(socket, 'end');
      expect(text()).toContain('the end');
      socket.end();
      await expectNothingLeft(antract, server, backend);
    },
  );

  it('that was held and then rejected leaves no listener and no connection', async () => {
    const backend = await listen(
      http.createServer((_req, res) => {
        res.statusCode = 404;
        res.end('the end');
      }),
    );
    const gateway = await openGateway({ target: backend.url });
    const { antract } = gateway;
    await antract.enable();
    const held = nextEvent(antract, 'held');
    const { socket, text } = await shake(gateway.port, early.slice(0, 60_000));
    await held;
    await antract.disable();
    await once(socket, 'end');
    expect(text()).toContain('the end');
    socket.end();
    await until(() => antract.status().inFlight === 0);
    await empty(gateway.server);
  });

  it('whose client disconnects before the response is aborted at the backend', async () => {
    const backend = await rawBackend('');
    const { antract, server, port } = await openGateway({ target: backend.url });
    const { socket } = await shake(port, early.slice(0, 60_000));
    await until(() => backend.received().length > 0);
    socket.end();
    await expectNothingLeft(antract, server, backend);
  });
});

describe('a handshake with any early data', () => {
  // Together, because each waits for a deadline.
  const withEach = (test: (early: string | Buffer) => Promise<void>): Promise<unknown> =>
    Promise.all(EARLY.map(([, early]) => test(early)));

  it('that is rejected is closed, even if its client ignores the end of the response', () =>
    withEach(async (early) => {
      const backend = await rawBackend(sized('404 Not Found'));
      const { antract, server, port } = await openGateway({ target: backend.url });
      const { socket } = await shake(port, early);
      await once(socket, 'end');
      await expectNothingLeft(antract, server, backend);
    }));

  it('whose rejection never ends is closed after a time, and at once when its client disconnects', () =>
    withEach(async (early) => {
      const stream = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n';
      const backend = await rawBackend(stream);
      const { antract, server, port } = await openGateway({ target: backend.url });
      const [stays, leaves, resets] = await Promise.all([
        shake(port, early),
        shake(port, early),
        shake(port, early),
      ]);
      await until(() => [stays, leaves, resets].every(({ text }) => text().includes('data: x')));
      leaves.socket.end();
      resets.socket.resetAndDestroy();
      await until(() => antract.status().inFlight === 1);
      await once(stays.socket, 'end');
      await expectNothingLeft(antract, server, backend);
    }));
});

it('a client that does not read the response to its handshake is closed', async () => {
  const backend = await rawBackend(
    `HTTP/1.1 404 Not Found\r\nContent-Length: 50000000\r\n\r\n${'x'.repeat(50_000_000)}`,
  );
  const { antract, server, port } = await openGateway({ target: backend.url });
  await shake(port, 'x', false);
  await until(() => antract.status().inFlight === 1);
  await expectNothingLeft(antract, server, backend);
});

describe('an upgraded connection through the gateway', () => {
  it.each(EARLY)(
    'with %s of early data closes on both sides when its client ends, even if the backend ignores that',
    async (_name, early) => {
      const backend = await rawBackend(SWITCHING);
      const { antract, server, port } = await openGateway({ target: backend.url });
      const { socket, text } = await shake(port, early);
      await until(() => text().includes(' 101 '));
      socket.end('the last words');
      await until(() => backend.received().endsWith('the last words'));
      expect(backend.received()).toContain(`\r\n\r\n${String(early)}the last words`);
      await expectNothingLeft(antract, server, backend);
    },
  );

  it('delivers to a slow backend what its client sent before it ended', async () => {
    let received = 0;
    const backend = await rawBackend(SWITCHING, {
      listener: (slow) => void slow.once('data', () => slow.pause()),
    });
    const { antract, server, port } = await openGateway({ target: backend.url });
    const { socket } = await shake(port);
    await once(socket, 'data');
    const sent = 8_000_000;
    socket.end(Buffer.alloc(sent, 'x'));
    const [slow] = backend.sockets as [Socket];
    slow.on('data', (chunk: Buffer) => (received += chunk.length)).resume();
    await once(slow, 'end');
    expect(received).toBe(sent);
    await expectNothingLeft(antract, server, backend);
  });

  it('closes on both sides when its backend ends, even if the client ignores that', async () => {
    const backend = await rawBackend(SWITCHING);
    const { antract, server, port } = await openGateway({ target: backend.url });
    const { text } = await shake(port);
    await until(() => text().includes(' 101 '));
    backend.sockets[0]?.end('the last words');
    await until(() => text().endsWith('the last words'));
    await expectNothingLeft(antract, server, backend);
  });

  it('closes on both sides when its client resets', async () => {
    const backend = await rawBackend(SWITCHING);
    const { antract, server, port } = await openGateway({ target: backend.url });
    const { socket, text } = await shake(port);
    await until(() => text().includes(' 101 '));
    socket.resetAndDestroy();
    await expectNothingLeft(antract, server, backend);
  });

  it('that bypassed the pause closes on both sides too', async () => {
    for (const answer of [SWITCHING, sized('404 Not Found')]) {
      const backend = await rawBackend(answer);
      const { server, port } = await openGateway({ target: backend.url, bypass: () => true });
      const { socket, text } = await shake(port, 'x');
      await until(() => text().length > 0);
      if (answer === SWITCHING) socket.end();
      await empty(server);
    }
  });
});

/** A user's own server, with a handler of its own. */
async function serve(handler: UpgradeListener) {
  const antract = createAntract({ logger: silentLogger });
  ends.push(() => antract.close());
  const { server, url } = await listen(http.createServer());
  server.on('upgrade', antract.upgrade(handler));
  return { antract, server, port: Number(new URL(url).port) };
}

const NOT_FOUND = 'HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nthe end';

describe("a handshake that a server's own handler answers", () => {
  it('is no longer in flight when it rejects, whether it ends the connection or not', async () => {
    const answers: ((socket: Socket) => unknown)[] = [
      (socket) => socket.end(NOT_FOUND),
      (socket) => socket.write(NOT_FOUND),
      (socket) => {
        socket.write('HTTP/1.1 103 Early Hints\r\n\r\n');
        socket.write(NOT_FOUND);
      },
    ];
    await Promise.all(
      answers.map(async (answer) => {
        const { antract, server, port } = await serve((_req, socket) => answer(socket));
        const clients = await Promise.all(EARLY.map(([, early]) => shake(port, early)));
        await Promise.all(clients.map(({ socket }) => once(socket, 'end')));
        for (const { text } of clients) expect(text()).toContain('the end');
        await expectNothingLeft(antract, server);
      }),
    );
  });

  it('is no longer in flight when another protocol is rejected', async () => {
    const { antract, server, port } = await serve((_req, socket) => void socket.write(NOT_FOUND));
    const socket = net.connect({ port, host: '127.0.0.1', ...HALF_OPEN });
    ends.push(() => socket.destroy());
    socket.on('error', () => undefined).resume();
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\nx');
    await once(socket, 'end');
    await expectNothingLeft(antract, server);
  });

  it.each([
    ['before it is answered', ''],
    ['when it is open', SWITCHING],
  ])('is no longer in flight when its client ends %s', async (_name, answer) => {
    const handler: UpgradeListener = (_req, socket) => void socket.resume().write(answer);
    const { antract, server, port } = await serve(handler);
    const { socket } = await shake(port);
    await until(() => antract.status().inFlight === 1);
    socket.end();
    await expectNothingLeft(antract, server);
  });

  it('is no longer in flight when it is ended, even if its client ignores that', async () => {
    const { antract, server, port } = await serve((_req, socket) => void socket.end(SWITCHING));
    await shake(port);
    await expectNothingLeft(antract, server);
  });

  it('is no longer in flight when http-proxy-middleware passes it to a backend that ignores ends', async () => {
    const backend = await rawBackend(SWITCHING);
    const proxy = createProxyMiddleware({ target: backend.url, ws: true });
    const { antract, server, port } = await serve((req, socket, head) => {
      proxy.upgrade(req, socket, head);
    });
    const { socket, text } = await shake(port);
    await until(() => text().includes(' 101 '));
    socket.end();
    await expectNothingLeft(antract, server);
  });

  it('closes as a WebSocket does when the server or the client closes it', async () => {
    const wss = new WebSocketServer({ noServer: true });
    const { antract, server, port } = await serve((req, socket, head) => {
      wss.handleUpgrade(req, socket, head, (client) => client.send('hi'));
    });
    for (const first of ['server', 'client']) {
      const client = new WebSocket(`ws://127.0.0.1:${port}`);
      await once(client, 'message');
      if (first === 'client') client.close(1000, 'bye');
      else for (const other of wss.clients) other.close(1000, 'bye');
      expect((await once(client, 'close'))[0]).toBe(1000);
      await until(() => antract.status().inFlight === 0);
    }
    await expectNothingLeft(antract, server);
  });
});
