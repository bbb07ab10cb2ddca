/**
 * Tracks the connections of one server, its responses in flight and its upgraded sockets, and ends them
 * at shutdown without cutting off a response that is nearly sent.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { LinkedMap } from '../../common/linked-map.ts';
import { systemClock } from '../../common/clock.ts';
import { onDisconnect } from '../../http/disconnect.ts';
import { ENDING_MS } from '../../http/end-socket.ts';
import type { GatedHttpRequest } from '../../http/gated-http-request.ts';
import { lingerOnClose } from '../../http/lingering-close.ts';
import { gatedUpgradeOf, type GatedUpgrade } from '../../http/upgrade/gated-upgrade.ts';
import { answerUnreadable } from './unreadable-request.ts';

export type DescribeRequest = (req: IncomingMessage, res: ServerResponse) => GatedHttpRequest;

export class ConnectionTracker {
  readonly #server: Server;
  readonly #describe: DescribeRequest;
  readonly #sockets = new Set<Socket>();
  readonly #upgraded = new Set<Socket>();
  readonly #responses = new LinkedMap<ServerResponse, Socket>();
  /** Sockets on which `destroySoon()` was called. Each further call would add a listener. */
  readonly #closing = new WeakSet<Socket>();
  #isDraining = false;
  #isEnding = false;
  /** Only the time that a connection needs to end in order is left. */
  #isLate = false;
  #isCheckScheduled = false;
  #finishDrain: (() => void) | undefined;

  /** @param describe says which requests are long-lived. Called only during a drain. */
  constructor(server: Server, describe: DescribeRequest) {
    this.#server = server;
    this.#describe = describe;
    server.on('connection', (socket: Socket) => {
      if (this.#sockets.has(socket)) return;
      this.#sockets.add(socket);
      lingerOnClose(socket);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        if (this.#sockets.size === 0) this.#finishDrain?.();
      });
    });
    server.on('clientError', answerUnreadable);
    // `server.close()` calls it. Node's own version also closes connections whose response was written in
    // full, but is still being sent to a slow client.
    server.closeIdleConnections = () => this.#closeIdle();
  }

  /** Nothing new is accepted, and requests in flight may finish. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** The remaining connections are being destroyed. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** @param onEnd called once, when the response has ended or its client has disconnected. */
  track(req: IncomingMessage, res: ServerResponse, onEnd: () => void): void {
    this.#responses.set(res, req.socket);
    if (this.#isDraining) {
      this.#expectEnd(res);
      this.#scheduleCheck();
    }
    onDisconnect(req, res, () => {
      if (!this.#responses.delete(res)) return;
      onEnd();
      if (this.#isDraining) this.#onResponseEnd();
    });
  }

  trackUpgraded(socket: Socket): void {
    this.#upgraded.add(socket);
    socket.once('close', () => {
      this.#upgraded.delete(socket);
      if (this.#isDraining) this.#scheduleCheck();
    });
  }

  /**
   * Stops accepting connections. Resolves when all connections are closed, or after `timeoutMs`. Long-lived
   * responses and upgraded connections don't end by themselves. They are ended when nothing else is in
   * flight, at the latest {@link ENDING_MS} before the end of that time.
   */
  async drain(timeoutMs: number): Promise<void> {
    this.#isDraining = true;
    for (const [res] of this.#responses) this.#expectEnd(res);
    for (const socket of this.#upgraded)
      gatedUpgradeOf(socket)?.onResponseStart(() => this.#scheduleCheck());
    // Closes idle connections too.
    this.#server.close();
    if (this.#sockets.size === 0) return;
    this.#scheduleCheck();
    await new Promise<void>((resolve) => {
      const timeout = systemClock.after(timeoutMs, () => this.#finishDrain?.(), { ref: true });
      const late = systemClock.after(timeoutMs - ENDING_MS, () => {
        this.#isLate = true;
        this.#endLongLived();
      });
      this.#finishDrain = () => {
        timeout.cancel();
        late.cancel();
        resolve();
      };
    });
  }

  /** Destroys the remaining connections. Resolves when they are closed. */
  async end(): Promise<void> {
    this.#isEnding = true;
    const closed = [...this.#sockets].map((socket) => {
      return new Promise<void>((resolve) => socket.once('close', () => resolve()));
    });
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  #expectEnd(res: ServerResponse): void {
    res.shouldKeepAlive = false;
    // Only the beginning of the response shows whether it is an event stream.
    this.#describe(res.req, res).onResponseStart(() => this.#scheduleCheck());
  }

  #onResponseEnd(): void {
    this.#closeIdle();
    this.#scheduleCheck();
  }

  /** Runs one check for all changes in one turn of the event loop. */
  #scheduleCheck(): void {
    if (this.#isCheckScheduled) return;
    this.#isCheckScheduled = true;
    systemClock.after(0, () => {
      this.#isCheckScheduled = false;
      if (this.#isLate || this.#hasOnlyLongLived()) this.#endLongLived();
    });
  }

  #hasOnlyLongLived(): boolean {
    for (const request of this.#requests()) if (!request?.isLongLived()) return false;
    return true;
  }

  #endLongLived(): void {
    for (const request of this.#requests()) if (request?.isLongLived()) request.end();
  }

  /** Undefined for an upgraded socket that is being rejected. */
  *#requests(): Iterable<GatedHttpRequest | GatedUpgrade | undefined> {
    for (const [res] of this.#responses) yield this.#describe(res.req, res);
    for (const socket of this.#upgraded) yield gatedUpgradeOf(socket);
  }

  #closeIdle(): void {
    const busy = new Set<Socket>();
    for (const [, socket] of this.#responses) busy.add(socket);
    for (const socket of this.#sockets) {
      if (busy.has(socket) || this.#upgraded.has(socket) || this.#closing.has(socket)) continue;
      this.#closing.add(socket);
      socket.destroySoon();
    }
  }
}
