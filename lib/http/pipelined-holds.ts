/**
 * Limits how many held requests one HTTP/1 connection has. A client may send requests without waiting
 * for responses (pipelining, RFC 9112, 9.3.2). A few hundred KB are thousands of requests, which would
 * fill the queue. Node would also stop reading the connection once enough responses wait behind the held
 * one, and an unread connection does not report that its client has disconnected.
 *
 * So at the limit the connection accepts no more requests. The response to the last one has
 * `Connection: close`, and later data of the client is read and discarded. The client sends those
 * requests again, on another connection (RFC 9112, 9.3.1).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { lingerAlways } from './lingering-close.ts';

const MAX_QUEUE = 16;

type OnIncoming = (req: IncomingMessage, keepAlive: boolean) => number;

/** Internal fields of Node's HTTP server without a public counterpart, in Node 20 to 26. */
interface HttpSocket extends Socket {
  parser?: {
    /** Called with each request whose headers have arrived. */
    onIncoming?: OnIncoming | null;
    incoming?: IncomingMessage | null;
    resume(): void;
  } | null;
  /** Whether Node has stopped reading because too much response data waits. */
  _paused?: boolean;
}

// Module-wide although instances share nothing: each entry belongs to one connection, and the limit must
// count the requests of all instances that hold on it.
const connections = new WeakMap<Socket, HeldConnection>();

/** Whether another request on the same connection must not be held. */
export function isConnectionFull({ socket }: IncomingMessage): boolean {
  return connections.get(socket)?.isFull ?? false;
}

/** Counts a held request; {@link endHold} must follow. HTTP/2 limits its streams by itself. */
export function beginHold(req: IncomingMessage, res: ServerResponse): void {
  if (req.httpVersionMajor > 1) return;
  const known = connections.get(req.socket);
  const connection = known ?? new HeldConnection(req.socket);
  if (!known) connections.set(req.socket, connection);
  connection.add(req, res);
}

export function endHold({ socket }: IncomingMessage): void {
  connections.get(socket)?.remove();
}

/** Whether a request of this connection is held. */
export function isHolding(socket: Socket): boolean {
  return connections.get(socket)?.isHolding ?? false;
}

/** Closes a connection with held requests after this response, and accepts no more requests on it. */
export function endPipeline(req: IncomingMessage, res: ServerResponse): void {
  connections.get(req.socket)?.endWith(req, res);
}

class HeldConnection {
  readonly #socket: HttpSocket;
  #held = 0;
  /** `next`: the connection accepts one more request. */
  #lastRequest: 'none' | 'next' | 'taken' = 'none';
  /** Node's own function, while {@link #takeRequest} replaces it. */
  #original: OnIncoming | undefined;
  readonly #takeRequest: OnIncoming = (req, keepAlive) => this.#take(req, keepAlive);

  constructor(socket: HttpSocket) {
    this.#socket = socket;
  }

  get isHolding(): boolean {
    return this.#held > 0;
  }

  get isFull(): boolean {
    return this.#held >= MAX_QUEUE;
  }

  add(req: IncomingMessage, res: ServerResponse): void {
    this.#held++;
    this.#watch();
    if (this.#socket._paused) this.#keepReading();
    else if (this.#socket.isPaused()) this.#socket.resume();
    if (!this.isFull || this.#lastRequest === 'taken') return;
    if (this.#socket.parser?.incoming === req) this.endWith(req, res);
    // The request was held late, and other requests have been accepted since.
    else this.#lastRequest = 'next';
  }

  remove(): void {
    if (--this.#held > 0 || this.#lastRequest === 'taken') return;
    this.#lastRequest = 'none';
    const { parser } = this.#socket;
    if (this.#original && parser?.onIncoming === this.#takeRequest) {
      parser.onIncoming = this.#original;
    }
    this.#original = undefined;
  }

  endWith(req: IncomingMessage, res: ServerResponse): void {
    this.#noteLast(req);
    res.shouldKeepAlive = false;
    // Even if the handler sets `keep-alive`, as a proxy does that copies the headers of its backend.
    res.once('finish', () => this.#socket.destroySoon());
  }

  #watch(): void {
    const { parser } = this.#socket;
    if (this.#original || !parser?.onIncoming) return;
    this.#original = parser.onIncoming;
    parser.onIncoming = this.#takeRequest;
  }

  #take(req: IncomingMessage, keepAlive: boolean): number {
    if (this.#lastRequest === 'taken' || !this.#original) return discard(req);
    const isLast = this.#lastRequest === 'next';
    if (isLast) this.#noteLast(req);
    const result = this.#original(req, keepAlive && !isLast);
    if (this.#socket._paused) this.#keepReading();
    return result;
  }

  /** The waiting responses belong to few requests: the connection accepts one more. */
  #keepReading(): void {
    if (this.#lastRequest === 'none') this.#lastRequest = 'next';
    this.#socket._paused = false;
    this.#socket.parser?.resume();
    this.#socket.resume();
  }

  #noteLast(req: IncomingMessage): void {
    this.#lastRequest = 'taken';
    // Proxies copy this into the response.
    req.headers.connection = 'close';
    lingerAlways(this.#socket);
  }
}

/** The return value of `onIncoming` for an upgrade: the parser ends the message and stops parsing. */
const STOP_PARSING = 2;

/** For the first request after the last one: no handler gets it, or any later request. */
function discard(req: IncomingMessage): number {
  (req as { upgrade?: boolean }).upgrade = false;
  const { socket } = req;
  // The connection is still read, to notice when the client disconnects. A new 'data' listener detaches
  // Node's parser from the connection. From then on the parser gets data only through its own listener.
  socket.removeAllListeners('data').on('data', ignore);
  // Node may have paused the connection for its parser, and resumes it only for the parser.
  socket._read(0);
  return STOP_PARSING;
}

function ignore(): void {}
