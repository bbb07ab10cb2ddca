/** Backends that send bytes as they are told; `closeRawBackends()` ends every one of them. */
import { once } from 'node:events';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';

export interface RawBackend {
  readonly url: string;
  /** Every connection that it was given. */
  readonly sockets: Socket[];
}

const servers = new Map<Server, Socket[]>();

/** Does with each connection what it is told to. */
export async function bareBackend(onConnection: (socket: Socket) => void): Promise<RawBackend> {
  const sockets: Socket[] = [];
  const server = net.createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  servers.set(server, sockets);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, sockets };
}

/** Answers whatever arrives with these bytes; then ends the connection, if it is told to. */
export function rawBackend(bytes: string, { end = false } = {}): Promise<RawBackend> {
  return bareBackend((socket) => {
    socket.on('data', () => {
      if (socket.writableEnded) return;
      if (end) socket.end(bytes, 'latin1');
      else socket.write(bytes, 'latin1');
    });
  });
}

/** A response that changes to a protocol which no client has asked for. */
export const SWITCHING_PROTOCOLS =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n\x81\x02hi';

export async function closeRawBackends(): Promise<void> {
  const all = [...servers];
  servers.clear();
  for (const [, sockets] of all) for (const socket of sockets) socket.destroy();
  await Promise.all(all.map(([server]) => new Promise((resolve) => server.close(resolve))));
}
