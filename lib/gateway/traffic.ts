/**
 * What goes on at one server: its connections, the responses under way, the upgraded sockets; and how
 * to end it all without cutting anybody off who is nearly done. Knows no route.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { systemClock } from '../clock.ts';
import { onDeparture } from '../departure.ts';
import { isLingering, lingerOnClose } from '../lingering-close.ts';
import { answerUnreadable } from './unreadable-request.ts';

export class Traffic {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #upgraded = new Set<Socket>();
  readonly #responses = new Map<ServerResponse, Socket>();
  /** What is closed as soon as all has been written: each further time would listen for that again. */
  readonly #closing = new WeakSet<Socket>();
  #draining = false;
  #ending = false;
  #wake: (() => void) | undefined;

  constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      if (this.#sockets.has(socket)) return;
      this.#sockets.add(socket);
      lingerOnClose(socket);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        if (this.#draining) this.#wakeIfDrained();
      });
    });
    server.on('clientError', answerUnreadable);
    // `close()` calls it. Node's own also closes connections whose answer has been written in full,
    // but is still on its way to a slow client.
    server.closeIdleConnections = () => this.#closeIdle();
  }

  /** Nothing new is accepted; what is under way may finish. */
  get isDraining(): boolean {
    return this.#draining;
  }

  /** What was still under way is being cut off. */
  get isEnding(): boolean {
    return this.#ending;
  }

  /** `ended` is called once, when the response is over in whatever way. */
  track(req: IncomingMessage, res: ServerResponse, ended: () => void): void {
    this.#responses.set(res, req.socket);
    if (this.#draining) res.shouldKeepAlive = false;
    onDeparture(req, res, () => {
      if (!this.#responses.delete(res)) return;
      ended();
      if (this.#draining) this.#afterDeparture();
    });
  }

  trackUpgraded(socket: Socket): void {
    this.#upgraded.add(socket);
    socket.once('close', () => this.#upgraded.delete(socket));
  }

  /**
   * Accepts nothing more; resolves when no response is under way and no connection lingers after
   * one, or the time is up. Upgraded sockets stay: nothing says when they would be done.
   */
  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    for (const res of this.#responses.keys()) res.shouldKeepAlive = false;
    // Closes idle connections too.
    this.#server.close();
    if (this.#isDrained()) return;
    await new Promise<void>((resolve) => {
      const timer = systemClock.after(timeoutMs, resolve, { ref: true });
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** Destroys whatever is left; resolves when it is gone. */
  async end(): Promise<void> {
    this.#ending = true;
    const closed = [...this.#sockets].map((socket) => {
      return new Promise<void>((resolve) => socket.once('close', () => resolve()));
    });
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  #afterDeparture(): void {
    this.#closeIdle();
    this.#wakeIfDrained();
  }

  #wakeIfDrained(): void {
    if (this.#wake && this.#isDrained()) this.#wake();
  }

  #isDrained(): boolean {
    if (this.#responses.size > 0) return false;
    for (const socket of this.#sockets) if (isLingering(socket)) return false;
    return true;
  }

  #closeIdle(): void {
    const busy = new Set(this.#responses.values());
    for (const socket of this.#sockets) {
      if (busy.has(socket) || this.#upgraded.has(socket) || this.#closing.has(socket)) continue;
      this.#closing.add(socket);
      socket.destroySoon();
    }
  }
}
