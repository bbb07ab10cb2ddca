/**
 * Pipelined requests of one client connection take turns: a few are passed on at a time, the next one
 * when a response has ended. Node hands over every request as soon as its headers have arrived, and
 * thousands fit into a single read. Each would open a connection to the backend.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { onDisconnect } from '../../http/disconnect.ts';
import { endPipeline, isHolding } from '../../http/pipelined-holds.ts';

/** Behind the request that is answered next. */
const MAX_AT_ONCE = 16;

/** With more requests waiting the connection is not read. Until then its end is noticed at once. */
const MAX_WAITING = 1000;

type Serve = (req: IncomingMessage, res: ServerResponse) => void;

const connections = new WeakMap<Socket, Turns>();

/** For a pipelined request, whose response has no socket yet: calls `serve` when it is its turn. */
export function serveInTurn(req: IncomingMessage, res: ServerResponse, serve: Serve): void {
  const known = connections.get(req.socket);
  const turns = known ?? new Turns(req.socket, serve);
  if (!known) connections.set(req.socket, turns);
  turns.add([req, res]);
}

type Exchange = readonly [IncomingMessage, ServerResponse];

class Turns {
  readonly #socket: Socket;
  readonly #serve: Serve;
  #underWay = 0;
  #waiting: Exchange[] = [];
  #latest: Exchange | undefined;

  constructor(socket: Socket, serve: Serve) {
    this.#socket = socket;
    this.#serve = serve;
    // Node starts the socket again for reasons of its own, such as a response that was sent.
    socket.on('resume', () => this.#limitReading());
    socket.once('close', () => (this.#waiting = []));
  }

  add(exchange: Exchange): void {
    this.#waiting.push(exchange);
    this.#startNext();
    this.#limitReading();
  }

  #startNext(): void {
    while (this.#underWay < MAX_AT_ONCE && !this.#socket.destroyed) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.#start(next);
    }
  }

  #start(exchange: Exchange): void {
    const [req, res] = exchange;
    this.#underWay++;
    this.#latest = exchange;
    let isUnderWay = true;
    onDisconnect(req, res, () => {
      if (!isUnderWay) return;
      isUnderWay = false;
      this.#underWay--;
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

  /** A held request may wait for long, and the connection must be read to notice that its client left. */
  #discardWaiting(): void {
    this.#waiting = [];
    if (this.#latest) endPipeline(...this.#latest);
  }
}
