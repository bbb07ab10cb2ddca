import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createAntract, type Antract, type AntractOptions } from '../../lib/index.ts';
import { closeAll, connect, listen, readUntil, request } from '../support/http.ts';
import { silentLogger } from '../support/silent-logger.ts';

afterEach(closeAll);

/**
 * `/events` is a stream, `/events-raw` one whose headers go to `writeHead()`, `/events-silent` one that
 * sends nothing; `/json` is none, though its clients would take one; `/poll` never answers.
 */
async function start(options: AntractOptions = {}) {
  const antract: Antract = createAntract({ logger: silentLogger, ...options });
  const pause = antract.pause();
  const open = new Map<string, ServerResponse>();
  const site = await listen((req, res) =>
    pause(req, res, () => {
      open.set(req.url ?? '', res);
      res.on('error', () => undefined);
      if (req.url === '/events')
        res.setHeader('Content-Type', 'text/event-stream').write(': hi\n\n');
      if (req.url === '/events-raw') {
        res.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(': hi\n\n');
      }
      if (req.url === '/events-silent') res.writeHead(200, { 'Content-Type': 'text/event-stream' });
      if (req.url === '/json')
        res.writeHead(200, { 'Content-Type': 'application/json' }).write('[');
    }),
  );
  const opened = async (path: string): Promise<ServerResponse> => {
    for (;;) {
      const res = open.get(path);
      if (res) return res;
      await new Promise(setImmediate);
    }
  };
  const get = async (path: string, version = '1.1') => {
    const socket = await connect(site.port);
    socket.write(`GET ${path} HTTP/${version}\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n`);
    await opened(path);
    return socket;
  };
  return { ...site, antract, opened, get };
}

/** Writes until neither the client's side nor ours takes more. Returns how many bytes that was. */
function fill(res: ServerResponse): number {
  const chunk = `data: ${'x'.repeat(1_000_000)}\n\n`;
  let bytes = 0;
  while (bytes < 16_000_000) {
    res.write(chunk);
    bytes += chunk.length;
  }
  return bytes;
}

describe('an event stream', () => {
  it.each(['/events', '/events-raw'])(
    'is listed apart, and waited for by default (%s)',
    async (path) => {
      const site = await start();
      const socket = await site.get(path);
      await readUntil(socket, (text) => text.includes(': hi'));
      await site.antract.enable();
      expect(site.antract.status()).toMatchObject({ phase: 'pausing', inFlight: 1, longLived: 1 });
      const drained = site.antract.waitForDrain();
      socket.destroy();
      expect(await drained).toMatchObject({ outcome: 'drained' });
    },
  );

  it('does not delay a drain with `longLived` set to ignore', async () => {
    const site = await start({ longLived: 'ignore' });
    const socket = await site.get('/events');
    await readUntil(socket, (text) => text.includes(': hi'));
    await site.antract.enable();
    expect(await site.antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    expect(site.antract.status()).toMatchObject({ phase: 'paused', inFlight: 1 });
  });

  it('is ended cleanly with `longLived` set to close, so that its client reconnects', async () => {
    const site = await start({ longLived: 'close' });
    const socket = await site.get('/events');
    await readUntil(socket, (text) => text.includes(': hi'));
    const end = readUntil(socket, (text) => text.endsWith('0\r\n\r\n'));
    const closed = once(socket, 'end');
    await site.antract.enable();
    await end;
    await closed;
    expect(await site.antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    // Its handler may be none the wiser for a moment, and must not fail over it.
    (await site.opened('/events')).write(': more\n\n');
  });

  it('is ended after data that was written at the same moment', async () => {
    const site = await start({ longLived: 'close' });
    const socket = await site.get('/events');
    const text = readUntil(socket, (all) => all.endsWith('0\r\n\r\n'));
    (await site.opened('/events')).write('data: last\n\n');
    await site.antract.enable();
    expect(await text).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\nc\r\ndata: last\n\n\r\n0\r\n\r\n$/);
  });

  it('that has sent nothing yet is also ended cleanly', async () => {
    const site = await start({ longLived: 'close' });
    const socket = await site.get('/events-silent');
    const text = readUntil(socket, (all) => all.endsWith('0\r\n\r\n'));
    await site.antract.enable();
    expect(await text).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n0\r\n\r\n$/);
  });

  it('is ended only once all ordinary requests have ended', async () => {
    const site = await start({ longLived: 'close' });
    const stream = await site.get('/events');
    const slow = request(`${site.url}/slow`);
    const res = await site.opened('/slow');
    await site.antract.enable();
    expect(site.antract.status()).toMatchObject({
      phase: 'pausing',
      inFlight: 2,
      longLived: 1,
      stragglers: [{ path: '/slow' }],
    });
    expect(stream.destroyed).toBe(false);
    res.end('done');
    expect((await slow).body).toBe('done');
    expect(await site.antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
  });

  it('is ended cleanly for a slow client too, after many others', async () => {
    const site = await start({ longLived: 'close' });
    const slow = (await site.get('/events')).pause();
    const sent = fill(await site.opened('/events'));
    const other = await site.get('/events-raw');
    const ended = once(other.resume(), 'end');
    await site.antract.enable();
    await ended;
    let received = 0;
    let end = '';
    slow.on('data', (chunk: Buffer) => {
      received += chunk.length;
      end = (end + chunk.subarray(-5).toString()).slice(-5);
    });
    await once(slow.resume(), 'end');
    expect(end).toBe('0\r\n\r\n');
    expect(received).toBeGreaterThan(sent);
    expect(await site.antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
  });

  it('does not delay a drain when its client reads nothing', async () => {
    const site = await start({ longLived: 'close' });
    const stalled = await site.get('/events');
    stalled.pause();
    fill(await site.opened('/events'));
    await site.antract.enable();
    expect(await site.antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
  });

  it('is recognised by its response, not by the Accept header of its client', async () => {
    const site = await start({ longLived: 'close' });
    const socket = await site.get('/json');
    await readUntil(socket, (text) => text.includes('['));
    await site.antract.enable();
    expect(site.antract.status()).toMatchObject({ phase: 'pausing', longLived: 0 });
    const rest = readUntil(socket, (text) => text.endsWith('0\r\n\r\n'));
    (await site.opened('/json')).end(']');
    expect(await rest).toContain(']');
  });

  it('is recognised when its answer begins in the middle of a drain', async () => {
    const site = await start({ longLived: 'close' });
    await site.get('/later');
    await site.antract.enable();
    const drained = site.antract.waitForDrain();
    (await site.opened('/later')).setHeader('Content-Type', 'text/event-stream').flushHeaders();
    expect(await drained).toMatchObject({ outcome: 'drained' });
  });

  it('is ended over http2 as well', async () => {
    const antract = createAntract({ logger: silentLogger, longLived: 'close' });
    const pause = antract.pause();
    const server = http2.createServer((req, res) =>
      pause(req as never, res as never, () => {
        res.writeHead(200, { 'content-type': 'text/event-stream' });
        res.write(': hi\n\n');
      }),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const stream = session.request({ ':path': '/', accept: 'text/event-stream' });
    await once(stream, 'response');
    const closed = once(stream, 'close');
    stream.resume();
    await antract.enable();
    await closed;
    expect(await antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    session.close();
    server.close();
  });
});

describe('a long poll', () => {
  it.each([
    ['a path', '/poll'],
    ['a function', (req: { url?: string | undefined }) => req.url === '/poll'],
  ])('named by %s is ended with a 503 to try again', async (_name, isLongLived) => {
    const site = await start({ longLived: 'close', isLongLived });
    const poll = request(`${site.url}/poll`);
    await site.opened('/poll');
    await site.antract.enable();
    expect(await poll).toMatchObject({
      status: 503,
      headers: { 'retry-after': expect.stringMatching(/^[12]$/) },
    });
    expect((await poll).body).toContain('ERR_ANTRACT_LONG_POLL');
    expect(await site.antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
  });

  it.each([
    ['/shop/_changes?feed=longpoll', '/*/_changes?feed=longpoll'],
    ['/shop/_changes?since=now&feed=longpoll&limit=1', '/*/_changes?feed=longpoll'],
    ['/shop/_changes?feed=long%70oll', '/*/_changes?feed=longpoll'],
    ['/poll?b=2&a=1', '/poll?a=1&b=2'],
    ['/poll?wait=30', '/poll?wait'],
    ['/poll?any=thing', '/poll'],
    ['/a/poll?x', /^\/a\/poll$/],
  ])('at %s is named by the pattern %s', async (path, isLongLived) => {
    const site = await start({ longLived: 'close', isLongLived: ['/elsewhere', isLongLived] });
    const poll = request(`${site.url}${path}`);
    await site.opened(path);
    await site.antract.enable();
    expect(await poll).toMatchObject({ status: 503 });
    expect(await site.antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
  });

  it.each([
    ['/shop/_changes', '/*/_changes?feed=longpoll'],
    ['/shop/_changes?feed=normal', '/*/_changes?feed=longpoll'],
    ['/shop/_changes?feed=longpoll&feed=normal', '/*/_changes?feed=longpoll'],
    ['/shop/_changes?Feed=longpoll', '/*/_changes?feed=longpoll'],
    ['/a/b/_changes?feed=longpoll', '/*/_changes?feed=longpoll'],
    ['/_changes?feed=longpoll', '/*/_changes?feed=longpoll'],
    ['/poll?b=2', '/poll?a=1&b=2'],
    ['/poll?x=wait', '/poll?wait'],
    ['/poll/', '/poll'],
  ])('is not what %s is where the pattern is %s', async (path, isLongLived) => {
    const site = await start({ longLived: 'close', isLongLived });
    const ordinary = request(`${site.url}${path}`);
    const res = await site.opened(path);
    await site.antract.enable();
    expect(site.antract.status()).toMatchObject({ phase: 'pausing', longLived: 0 });
    res.end('ordinary');
    expect(await ordinary).toMatchObject({ status: 200, body: 'ordinary' });
  });

  it('does not delay a drain when its handler ends late', async () => {
    const site = await start({ longLived: 'close', isLongLived: '/poll' });
    const poll = request(`${site.url}/poll`);
    const res = await site.opened('/poll');
    const closed = once(res, 'close');
    await site.antract.enable();
    await closed;
    // What a proxy looks at, to give up its own request.
    expect(res.writableFinished).toBe(false);
    res.writeHead(200, { 'X-Late': '1' }).end('late');
    expect(await poll).toMatchObject({ status: 503 });
  });

  it('gets 503 when a drain begins over http2 as well', async () => {
    const antract = createAntract({
      logger: silentLogger,
      longLived: 'close',
      isLongLived: '/poll',
    });
    const pause = antract.pause();
    const server = http2.createServer();
    const asked = new Promise<http2.Http2ServerResponse>((resolve) => {
      server.on('request', (req, res) => pause(req as never, res as never, () => resolve(res)));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const stream = session.request({ ':path': '/poll' });
    const answered = once(stream, 'response');
    const res = await asked;
    const closed = once(res, 'close');
    await antract.enable();
    expect((await answered)[0]).toMatchObject({ ':status': 503 });
    stream.resume();
    await closed;
    res.writeHead(200).end('late');
    expect(await antract.waitForDrain()).toMatchObject({ outcome: 'drained' });
    session.close();
    server.close();
  });

  it('is not a POST to the same path', async () => {
    const site = await start({ longLived: 'close', isLongLived: '/poll' });
    const post = request(`${site.url}/poll`, { method: 'POST', body: 'x' });
    const res = await site.opened('/poll');
    await site.antract.enable();
    expect(site.antract.status()).toMatchObject({ phase: 'pausing', longLived: 0 });
    res.end('ok');
    expect((await post).status).toBe(200);
  });
});
