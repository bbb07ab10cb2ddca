/** How the connections of a server end, without a proxy in between. */
import { afterEach, expect, it } from '@jest/globals';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { systemClock } from '../../lib/common/clock.ts';
import { ConnectionTracker } from '../../lib/gateway/server/connection-tracker.ts';
import { GatedHttpRequest } from '../../lib/http/gated-http-request.ts';
import { DEFAULT_SETTINGS } from '../../lib/options/settings.ts';
import { until } from '../support/eventually.ts';
import { closeAll, connect, listen, readUntil } from '../support/http.ts';
import { silentLogger } from '../support/silent-logger.ts';

afterEach(closeAll);

const ORIGIN = { settings: DEFAULT_SETTINGS, clock: systemClock };

it('a response that is still being sent to a slow client is not cut off by a shutdown', async () => {
  const size = 20_000_000;
  const { server, port } = await listen((req, res) => {
    connections.track(req, res, () => undefined);
    res.end(Buffer.alloc(size));
  });
  const connections = new ConnectionTracker(
    server,
    (req, res) => new GatedHttpRequest(req, res, ORIGIN, silentLogger),
  );
  const client = await connect(port);
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(client, 'readable');
  const drained = connections.drain(10_000);
  let bytes = 0;
  client.on('data', (chunk: Buffer) => (bytes += chunk.length));
  await drained;
  await connections.end();
  await once(client, 'close');
  expect(bytes).toBeGreaterThan(size);
});

it('an event stream that has ended, and whose client does not read, does not delay a shutdown', async () => {
  const { server, port } = await listen((req, res) => {
    connections.track(req, res, () => undefined);
    res.setHeader('Content-Type', 'text/event-stream');
    res.end(Buffer.alloc(20_000_000));
  });
  const connections = new ConnectionTracker(
    server,
    (req, res) => new GatedHttpRequest(req, res, ORIGIN, silentLogger),
  );
  const client = await connect(port);
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(client, 'readable');
  await connections.drain(600_000);
  expect(server.listening).toBe(false);
});

it('a retired server serves one more request of a busy connection and of a new one, and closes idle connections', async () => {
  const { server, port } = await listen((req, res) => {
    connections.track(req, res, () => undefined);
    res.end('served');
  });
  const connections = new ConnectionTracker(
    server,
    (req, res) => new GatedHttpRequest(req, res, ORIGIN, silentLogger),
  );
  const accepted = new Set<Socket>();
  server.on('connection', (socket) => accepted.add(socket));
  const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
  const [idle, busy] = [await connect(port), await connect(port)];
  for (const one of [idle, busy]) {
    one.write(request);
    await readUntil(one, (text) => text.endsWith('served'));
  }
  const [begun, silent] = [await connect(port), await connect(port)];
  begun.write(request);
  await readUntil(begun, (text) => text.endsWith('served'));
  begun.write(request.slice(0, 10));
  await until(() => [...accepted].some(({ bytesRead }) => bytesRead === request.length + 10));

  connections.retire();
  busy.write(request);
  expect(await readUntil(busy, (text) => text.endsWith('served'))).toContain('Connection: close');
  await Promise.all([busy, idle].map((one) => once(one.resume(), 'close')));
  expect(connections.isSettled).toBe(false);
  begun.write(request.slice(10));
  silent.write(request);
  for (const one of [begun, silent]) {
    expect(await readUntil(one, (text) => text.endsWith('served'))).toContain('Connection: close');
    await once(one.resume(), 'close');
  }
  expect(connections.isSettled).toBe(true);
});
