/** Backends whose responses break the rules of HTTP, or use the rare parts of it. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { EventEmitter, once } from 'node:events';
import http from 'node:http';
import type { Socket } from 'node:net';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, connect, listen, readUntil, request } from '../support/http.ts';
import {
  bareBackend,
  closeRawBackends,
  rawBackend,
  SWITCHING_PROTOCOLS,
  type RawBackend,
} from '../support/raw-backend.ts';
import { until } from '../support/eventually.ts';

afterEach(async () => {
  await closeGateways();
  await closeAll();
  await closeRawBackends();
});

/** Everything that a gateway sends until it closes the connection. */
async function exchange(port: number, bytes: string): Promise<string> {
  const socket = await connect(port);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const closed = once(socket, 'close');
  socket.write(bytes);
  await closed;
  return Buffer.concat(chunks).toString('latin1');
}

const get = (more = '', version = '1.1'): string =>
  `GET / HTTP/${version}\r\nHost: a\r\nConnection: close\r\n${more}\r\n`;

const HANDSHAKE =
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

const isPart = (text: string, part: string): boolean => text.toLowerCase().includes(part);

describe('a status line that Node refuses to write', () => {
  const BAD = ['000 X', '001 X', '042 X', '099 X', '101 X'];

  it.each(BAD)('"%s" from a backend is answered with 502', async (line) => {
    const backend = await rawBackend(`HTTP/1.1 ${line}\r\nSet-Cookie: a=b\r\n\r\n`);
    const { port } = await openGateway({ target: backend.url });
    const answer = await exchange(port, get());
    expect(answer).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/);
    expect(answer).toContain('ERR_ANTRACT_BAD_GATEWAY');
    expect(answer).not.toMatch(/set-cookie/i);
    // Never used again.
    if (!backend.sockets[0]?.destroyed) await once(backend.sockets[0] as Socket, 'close');
  });

  it.each(BAD)('"%s" as the answer to a WebSocket handshake is answered with 502', async (line) => {
    const backend = await rawBackend(`HTTP/1.1 ${line}\r\nContent-Length: 0\r\n\r\n`);
    const { port, antract } = await openGateway({ target: backend.url });
    expect(await exchange(port, HANDSHAKE)).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/);
    expect(antract.status().inFlight).toBe(0);
  });

  it('of HTTP/1.0 in response to a handshake gets the HTTP version of the gateway', async () => {
    const chunked = 'Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n';
    const backend = await rawBackend(`HTTP/1.0 404 Not Found\r\n${chunked}`, { end: true });
    const { port } = await openGateway({ target: backend.url });
    expect(await exchange(port, HANDSHAKE)).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
  });

  it.each(['O\x01K', '\x1b[2J', 'a\x7fb', '\x00'])(
    'with the control characters %j in its reason phrase loses only that phrase',
    async (reason) => {
      const head = `HTTP/1.1 200 ${reason}\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nok`;
      const backend = await rawBackend(head, { end: true });
      const { port } = await openGateway({ target: backend.url });
      for (const sent of [get(), HANDSHAKE]) {
        const answer = await exchange(port, sent);
        expect(answer).toMatch(/^HTTP\/1\.1 (200|502) [ -~]*\r\n/);
        // Newer parsers refuse some of them, which is a 502.
        if (answer.startsWith('HTTP/1.1 200')) expect(answer).toMatch(/x-kept: 1[^]*ok$/i);
      }
    },
  );

  it.each(['200 Tr\xe8s bien', '200 a\tb', '600 X', '999 X'])(
    'is passed on if it is valid but unusual: "%s"',
    async (line) => {
      const backend = await rawBackend(`HTTP/1.1 ${line}\r\nContent-Length: 2\r\n\r\nok`);
      const { port } = await openGateway({ target: backend.url });
      expect(await exchange(port, get())).toMatch(`HTTP/1.1 ${line}\r\n`);
    },
  );

  it('leaves the held requests of other apps alone', async () => {
    const odd = await rawBackend('HTTP/1.1 099 X\r\n\r\n');
    const good = await listen((_req, res) => res.end('ok'));
    const { url, port, antract } = await openGateway({
      apps: { 'odd.example': { target: odd.url }, 'shop.example': { target: good.url } },
    });
    await antract.enable('shop.example');
    const held = request(url, { headers: { host: 'shop.example' } });
    await exchange(port, get().replace('Host: a', 'Host: odd.example'));
    await antract.disable('shop.example');
    expect((await held).status).toBe(200);
  });
});

describe('a 101 response that no client has requested', () => {
  it.each([
    ['a GET', get()],
    ['a HEAD', get().replace('GET', 'HEAD')],
    ['an HTTP/1.0 client', get('', '1.0')],
    ['a POST', get('Content-Length: 2\r\n').replace('GET', 'POST') + 'ab'],
    [
      'a chunked POST',
      get('Transfer-Encoding: chunked\r\n').replace('GET', 'POST') + '2\r\nab\r\n0\r\n\r\n',
    ],
  ])('to %s is answered with 502 at once, without any time limit', async (_what, sent) => {
    const backend = await rawBackend(SWITCHING_PROTOCOLS);
    const { port, antract } = await openGateway({ target: backend.url, proxyTimeout: 0 });
    expect(await exchange(port, sent)).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/);
    expect(antract.status().inFlight).toBe(0);
    if (!backend.sockets[0]?.destroyed) await once(backend.sockets[0] as Socket, 'close');
  });

  it('to an upgrade other than a WebSocket is answered with 502', async () => {
    const backend = await rawBackend(SWITCHING_PROTOCOLS);
    const { port } = await openGateway({ target: backend.url, proxyTimeout: 0 });
    const socket = await connect(port);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
    expect(await readUntil(socket, (text) => isPart(text, '"code"'))).toMatch('HTTP/1.1 502 ');
  });

  it('in the middle of an upload is answered with 502, and the rest of the upload is read', async () => {
    const backend = await rawBackend(SWITCHING_PROTOCOLS);
    const { url } = await openGateway({ target: backend.url, proxyTimeout: 0 });
    const agent = new http.Agent({ keepAlive: true });
    const body = Buffer.alloc(8_000_000);
    expect((await request(url, { method: 'POST', body, agent })).status).toBe(502);
    agent.destroy();
  });

  it('to a handshake loses the headers that frame a body', async () => {
    const backend = await rawBackend(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Content-Length: 5\r\n\r\nhello',
      { end: true },
    );
    const { port } = await openGateway({ target: backend.url });
    const answer = await exchange(port, HANDSHAKE);
    expect(answer).toMatch(/^HTTP\/1\.1 101 [^]*\r\n\r\nhello$/);
    expect(isPart(answer, 'content-length')).toBe(false);
  });

  it('closes its connection to the backend', async () => {
    const backend = await rawBackend(SWITCHING_PROTOCOLS);
    const { url } = await openGateway({ target: backend.url });
    await request(url);
    await request(url);
    expect(backend.sockets).toHaveLength(2);
  });
});

describe('transfer codings of a backend', () => {
  const chunked = '5\r\nhello\r\n0\r\n\r\n';

  it.each([
    ['identity', 'hello'],
    ['Identity', 'hello'],
    ['identity, chunked', chunked],
    ['Chunked', chunked],
    ['chunked\r\nTransfer-Encoding: chunked', chunked],
    ['identity\r\nTransfer-Encoding: chunked', chunked],
    [' ,chunked', chunked],
  ])('"%s" are replaced by framing that the client can read', async (codings, body) => {
    const head = `HTTP/1.1 200 OK\r\nTransfer-Encoding: ${codings}\r\n\r\n`;
    const backend = await rawBackend(head + body, { end: true });
    const { url, port } = await openGateway({ target: backend.url });
    const { status, headers, body: received } = await request(url);
    expect({ status, received }).toEqual({ status: 200, received: 'hello' });
    expect(headers).toMatchObject({ 'transfer-encoding': 'chunked' });
    expect(headers).not.toHaveProperty('content-length');
    const old = await exchange(port, get('', '1.0'));
    expect(old).toMatch(/^HTTP\/1\.1 200 [^]*\r\n\r\nhello$/);
    expect(isPart(old, 'transfer-encoding')).toBe(false);
    expect(isPart(await exchange(port, HANDSHAKE), 'identity')).toBe(false);
  });

  it.each([
    ['gzip', 'hello'],
    ['gzip, chunked', chunked],
    ['chunked, identity', chunked],
    ['chunked\r\nTransfer-Encoding: identity', chunked],
    ['chunked, gzip', chunked],
    ['xchunked', 'hello'],
    ['chunked;a=b', chunked],
  ])('"%s", which no client has requested, are answered with 502', async (codings, body) => {
    const head = `HTTP/1.1 200 OK\r\nTransfer-Encoding: ${codings}\r\n\r\n`;
    const backend = await rawBackend(head + body, { end: true });
    const { port } = await openGateway({ target: backend.url });
    for (const sent of [get(), get('', '1.0'), HANDSHAKE]) {
      const answer = await exchange(port, sent);
      expect(answer).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/);
      expect(isPart(answer, 'transfer-encoding')).toBe(false);
    }
  });

  it('whose first byte is wrong leave no headers of the backend in the 502', async () => {
    const backend = await rawBackend(
      'HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n' +
        'Set-Cookie: a=b\r\nContent-Encoding: gzip\r\n\r\nnot a size',
    );
    const { port } = await openGateway({ target: backend.url });
    const answer = await exchange(port, get());
    expect(answer).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/);
    expect(answer).toMatch(/\r\ndate: /i);
    expect(answer).not.toMatch(/set-cookie|content-encoding|transfer-encoding|trailer/i);
  });

  it.each([
    ['a HEAD', get().replace('GET', 'HEAD'), '200 OK', 'Content-Length: 5\r\n'],
    ['a 204', get(), '204 No Content', ''],
    ['a 304', get(), '304 Not Modified', ''],
    ['a body that is complete', get(), '200 OK', 'Content-Length: 0\r\n'],
  ])(
    'a backend that sends more bytes after %s has its response passed on',
    async (_what, sent, line, more) => {
      const backend = await rawBackend(`HTTP/1.1 ${line}\r\nX-Kept: 1\r\n${more}\r\nhello`);
      const { port } = await openGateway({ target: backend.url });
      const answer = await exchange(port, sent);
      expect(answer).toMatch(`HTTP/1.1 ${line}\r\n`);
      expect(answer).toMatch(/x-kept: 1[^]*\r\n\r\n$/i);
    },
  );
});

describe('an HTTP/1.0 client that asks for keep-alive', () => {
  const keepAlive = (method = 'GET'): string =>
    `${method} / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n`;

  it.each([
    ['chunked', 'Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', false],
    ['ended by the connection', '\r\nok', true],
    ['of the coding identity', 'Transfer-Encoding: identity\r\n\r\nok', true],
  ])('gets `Connection: close` with a body that is %s', async (_what, rest, end) => {
    const backend = await rawBackend(`HTTP/1.1 200 OK\r\n${rest}`, { end });
    const { port } = await openGateway({ target: backend.url });
    const answer = await exchange(port, keepAlive());
    expect(answer).toMatch(/\r\nconnection: close\r\n[^]*\r\n\r\nok$/i);
    expect(answer).not.toMatch(/keep-alive/i);
  });

  it.each([
    ['whose length is known', 'GET', '200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['to a HEAD', 'HEAD', '200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['with the status 204', 'GET', '204 No Content\r\n\r\n'],
    ['with the status 304', 'GET', '304 Not Modified\r\n\r\n'],
  ])('keeps its connection after a response %s', async (_what, method, rest) => {
    const backend = await rawBackend(`HTTP/1.1 ${rest}`);
    const { port } = await openGateway({ target: backend.url });
    const socket = await connect(port);
    for (let i = 0; i < 2; i++) {
      socket.write(keepAlive(method));
      const answer = await readUntil(socket, (text) => /\r\n\r\n(ok)?$/.test(text));
      expect(answer).toMatch(/\r\nconnection: keep-alive\r\n/i);
      expect(isPart(answer, 'transfer-encoding')).toBe(false);
    }
  });
});

describe('an informational response', () => {
  const early =
    'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 9\r\n\r\n';
  const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

  it('of a backend reaches the client before the response, without hop-by-hop headers', async () => {
    const backend = await rawBackend(
      `${early}HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 Odd\r\n\r\n${ok}`,
    );
    const { port } = await openGateway({ target: backend.url });
    const [first, second, third, last] = (await exchange(port, get())).split(/(?=HTTP\/1\.1 )/);
    expect(first).toBe('HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n');
    expect(second).toBe('HTTP/1.1 102 Processing\r\n\r\n');
    expect(third).toBe('HTTP/1.1 199 \r\n\r\n');
    expect(last).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });

  it.each([
    ['a 100', 'HTTP/1.1 100 Continue\r\n\r\n', get()],
    ['a client of HTTP/1.0', early, get('', '1.0')],
    ['a handshake', early, HANDSHAKE],
  ])('is not passed on for %s', async (_what, informational, sent) => {
    const backend = await rawBackend(informational + ok, { end: true });
    const { port } = await openGateway({ target: backend.url });
    expect(await exchange(port, sent)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('is dropped, not buffered, for a client that does not read', async () => {
    const flood = Buffer.from(early.replace('a.css', 'a'.repeat(10_000)).repeat(10));
    const sent = new EventEmitter();
    const backend = await bareBackend((socket) => {
      socket.once('data', async () => {
        for (let left = 200; left > 0; left--) {
          if (!socket.write(flood)) await once(socket, 'drain');
        }
        sent.emit('all');
      });
    });
    const gateway = await openGateway({ target: backend.url });
    const accepted = once(gateway.server, 'connection');
    const client = await connect(gateway.port);
    client.pause();
    const [socket] = (await accepted) as [Socket];
    let most = 0;
    const { write } = socket;
    socket.write = ((...args: Parameters<Socket['write']>) => {
      const went = write.apply(socket, args);
      most = Math.max(most, socket.writableLength);
      return went;
    }) as Socket['write'];
    // The gateway reads all of it, and what waits for the client stays small.
    const all = once(sent, 'all');
    client.write(get());
    await all;
    expect(most).toBeLessThan(1_000_000);
  });
});

describe('trailers', () => {
  async function trailerBackend(announced: string, trailers: string): Promise<RawBackend> {
    return rawBackend(
      `HTTP/1.1 200 OK\r\n${announced}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${trailers}\r\n`,
    );
  }

  it('that a backend has announced are passed to the client', async () => {
    const { url } = await trailerBackend(
      'Trailer: X-Sum, Content-Digest\r\n',
      'X-Sum: 1\r\nContent-Digest: 2\r\n',
    );
    const { port } = await openGateway({ target: url });
    const answer = await exchange(port, get());
    expect(answer).toMatch(/\r\ntrailer: x-sum, content-digest\r\n/i);
    expect(answer).toMatch(/\r\n2\r\nok\r\n0\r\nx-sum: 1\r\ncontent-digest: 2\r\n\r\n$/);
  });

  it('that were not announced, or that are forbidden, are not passed on', async () => {
    const names = [
      'Set-Cookie',
      'Connection',
      'Host',
      'X_Forwarded_For',
      'Authorization',
      'Cache-Control',
      'X-Antract-Held-Ms',
      'Trailer',
    ];
    const { url } = await trailerBackend(
      `Trailer: X-Sum, ${names.join(', ')}\r\n`,
      `X-Sum: 1\r\nX-Other: 1\r\n${names.map((name) => `${name}: 0\r\n`).join('')}`,
    );
    const { port } = await openGateway({ target: url });
    const answer = await exchange(port, get());
    expect(answer).toMatch(/\r\ntrailer: x-sum\r\n/i);
    expect(answer).toMatch(/\r\n0\r\nx-sum: 1\r\n\r\n$/);
  });

  it.each([
    [
      'a client of HTTP/1.0',
      get('', '1.0'),
      '200 OK\r\nTransfer-Encoding: chunked',
      '2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n',
    ],
    ['a HEAD', get().replace('GET', 'HEAD'), '200 OK\r\nTransfer-Encoding: chunked', ''],
    ['a body of a known length', get(), '200 OK\r\nContent-Length: 2', 'ok'],
    ['a 204', get(), '204 No Content\r\nTransfer-Encoding: chunked', ''],
    ['a 304', get(), '304 Not Modified\r\nTransfer-Encoding: chunked', ''],
  ])('are neither announced nor passed on for %s', async (_what, sent, head, body) => {
    const backend = await rawBackend(`HTTP/1.1 ${head}\r\nTrailer: X-Sum\r\n\r\n${body}`);
    const { port } = await openGateway({ target: backend.url });
    const answer = await exchange(port, sent);
    expect(answer).toMatch(`HTTP/1.1 ${head.slice(0, 6)}`);
    expect(answer).not.toMatch(/trailer|x-sum/i);
  });

  const upload = (headers: string, trailers: string): string =>
    `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${headers}Transfer-Encoding: chunked\r\n\r\n` +
    `2\r\nab\r\n0\r\n${trailers}\r\n`;

  /** Answers with what it received. */
  async function echoTrailers(): Promise<string> {
    const { url } = await listen((req, res) => {
      req.resume().on('end', () => {
        const { te, trailer, connection } = req.headers;
        res.end(JSON.stringify({ te, trailer, connection, trailers: req.trailers }));
      });
    });
    return url;
  }

  it('of an upload reach the backend, whether or not the upload was held', async () => {
    const { port, antract } = await openGateway({ target: await echoTrailers() });
    const sent = upload('Trailer: X-Sum, Host\r\n', 'X-Sum: 1\r\nHost: evil\r\nX-Other: 1\r\n');
    const expected = '"trailer":"x-sum","connection":"close","trailers":{"x-sum":"1"}';
    expect(await exchange(port, sent)).toContain(expected);
    await antract.enable();
    const held = exchange(port, sent);
    await until(() => antract.status().held > 0);
    await antract.disable();
    expect(await held).toContain(expected);
  });

  it('that are announced for a request without chunks are removed', async () => {
    const { port } = await openGateway({ target: await echoTrailers() });
    const answer = await exchange(port, get('Trailer: X-Sum\r\nContent-Length: 2\r\n') + 'ab');
    expect(answer).toMatch(/^HTTP\/1\.1 200 [^]*"trailers":{}/);
  });

  it('are the only value of TE that is passed on to the backend', async () => {
    const { port } = await openGateway({ target: await echoTrailers() });
    expect(await exchange(port, get('TE: gzip;q=0.5, trailers\r\n'))).toContain(
      '"te":"trailers","connection":"te"',
    );
    expect(await exchange(port, get('TE: gzip, trailersx\r\n'))).not.toContain('"te"');
  });
});

describe('headers of more than 16 KB', () => {
  it('from a backend are answered with 502', async () => {
    const backend = await listen((_req, res) => {
      res.setHeader('X-Big', 'x'.repeat(20_000));
      res.end('ok');
    });
    const { url } = await openGateway({ target: backend.url });
    expect((await request(url)).status).toBe(http.maxHeaderSize > 20_000 ? 200 : 502);
  });
});
