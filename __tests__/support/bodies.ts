/** Bodies, the clients that send them, and the handlers that read them. */
import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable, Writable } from 'node:stream';

export const SIZES = [0, 1, 1024, 16 * 1024, 64 * 1024, 65 * 1024, 300 * 1024, 3 * 1024 * 1024];

export const sha256 = (data: string | Buffer): string =>
  createHash('sha256').update(data).digest('hex');

/** Bytes whose every 16 KiB differ, so that no mix-up of chunks goes unseen. */
export function body(size: number): Buffer {
  const bytes = Buffer.alloc(size, 'antract');
  for (let at = 0; at < size; at += 1024) bytes.writeUInt8((at / 1024) % 251, at);
  for (let at = 0; at + 4 <= size; at += 1024) bytes.writeUInt32LE(at, at);
  return bytes;
}

export async function listen(server: {
  listen(port: number, host: string): unknown;
  address(): AddressInfo | string | null;
}): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server as unknown as http.Server, 'listening');
  return (server.address() as AddressInfo).port;
}

export interface Answer {
  status: number;
  text: string;
}

export interface Upload {
  /** Sent in one piece, or piece by piece. */
  pieces: Buffer[];
  chunked?: boolean;
  headers?: http.OutgoingHttpHeaders;
  trailers?: Record<string, string>;
  agent?: http.Agent;
  path?: string;
}

export async function upload(port: number, options: Upload): Promise<Answer> {
  const length = options.pieces.reduce((sum, piece) => sum + piece.length, 0);
  const framing = options.chunked
    ? { 'transfer-encoding': 'chunked' }
    : { 'content-length': length };
  const req = http.request({
    port,
    host: '127.0.0.1',
    method: 'POST',
    path: options.path ?? '/',
    agent: options.agent ?? false,
    headers: { 'content-type': 'application/octet-stream', ...options.headers, ...framing },
  });
  const answered = once(req, 'response') as Promise<[http.IncomingMessage]>;
  for (const piece of options.pieces) if (!req.write(piece)) await once(req, 'drain');
  if (options.trailers) req.addTrailers(options.trailers);
  req.end();
  const [res] = await answered;
  return { status: res.statusCode ?? 0, text: await text(res) };
}

export async function text(stream: Readable): Promise<string> {
  let result = '';
  for await (const chunk of stream) result += String(chunk);
  return result;
}

export type Consumer = (req: Readable) => Promise<string>;

const digest = (hash: Hash): string => hash.digest('hex');

/** Each way of reading an ordinary request; resolves with the sha256 of what it got. */
export const CONSUMERS: Record<string, Consumer> = {
  async pipe(req) {
    const hash = createHash('sha256');
    await once(req.pipe(hash), 'finish');
    return digest(hash);
  },
  async 'for await'(req) {
    const hash = createHash('sha256');
    for await (const chunk of req) hash.update(chunk as Buffer);
    return digest(hash);
  },
  async 'Readable.toWeb'(req) {
    const hash = createHash('sha256');
    for await (const chunk of Readable.toWeb(req)) hash.update(chunk as Buffer);
    return digest(hash);
  },
  async "req.on('data')"(req) {
    const hash = createHash('sha256');
    req.on('data', (chunk: Buffer) => hash.update(chunk));
    await once(req, 'end');
    return digest(hash);
  },
  async 'readable events'(req) {
    const hash = createHash('sha256');
    req.on('readable', () => {
      for (let chunk = req.read(); chunk !== null; chunk = req.read()) hash.update(chunk as Buffer);
    });
    await once(req, 'end');
    return digest(hash);
  },
  async 'reads of 1000 bytes'(req) {
    const hash = createHash('sha256');
    req.on('readable', () => {
      for (let chunk = req.read(1000); chunk !== null; chunk = req.read(1000)) {
        hash.update(chunk as Buffer);
      }
    });
    await once(req, 'end');
    return digest(hash);
  },
  async 'a slow reader'(req) {
    const hash = createHash('sha256');
    const slow = new Writable({
      highWaterMark: 1024,
      write(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        setImmediate(() => setImmediate(done));
      },
    });
    await once(req.pipe(slow), 'finish');
    return digest(hash);
  },
  async 'pause and resume'(req) {
    const hash = createHash('sha256');
    req.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      req.pause();
      setImmediate(() => req.resume());
    });
    await once(req, 'end');
    return digest(hash);
  },
  async 'a reader that comes later'(req) {
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    const hash = createHash('sha256');
    await once(req.pipe(hash), 'finish');
    return digest(hash);
  },
};
