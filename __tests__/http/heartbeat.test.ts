import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Gate } from '../../lib/gate/gate.ts';
import { systemClock } from '../../lib/common/clock.ts';
import { GatedHttpRequest } from '../../lib/http/gated-http-request.ts';
import { createAntract } from '../../lib/index.ts';
import type { Ticket } from '../../lib/gate/gated-request.ts';
import { readOptions } from '../../lib/options/read-options.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { createGate, gatedRequest, hold, enable } from '../support/gate.ts';
import { closeAll, connect, listen, readUntil } from '../support/http.ts';
import { nextEvent } from '../support/next-event.ts';
import { silentLogger } from '../support/silent-logger.ts';

let clock: FakeClock;

beforeEach(() => {
  clock = new FakeClock();
});

function holdCounting(gate: Gate): { ticket: Ticket; beats: () => number } {
  let count = 0;
  const ticket = hold(gate, gatedRequest({ sendHeartbeat: () => count++ }));
  return { ticket, beats: () => count };
}

describe('a heartbeat', () => {
  it('uses one timer for all held requests, and none without them', () => {
    const gate = createGate({ heartbeat: { every: '10s' } }, { clock });
    enable(gate, { maxTime: 3_600_000 });
    expect(clock.pendingTimers).toBe(1); // the pause's end
    const all = [holdCounting(gate), holdCounting(gate)];
    expect(clock.pendingTimers).toBe(2);
    clock.advance(20_000);
    expect(all.map(({ beats }) => beats())).toEqual([2, 2]);
    for (const { ticket } of all) gate.onClientDisconnect(ticket.gated);
    clock.advance(10_000);
    expect(clock.pendingTimers).toBe(1);
    expect(all.map(({ beats }) => beats())).toEqual([2, 2]);
  });

  it.each([102, 103] as const)('is sent as %i, and never to an HTTP/1.0 client', async (status) => {
    const antract = createAntract({ logger: silentLogger, heartbeat: { every: 100, status } });
    const pause = antract.pause();
    const { port } = await listen((req, res) => pause(req, res, () => res.end('done')));
    await antract.enable();
    const old = await connect(port);
    let oldText = '';
    old.on('data', (chunk: Buffer) => (oldText += chunk.toString()));
    old.write('GET / HTTP/1.0\r\n\r\n');
    await nextEvent(antract, 'held');
    const socket = await connect(port);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const beats = await readUntil(socket, (text) => text.split('\r\n\r\n').length > 2);
    expect(beats).toMatch(new RegExp(`^(HTTP/1\\.1 ${status} [A-Za-z ]+\r\n\r\n)+$`));
    await antract.disable();
    expect(await readUntil(socket, (text) => text.includes('done'))).toContain('200 OK');
    while (!oldText.includes('done')) await once(old, 'data');
    expect(oldText).toMatch(/^HTTP\/1\.1 200 OK/);
    await closeAll();
  });

  it('is sent over http2 as well, but not to a closed stream', async () => {
    const antract = createAntract({ logger: silentLogger, heartbeat: { every: 100, status: 103 } });
    const pause = antract.pause();
    const server = http2.createServer((req, res) => {
      if (req.url === '/gone') {
        res.stream.destroy();
        const settings = readOptions({ heartbeat: { every: 100 } });
        const origin = { settings, clock: systemClock };
        new GatedHttpRequest(req as never, res as never, origin, silentLogger).sendHeartbeat();
      } else pause(req as never, res as never, () => res.end('done'));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await once(
      session.request({ ':path': '/gone' }).on('error', () => undefined),
      'close',
    );
    await antract.enable();
    const stream = session.request({ ':path': '/' });
    const [beat] = (await once(stream, 'headers')) as [http2.IncomingHttpHeaders];
    expect(beat).toMatchObject({ ':status': 103 });
    const answered = once(stream, 'response');
    await antract.disable();
    expect((await answered)[0]).toMatchObject({ ':status': 200 });
    session.destroy();
    server.close();
  });

  it('is not sent to a WebSocket handshake, whose answer it could be taken for', async () => {
    const antract = createAntract({ logger: silentLogger, heartbeat: { every: 100 } });
    const pause = antract.pause();
    const { server, port } = await listen((req, res) => pause(req, res, () => res.end()));
    server.on(
      'upgrade',
      antract.upgrade(
        (_req, socket) => void socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n'),
      ),
    );
    await antract.enable();
    const socket = await connect(port);
    const answer = readUntil(socket, (text) => text.endsWith('\r\n\r\n'));
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    await nextEvent(antract, 'held');
    // Another one is held behind it, and gets its beat after it would have.
    const other = await connect(port);
    const beat = readUntil(other, (text) => text.includes('102'));
    other.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await beat;
    await antract.disable();
    expect(await answer).toMatch(/^HTTP\/1\.1 101 /);
    await closeAll();
  });
});
