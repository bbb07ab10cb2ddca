/** 200 clients of each kind leave while they are held: none is served, and nothing of them stays. */
import { once, type EventEmitter } from 'node:events';
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createAntract } from '../../lib/index.ts';
import { nextEvent } from '../support/next-event.ts';
import { silentLogger } from '../support/silent-logger.ts';

const CLIENTS = 200;

let directory: string;
let warnings: string[];
const onWarning = (warning: Error): void => void warnings.push(warning.name);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'antract-leaving-'));
  warnings = [];
  process.on('warning', onWarning);
});

afterEach(async () => {
  process.off('warning', onWarning);
  await rm(directory, { recursive: true, force: true });
});

/** A request that declares `length` bytes and of which `sent` are sent. */
async function send(port: number, length: number, sent: number): Promise<Socket> {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  const head =
    length === 0 ? 'GET / HTTP/1.1\r\n' : `PUT / HTTP/1.1\r\nContent-Length: ${length}\r\n`;
  socket.write(`${head}Host: a\r\n\r\n`);
  // Not to be lost with the connection while it waits in here.
  if (sent > 0) await new Promise((resolve) => socket.write(Buffer.alloc(sent, 'x'), resolve));
  return socket;
}

/**
 * Every file below the directory, by name and by being open: where it can, a spool takes the names of
 * its files away at once, so that looking at names alone would always find nothing.
 */
async function files(): Promise<string[]> {
  const names = await readdir(directory);
  if (process.platform !== 'linux') return names;
  const handles = await readdir('/proc/self/fd');
  // The process that lists them has ended by now.
  const targets = handles.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
  return [...names, ...(await Promise.all(targets)).filter((name) => name.startsWith(directory))];
}

const countListeners = (emitter: EventEmitter): number =>
  emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0);

describe('clients that disconnect while held', () => {
  it.each([
    ['no body', 0, 0],
    ['1 KB', 1024, 1024],
    ['2 MB in full', 2 * 1024 ** 2, 2 * 1024 ** 2],
    ['300 KB of 2 MB', 2 * 1024 ** 2, 300 * 1024],
  ])('leave nothing behind: %s', async (_name, length, sent) => {
    const antract = createAntract({ logger: silentLogger, spool: { directory } });
    const pause = antract.pause();
    const requests = new Map<IncomingMessage, number>();
    let served = 0;
    const server = createServer((req, res) => {
      requests.set(req, countListeners(req));
      pause(req, res, () => {
        served++;
        res.end();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await antract.enable();
    let abandoned = 0;
    const allAbandoned = new Promise<void>((resolve) => {
      antract.on('abandoned', () => {
        if (++abandoned === CLIENTS) resolve();
      });
    });

    const sockets: Socket[] = [];
    for (let i = 0; i < CLIENTS; i++) sockets.push(await send(port, length, sent));
    while (antract.status().held < CLIENTS) await nextEvent(antract, 'held');
    // Otherwise there would be nothing to be left behind.
    if (process.platform === 'linux') expect((await files()).length > 0).toBe(sent > 64 * 1024);
    // Half of them politely, half of them not.
    for (const [i, socket] of sockets.entries()) {
      if (i % 2) socket.destroy();
      else socket.resetAndDestroy();
    }
    await allAbandoned;
    expect(antract.status().held).toBe(0);

    await antract.disable();
    await antract.close();
    expect(served).toBe(0);
    expect(await files()).toEqual([]);
    for (const [req, listeners] of requests) {
      expect(countListeners(req)).toBe(listeners);
      expect([Object.hasOwn(req, 'push'), Object.hasOwn(req, '_read')]).toEqual([false, false]);
    }
    expect(warnings).toEqual([]);
    server.close();
    await once(server, 'close');
  });

  it('leave no listener behind on a kept connection', async () => {
    const antract = createAntract({ logger: silentLogger });
    const pause = antract.pause();
    const counts: number[] = [];
    const server = createServer((req, res) => {
      counts.push(countListeners(req.socket));
      pause(req, res, () => req.resume().once('end', () => res.end()));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
    for (let i = 0; i < 30; i++) {
      await antract.enable();
      socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n');
      socket.write(Buffer.alloc(100_000));
      while (antract.status().held === 0) await nextEvent(antract, 'held');
      await antract.disable();
      await once(socket, 'data');
    }
    expect(new Set(counts.slice(1)).size).toBe(1);
    socket.destroy();
    server.close();
    await antract.close();
  });
});
