/**
 * Each kind of server that `pause()` supports, with the middleware mounted and responses sent as users of
 * that server do. The clients are in exchange.ts.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import http2, { type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import https from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import middie from '@fastify/middie';
import connect from 'connect';
import express from 'express';
import express4 from 'express4';
import fastify from 'fastify';
import polka from 'polka';
import { createCertificate, type Certificate } from './certificate.ts';

export type Middleware = (
  req: IncomingMessage,
  res: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** What is behind the middleware: reads the request, and says what to answer. */
export type Backend = (req: IncomingMessage) => Promise<string>;

/** Where a server listens, as `net.connect()` takes it. */
export type Address = { host: string; port: number } | { path: string };

export interface ServerKind {
  readonly name: string;
  /** What its clients speak. */
  readonly protocol: 'http/1.1' | 'h2';
  readonly tls?: Certificate;
  readonly unix?: true;
  create(middlewares: Middleware[], backend: Backend): Promise<Server>;
}

export interface Site {
  readonly kind: ServerKind;
  readonly server: Server;
  readonly address: Address;
  close(): Promise<void>;
}

const certificate = createCertificate();

export const KINDS: readonly ServerKind[] = [
  {
    name: 'node:http',
    protocol: 'http/1.1',
    create: async (middlewares, backend) => http.createServer(bare(middlewares, backend)),
  },
  {
    name: 'Express 4',
    protocol: 'http/1.1',
    create: expressKind(express4 as unknown as typeof express),
  },
  { name: 'Express 5', protocol: 'http/1.1', create: expressKind(express) },
  {
    name: 'connect',
    protocol: 'http/1.1',
    async create(middlewares, backend) {
      const app = connect();
      for (const middleware of middlewares) app.use(middleware);
      return http.createServer(app.use(bare([], backend)));
    },
  },
  {
    name: 'polka',
    protocol: 'http/1.1',
    async create(middlewares, backend) {
      const app = polka();
      for (const middleware of middlewares) app.use(middleware);
      app.use(bare([], backend));
      return http.createServer(app.handler as unknown as RequestListener);
    },
  },
  { name: 'Fastify with @fastify/middie', protocol: 'http/1.1', create: createFastify },
  {
    name: 'https',
    protocol: 'http/1.1',
    tls: certificate,
    create: async (middlewares, backend) =>
      https.createServer(certificate, bare(middlewares, backend)),
  },
  {
    name: 'a unix socket',
    protocol: 'http/1.1',
    unix: true,
    create: async (middlewares, backend) => http.createServer(bare(middlewares, backend)),
  },
  {
    name: 'http2 without TLS',
    protocol: 'h2',
    create: async (middlewares, backend) =>
      http2.createServer(HTTP2_OPTIONS, compat(middlewares, backend)),
  },
  {
    name: 'http2 with TLS',
    protocol: 'h2',
    tls: certificate,
    create: async (middlewares, backend) =>
      http2.createSecureServer({ ...HTTP2_OPTIONS, ...certificate }, compat(middlewares, backend)),
  },
  {
    name: 'http2 with TLS and `allowHTTP1`, asked in HTTP/1.1',
    protocol: 'http/1.1',
    tls: certificate,
    create: async (middlewares, backend) =>
      http2.createSecureServer(
        { ...HTTP2_OPTIONS, ...certificate, allowHTTP1: true },
        compat(middlewares, backend),
      ),
  },
];

/** http2 takes 128 headers by itself, the five of its own included, where HTTP/1 takes 2,000. */
const HTTP2_OPTIONS = { maxHeaderListPairs: 256 };

export async function open(
  kind: ServerKind,
  middlewares: Middleware[],
  backend: Backend,
): Promise<Site> {
  const server = await kind.create(middlewares, backend);
  const sockets = new Set<Socket>();
  for (const event of ['connection', 'secureConnection']) {
    server.on(event, (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
  }
  const directory = kind.unix && mkdtempSync(path.join(tmpdir(), 'antract-test-'));
  server.listen(directory ? { path: path.join(directory, 's') } : { port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const bound = server.address() as AddressInfo | string;
  return {
    kind,
    server,
    address: typeof bound === 'string' ? { path: bound } : { host: '127.0.0.1', port: bound.port },
    async close() {
      await outOfCallbacks();
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
      if (directory) rmSync(directory, { recursive: true });
    },
  };
}

/**
 * What awaits an answer goes on inside the callback that read it off the connection. Node 20's http2
 * and TLS use memory after they freed it when all is destroyed in there.
 */
export const outOfCallbacks = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Without a framework: one after the other. */
function bare(middlewares: Middleware[], backend: Backend): RequestListener {
  return (req, res) => {
    const run = (index: number): void => {
      const middleware = middlewares[index];
      if (middleware) return middleware(req, res, () => run(index + 1));
      return void answer(backend(req), (text) => {
        res.setHeader('Content-Length', Buffer.byteLength(text));
        res.end(text);
      });
    };
    run(0);
  };
}

/** The compatibility API is `node:http`'s, but not to TypeScript. */
function compat(
  middlewares: Middleware[],
  backend: Backend,
): (req: Http2ServerRequest, res: Http2ServerResponse) => void {
  const listener = bare(middlewares, backend);
  return (req, res) => listener(req as never, res as never);
}

/** A backend that fails does so because its client has disconnected: no response is possible. */
function answer(text: Promise<string>, send: (text: string) => unknown): Promise<void> {
  return text.then(
    (ready) => void send(ready),
    () => undefined,
  );
}

function expressKind(createApp: typeof express): ServerKind['create'] {
  return async (middlewares, backend) => {
    const app = createApp();
    for (const middleware of middlewares) app.use(middleware);
    app.use((req, res) => void answer(backend(req), (text) => res.send(text)));
    return http.createServer(app);
  };
}

async function createFastify(middlewares: Middleware[], backend: Backend): Promise<Server> {
  const app = fastify({ bodyLimit: 64 * 1024 * 1024 });
  await app.register(middie);
  for (const middleware of middlewares) app.use(middleware);
  // The body as it is, for the backend to read.
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  app.all('/*', (request, reply) => {
    void answer(backend(request.raw), (text) => reply.send(text));
  });
  await app.ready();
  return app.server;
}
