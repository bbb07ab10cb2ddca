/** Which fresh connections to a backend are used for a request, where its listener has just been closed. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import { AcceptCheck } from '../../lib/gateway/proxy/connections/accept-check.ts';

const ends: (() => unknown)[] = [];

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function listen(): Promise<{ server: Server; port: number }> {
  const server = net.createServer().listen(0, '127.0.0.1');
  ends.push(() => server.close());
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

/** Both ends of a connection. */
async function connectTo({ server, port }: { server: Server; port: number }): Promise<Socket[]> {
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = net.connect(port, '127.0.0.1');
  const [[backend]] = await Promise.all([accepted, once(client, 'connect')]);
  for (const socket of [client, backend]) {
    socket.on('error', () => undefined);
    ends.push(() => socket.destroy());
  }
  return [client, backend];
}

/** Resolves when a connection to a port that is made from now on has been refused. */
function refusedAt(port: number): Promise<void> {
  return new Promise((resolve) => {
    const onSocket = (message: unknown): void => {
      const { socket } = message as { socket: Socket };
      socket.once('error', (error: NodeJS.ErrnoException & { port?: number }) => {
        if (error.port !== port || error.code !== 'ECONNREFUSED') return;
        unsubscribe('net.client.socket', onSocket);
        socket.once('close', resolve);
      });
    };
    subscribe('net.client.socket', onSocket);
  });
}

/** A fresh connection to a backend whose listener refuses the probe connection that follows. */
async function start(): Promise<{ client: Socket; backend: Socket; used: Promise<string> }> {
  const site = await listen();
  const [client, backend] = (await connectTo(site)) as [Socket, Socket];
  const closed = await listen();
  closed.server.close();
  await once(closed.server, 'close');
  const check = new AcceptCheck({ port: closed.port, host: '127.0.0.1' });
  const refused = refusedAt(closed.port);
  const used = new Promise<string>((resolve) => {
    const leave = check.add(client, () => resolve('used'));
    client.once('close', () => {
      leave();
      resolve('closed');
    });
  });
  await refused;
  return { client, backend, used };
}

describe('a fresh connection to a backend that then refuses the probe connection', () => {
  it('is not used for a request when the kernel resets it a moment later', async () => {
    const { backend, used } = await start();
    // In the next turn, as the kernel does when it has closed a listener.
    await new Promise(setImmediate);
    backend.resetAndDestroy();
    expect(await used).toBe('closed');
  });

  it('is used for a request when the backend has accepted it', async () => {
    const { client, used } = await start();
    expect(await used).toBe('used');
    expect(client.destroyed).toBe(false);
  });
});
