/** A client that sends exactly the bytes that a test gives it. */
import { once } from 'node:events';
import net from 'node:net';
import { until } from './eventually.ts';

export interface RawClient {
  readonly socket: net.Socket;
  /** Everything the server has said. */
  received(): string;
  send(...parts: (string | Buffer)[]): void;
  /** Resolves when the server has said `text` this many times. */
  hears(text: string, times?: number): Promise<void>;
}

export async function connect(port: number): Promise<RawClient> {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  let received = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (received += chunk));
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return {
    socket,
    received: () => received,
    send: (...parts) => parts.forEach((part) => socket.write(part)),
    hears: (text, times = 1) =>
      until(() => received.split(text).length > times || socket.destroyed),
  };
}

export const post = (length: number, path = '/'): string =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`;

export const postChunked = (headers = ''): string =>
  `POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n${headers}\r\n`;

export const chunk = (bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
