/**
 * Backends whose address accepts connections and drops them, as docker-proxy does while nothing listens
 * in the container.
 */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import { killBackends, startBackend } from '../support/backend.ts';
import { closeGateways, openGateway, type OpenGateway } from '../support/gateway.ts';
import { closeAll, connect, listen, readUntil, request } from '../support/http.ts';
import { nextEvent, untilHeld } from '../support/next-event.ts';
import { until } from '../support/eventually.ts';

const servers: Server[] = [];

afterEach(async () => {
  await closeGateways();
  await killBackends();
  await closeAll();
  for (const server of servers.splice(0)) server.close();
});

type Drop = (client: Socket) => void;

const DROPS: [string, Drop][] = [
  ['ends', (client) => void client.end()],
  ['resets', (client) => void client.resetAndDestroy()],
  [
    'reads the request and then ends',
    (client) => void client.resume().once('data', () => client.end()),
  ],
  [
    'reads the request and then resets',
    (client) => void client.resume().once('data', () => client.resetAndDestroy()),
  ],
];

/** Forwards connections to a port, and drops those for which nothing listens there. */
async function forwarder(port: number, drop: Drop): Promise<string> {
  const server = net.createServer((client) => {
    const backend = net.connect(port, '127.0.0.1');
    client.on('error', () => backend.destroy());
    backend.on('error', () => drop(client));
    backend.once('connect', () => {
      client.on('close', () => backend.destroy());
      backend.on('close', () => client.destroy());
      client.pipe(backend).pipe(client);
    });
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function record({ antract }: OpenGateway): string[] {
  const events: string[] = [];
  for (const event of ['unreachable', 'reachable'] as const) {
    antract.on(event, () => events.push(event));
  }
  return events;
}

describe.each(DROPS)('a target that accepts connections and %s them', (_what, drop) => {
  it('gets no request after the first one that failed: they are held', async () => {
    const backend = await startBackend();
    const gateway = await openGateway({
      target: await forwarder(backend.port, drop),
      // A connection that is dropped only once it was used looks fine to a probe that sends nothing.
      healthCheckPath: '/up',
    });
    const events = record(gateway);
    expect((await request(`${gateway.url}/before`)).status).toBe(200);
    await backend.kill();
    const first = request(`${gateway.url}/first`);
    await Promise.race([first, untilHeld(gateway.antract, 1)]);
    const others = Array.from({ length: 5 }, (_, i) => request(`${gateway.url}/${i}`));
    while (events.length === 0) await nextEvent(gateway.antract, 'unreachable');
    await untilHeld(gateway.antract, 5);
    await backend.start();
    const statuses = (await Promise.all(others)).map(({ status }) => status);
    expect(statuses).toEqual([200, 200, 200, 200, 200]);
    // Nothing is sent twice: a request that had been written has failed.
    expect([200, 502]).toContain((await first).status);
    const seen = backend.seen().filter((url) => url !== '/up');
    expect(new Set(seen).size).toBe(seen.length);
    expect(events).toEqual(['unreachable', 'reachable']);
  });
});

describe.each(DROPS.slice(0, 2))(
  'without a health check path, a target that %s connections',
  (_what, drop) => {
    it('gets no held request before the backend listens', async () => {
      const backend = await startBackend();
      const gateway = await openGateway({ target: await forwarder(backend.port, drop) });
      await gateway.antract.enable();
      await backend.kill();
      const answers = Array.from({ length: 20 }, (_, i) => request(`${gateway.url}/${i}`));
      await untilHeld(gateway.antract, 20);
      await gateway.antract.disable();
      while (gateway.antract.status().probe?.lastSeen == null) {
        await new Promise(setImmediate);
      }
      expect(gateway.antract.status()).toMatchObject({ phase: 'releasing', held: 20 });
      await backend.start();
      const statuses = (await Promise.all(answers)).map(({ status }) => status);
      expect(statuses).toEqual(statuses.map(() => 200));
    });

    it('gets no new request before the backend listens', async () => {
      const backend = await startBackend();
      const gateway = await openGateway({ target: await forwarder(backend.port, drop) });
      const events = record(gateway);
      await request(gateway.url);
      await backend.kill();
      const first = request(`${gateway.url}/first`);
      await Promise.race([first, untilHeld(gateway.antract, 1)]);
      const second = request(`${gateway.url}/second`);
      while (events.length === 0) await nextEvent(gateway.antract, 'unreachable');
      await backend.start();
      expect((await second).status).toBe(200);
      expect(events).toEqual(['unreachable', 'reachable']);
    });
  },
);

describe('a healthy backend that closes the connection of some requests', () => {
  it.each([undefined, '/up'])('answers all others: health check path %j', async (path) => {
    const backend = await listen((req, res) => {
      if (req.url === '/crash') req.socket.resetAndDestroy();
      else res.end();
    });
    const gateway = await openGateway({
      target: backend.url,
      ...(path && { healthCheckPath: path }),
    });
    const events = record(gateway);
    for (let i = 0; i < 20; i++) {
      const [bad, good] = await Promise.all([
        request(`${gateway.url}/crash`),
        request(`${gateway.url}/${i}`),
      ]);
      expect([bad.status, good.status]).toEqual([502, 200]);
    }
    expect(events).toEqual([]);
    expect(gateway.warnings.join()).not.toMatch('UNREACHABLE');
  });
});

describe('a client that disconnects before the response', () => {
  it('does not start a probe of the backend', async () => {
    const backend = await listen(() => undefined);
    const gateway = await openGateway({ target: backend.url });
    const client = await connect(gateway.port);
    const received = once(backend.server, 'request');
    client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf');
    await received;
    client.resetAndDestroy();
    await until(() => gateway.antract.status().inFlight === 0);
    expect(gateway.antract.status().probe).toBeNull();
  });
});

describe('a WebSocket handshake whose connection is dropped', () => {
  it('fails, and starts a probe of the backend', async () => {
    const backend = await startBackend();
    const target = await forwarder(backend.port, (client) =>
      client.resume().once('data', () => client.end()),
    );
    const gateway = await openGateway({ target, healthCheckPath: '/up' });
    await backend.kill();
    const unreachable = nextEvent(gateway.antract, 'unreachable');
    const client = await connect(gateway.port);
    client.write(
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    expect(await readUntil(client, (text) => text.includes('\r\n\r\n'))).toMatch('HTTP/1.1 502 ');
    await unreachable;
  });
});
