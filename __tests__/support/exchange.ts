/** One request to any server, over HTTP/1.1 or http2. It can be sent in parts and aborted. */
import { once } from 'node:events';
import http, { type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import http2, { type ClientHttp2Session } from 'node:http2';
import https from 'node:https';
import net, { type Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import tls from 'node:tls';
import { outOfCallbacks, type ServerKind, type Site } from './servers.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

export interface Asked {
  path: string;
  method?: string;
  headers?: OutgoingHttpHeaders;
  /** Sent at once, and all there is unless `more` says otherwise. */
  body?: Buffer | string;
  /** The body goes on, by `end()`. */
  more?: boolean;
}

export interface Exchange {
  /** Rejects when the connection breaks. */
  readonly answer: Promise<Answer>;
  /** Resolves when the body so far has left this process. */
  readonly sent: Promise<void>;
  /** The rest of the body. */
  end(rest: Buffer): void;
  /** Breaks off: ends the connection, or resets the stream on http2. */
  leave(): void;
}

export interface Connection {
  readonly socket: Socket;
  readonly transport: Socket;
}

/** Sends requests to one site; `close()` ends all its connections. */
export class Client {
  readonly #site: Site;
  readonly #open = new Set<{ destroy(): unknown }>();
  #session: { session: ClientHttp2Session; transport: Socket } | undefined;

  constructor(site: Site) {
    this.#site = site;
  }

  /** Over a connection of its own; on http2 as a stream of one connection that all share. */
  send(asked: Asked, agent?: http.Agent): Exchange {
    const exchange =
      this.#site.kind.protocol === 'h2' ? this.#send2(asked) : this.#send1(asked, agent);
    // A client that aborts looks at neither.
    exchange.answer.catch(() => undefined);
    exchange.sent.catch(() => undefined);
    return exchange;
  }

  /** A bare connection, speaking TLS where the server does, and what it runs over. */
  async connect(): Promise<Connection> {
    const connection = this.#connect();
    await once(connection.socket, this.#site.kind.tls ? 'secureConnect' : 'connect');
    return connection;
  }

  /** http2: resets the connection that all streams share. */
  resetSession(): void {
    this.#session?.transport.resetAndDestroy();
  }

  /** Keeps connections alive, of the kind that the site needs. */
  createAgent(): http.Agent {
    const { kind } = this.#site;
    const options = { keepAlive: true, maxSockets: 1, ...secureOptions(kind) };
    return this.#keep(kind.tls ? new https.Agent(options) : new http.Agent(options));
  }

  async close(): Promise<void> {
    await outOfCallbacks();
    for (const open of this.#open) open.destroy();
    this.#open.clear();
    this.#session = undefined;
  }

  #send1({ path, method = 'GET', headers = {}, body, more }: Asked, agent?: http.Agent): Exchange {
    const { address, kind } = this.#site;
    const target = 'path' in address ? { socketPath: address.path } : address;
    const options = { path, method, headers, agent: agent ?? false, ...target };
    const req = kind.tls
      ? https.request({ ...options, ...secureOptions(kind) })
      : http.request(options);
    // A second failure, after a response, does not matter.
    this.#keep(req).on('error', () => undefined);
    const answer = (async (): Promise<Answer> => {
      const [res] = (await once(req, 'response')) as [IncomingMessage];
      return { status: res.statusCode ?? 0, headers: res.headers, body: await textOf(res) };
    })();
    return {
      answer,
      sent: sendBody(req, body, more),
      end: (rest) => void req.end(rest),
      leave: () => void req.destroy(),
    };
  }

  #send2({ path, method = 'GET', headers = {}, body, more }: Asked): Exchange {
    const stream = (this.#session?.session ?? this.#connect2()).request(
      { ':path': path, ':method': method, ...headers },
      { endStream: body === undefined && !more },
    );
    const answer = (async (): Promise<Answer> => {
      const [got] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
      return { status: Number(got[':status']), headers: got, body: await textOf(stream) };
    })();
    stream.on('error', () => undefined);
    return {
      answer,
      sent: body === undefined && !more ? Promise.resolve() : sendBody(stream, body, more),
      end: (rest) => void stream.end(rest),
      leave: () => stream.close(http2.constants.NGHTTP2_CANCEL),
    };
  }

  #connect2(): ClientHttp2Session {
    const { socket, transport } = this.#connect(['h2']);
    const session = http2.connect('http://localhost', { createConnection: () => socket });
    session.on('error', () => undefined);
    this.#session = { session: this.#keep(session), transport };
    return session;
  }

  #connect(ALPNProtocols?: string[]): Connection {
    const transport = this.#keep(net.connect(this.#site.address));
    const secure = secureOptions(this.#site.kind);
    if (!secure) return { socket: transport, transport };
    const options = { socket: transport, ...secure, ...(ALPNProtocols && { ALPNProtocols }) };
    return { socket: this.#keep(tls.connect(options)), transport };
  }

  #keep<T extends { destroy(): unknown }>(open: T): T {
    this.#open.add(open);
    if (open instanceof net.Socket) open.on('error', () => undefined);
    return open;
  }
}

function secureOptions({ tls: own }: ServerKind): tls.ConnectionOptions | undefined {
  return own && { ca: own.cert, servername: 'localhost' };
}

function sendBody(to: Writable, body: Buffer | string = '', more = false): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null): void => (error ? reject(error) : resolve());
    if (more) to.write(body, done);
    else to.end(body, done);
  });
}

async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
