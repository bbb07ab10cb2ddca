/** Real servers and raw clients for tests; `closeAll()` ends every one of them. */
import { once } from 'node:events';
import http, { type IncomingMessage, type RequestListener, type Server } from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';

const servers = new Set<Server>();
const sockets = new Set<Socket>();

export async function listen(
  handler: RequestListener,
  at = 0,
): Promise<{ server: Server; port: number; url: string }> {
  const server = http.createServer(handler);
  servers.add(server);
  server.listen(at, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { server, port, url: `http://127.0.0.1:${port}` };
}

export interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

export interface RequestOptions {
  method?: string;
  headers?: http.OutgoingHttpHeaders;
  body?: string | Buffer;
  agent?: http.Agent;
  signal?: AbortSignal;
}

/** One request over a connection of its own, unless an agent is given. */
export async function request(url: string, options: RequestOptions = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body, agent, signal } = options;
  const client = http.request(url, {
    method,
    headers,
    agent: agent ?? false,
    ...(signal && { signal }),
  });
  client.end(body);
  const [res] = (await once(client, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk as Buffer);
  return {
    status: res.statusCode ?? 0,
    headers: res.headers,
    body: Buffer.concat(chunks).toString(),
  };
}

/** A bare connection, for what `http.request` would not send. */
export async function connect(port: number): Promise<Socket> {
  const socket = net.connect(port, '127.0.0.1');
  sockets.add(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Reads until what was read satisfies `enough`. */
export async function readUntil(
  socket: Socket,
  enough: (text: string) => boolean,
): Promise<string> {
  let text = '';
  while (!enough(text)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    text += chunk.toString('latin1');
  }
  return text;
}

export async function closeAll(): Promise<void> {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  const closing = [...servers].map((server) => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    return closed;
  });
  servers.clear();
  await Promise.all(closing);
}
