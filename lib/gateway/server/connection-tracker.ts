/**
 * What goes on at one server: its connections, the responses under way, the upgraded sockets; and how
 * to end it all without cutting anybody off who is nearly done. Knows no route.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { systemClock } from '../../common/clock.ts';
import { onDisconnect } from '../../http/disconnect.ts';
import { ENDING_MS } from '../../http/end-socket.ts';
import type { GatedHttpRequest } from '../../http/gated-http-request.ts';
import { lingerOnClose } from '../../http/lingering-close.ts';
import { passageOf, type GatedUpgrade } from '../../http/upgrade/gated-upgrade.ts';
import { answerUnreadable } from './unreadable-request.ts';

export type DescribeRequest = (req: IncomingMessage, res: ServerResponse) => GatedHttpRequest;

export class ConnectionTracker {
  readonly #server: Server;
  readonly #describe: DescribeRequest;
  readonly #sockets = new Set<Socket>();
  readonly #upgraded = new Set<Socket>();
  readonly #responses = new Map<ServerResponse, Socket>();
  /** What is closed as soon as all has been written: each further time would listen for that again. */
  readonly #closing = new WeakSet<Socket>();
  #draining = false;
  #ending = false;
  /** There is just enough time left for a connection to be ended in order. */
  #isLate = false;
  #isLookingSoon = false;
  #wake: (() => void) | undefined;

  /** @param describe tells which requests are long-lived. Called only while draining. */
  constructor(server: Server, describe: DescribeRequest) {
    this.#server = server;
    this.#describe = describe;
    server.on('connection', (socket: Socket) => {
      if (this.#sockets.has(socket)) return;
      this.#sockets.add(socket);
      lingerOnClose(socket);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        if (this.#sockets.size === 0) this.#wake?.();
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
    if (this.#draining) {
      this.#expectEnd(res);
      this.#lookSoon();
    }
    onDisconnect(req, res, () => {
      if (!this.#responses.delete(res)) return;
      ended();
      if (this.#draining) this.#afterDeparture();
    });
  }

  trackUpgraded(socket: Socket): void {
    this.#upgraded.add(socket);
    socket.once('close', () => {
      this.#upgraded.delete(socket);
      if (this.#draining) this.#lookSoon();
    });
  }

  /**
   * Accepts nothing more; resolves when all connections are closed, or the time is up. Long-lived
   * responses and upgraded connections don't end by themselves. They are ended when nothing else is in
   * flight, at the latest {@link ENDING_MS} before the time is up.
   */
  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    for (const res of this.#responses.keys()) this.#expectEnd(res);
    for (const socket of this.#upgraded) passageOf(socket)?.onResponseStart(() => this.#lookSoon());
    // Closes idle connections too.
    this.#server.close();
    if (this.#sockets.size === 0) return;
    this.#lookSoon();
    await new Promise<void>((resolve) => {
      const cut = systemClock.after(timeoutMs, () => this.#wake?.(), { ref: true });
      const last = systemClock.after(timeoutMs - ENDING_MS, () => {
        this.#isLate = true;
        this.#endLongLived();
      });
      this.#wake = () => {
        cut.cancel();
        last.cancel();
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

  #expectEnd(res: ServerResponse): void {
    res.shouldKeepAlive = false;
    // When the response begins, it may turn out to be an event stream.
    this.#describe(res.req, res).onResponseStart(() => this.#lookSoon());
  }

  #afterDeparture(): void {
    this.#closeIdle();
    this.#lookSoon();
  }

  /** Once for all that changes at about the same time. */
  #lookSoon(): void {
    if (this.#isLookingSoon) return;
    this.#isLookingSoon = true;
    systemClock.after(0, () => {
      this.#isLookingSoon = false;
      if (this.#isLate || this.#hasOnlyLongLived()) this.#endLongLived();
    });
  }

  #hasOnlyLongLived(): boolean {
    for (const passage of this.#passages()) if (!passage?.isLongLived()) return false;
    return true;
  }

  #endLongLived(): void {
    for (const passage of this.#passages()) if (passage?.isLongLived()) passage.end();
  }

  /** Undefined for an upgraded socket that is being refused. */
  *#passages(): Iterable<GatedHttpRequest | GatedUpgrade | undefined> {
    for (const res of this.#responses.keys()) yield this.#describe(res.req, res);
    for (const socket of this.#upgraded) yield passageOf(socket);
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
