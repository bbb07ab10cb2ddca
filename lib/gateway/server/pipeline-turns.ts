/**
 * Limits how many pipelined requests of one client connection are served at a time. The next one is served when a
 * response has ended, unless this response has `Connection: close`. Node emits every request as soon as its headers
 * have arrived. Thousands fit into a single read, and each would open a connection to the backend.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { onDisconnect } from '../../http/disconnect.ts';
import { endPipeline, isHolding } from '../../http/pipelined-holds.ts';

/** Besides the request that is answered next. */
const MAX_AT_ONCE = 16;

/** Beyond this, the connection is not read. Up to this, its end is noticed at once. */
const MAX_WAITING = 1000;

type Serve = (req: IncomingMessage, res: ServerResponse) => void;

type PendingExchange = readonly [IncomingMessage, ServerResponse];

export class PipelineTurns {
  readonly #serve: Serve;
  readonly #connections = new WeakMap<Socket, PipelinedConnection>();

  constructor(serve: Serve) {
    this.#serve = serve;
  }

  /** For a pipelined request, whose response has no socket yet. */
  add(req: IncomingMessage, res: ServerResponse): void {
    this.#of(req.socket).add([req, res]);
  }

  #of(socket: Socket): PipelinedConnection {
    const known = this.#connections.get(socket);
    if (known) return known;
    const connection = new PipelinedConnection(socket, this.#serve);
    this.#connections.set(socket, connection);
    return connection;
  }
}

class PipelinedConnection {
  readonly #socket: Socket;
  readonly #serve: Serve;
  #inFlight = 0;
  #waiting: PendingExchange[] = [];
  #latest: PendingExchange | undefined;

  constructor(socket: Socket, serve: Serve) {
    this.#socket = socket;
    this.#serve = serve;
    // Node resumes the socket by itself, for example when a response was sent.
    socket.on('resume', () => this.#limitReading());
    socket.once('close', () => (this.#waiting = []));
  }

  add(exchange: PendingExchange): void {
    this.#waiting.push(exchange);
    this.#startNext();
    this.#limitReading();
  }

  #startNext(): void {
    while (this.#inFlight < MAX_AT_ONCE && !isClosing(this.#socket)) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.#start(next);
    }
  }

  #start(exchange: PendingExchange): void {
    const [req, res] = exchange;
    this.#inFlight++;
    this.#latest = exchange;
    let isInFlight = true;
    onDisconnect(req, res, () => {
      if (!isInFlight) return;
      isInFlight = false;
      this.#inFlight--;
      this.#startNext();
      if (this.#waiting.length <= MAX_WAITING && this.#socket.isPaused()) this.#socket.resume();
    });
    this.#serve(req, res);
  }

  #limitReading(): void {
    if (this.#waiting.length <= MAX_WAITING) return;
    if (isHolding(this.#socket)) this.#discardWaiting();
    else this.#socket.pause();
  }

  /**
   * While a request is held, possibly for long, the connection must be read: otherwise a disconnect of the
   * client would not be noticed.
   */
  #discardWaiting(): void {
    this.#waiting = [];
    if (this.#latest) endPipeline(...this.#latest);
  }
}

/**
 * Whether the present response is the last one on the connection. Then later requests must not be processed
 * (RFC 9112, 9.6), because the client may send them again on another connection.
 */
function isClosing(socket: Socket): boolean {
  // Node's own fields, in Node 20 to 26: the response that is being sent, and whether it has `Connection: close`.
  const { _httpMessage: res } = socket as { _httpMessage?: { _last?: boolean } | null };
  return socket.destroyed || socket.writableEnded || res?._last === true;
}
