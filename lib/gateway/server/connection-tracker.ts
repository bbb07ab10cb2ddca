/**
 * Tracks the connections of one server, its responses in flight and its upgraded sockets, and ends them
 * at shutdown without cutting off a response that is nearly sent.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { LinkedList, ListEntry } from '../../common/linked-list.ts';
import { systemClock } from '../../common/clock.ts';
import { onDisconnect } from '../../http/disconnect.ts';
import { ENDING_MS } from '../../http/end-socket.ts';
import type { GatedHttpRequest } from '../../http/gated-http-request.ts';
import { lingerOnClose } from '../../http/lingering-close.ts';
import { gatedUpgradeOf, type GatedUpgrade } from '../../http/upgrade/gated-upgrade.ts';
import { answerUnreadable } from './unreadable-request.ts';

/**
 * After this time, a retired server closes idle connections. A busy client sends its next request earlier,
 * and learns from the response that the connection is closed. Otherwise the request and the end of the
 * connection could cross, and the request would be reset.
 */
const IDLE_MS = 1000;

/** After this time, a retired server closes a connection whose first request has not begun to arrive. */
const FIRST_REQUEST_WITHIN_MS = 5000;

export type DescribeRequest = (req: IncomingMessage, res: ServerResponse) => GatedHttpRequest;

/** A response in flight, with its socket: once the response has ended, `res.socket` is null. */
class TrackedResponse extends ListEntry {
  readonly res: ServerResponse;
  readonly socket: Socket;

  constructor(res: ServerResponse, socket: Socket) {
    super();
    this.res = res;
    this.socket = socket;
  }
}

export class ConnectionTracker {
  readonly #server: Server;
  readonly #describe: DescribeRequest;
  readonly #sockets = new Set<Socket>();
  readonly #upgraded = new Set<Socket>();
  readonly #responses = new LinkedList<TrackedResponse>();
  /** Sockets on which `destroySoon()` was called. Each further call would add a listener. */
  readonly #closing = new WeakSet<Socket>();
  /** Responses of which only the retirement closes the connection. */
  readonly #lastOnes = new WeakSet<ServerResponse>();
  /** For each connection that has had a request: its `bytesRead` when the last response ended. */
  readonly #readBefore = new WeakMap<Socket, number>();
  #isRetired = false;
  /** Idle connections are kept for a while. */
  #keepsIdle = false;
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

  /**
   * @param onEnd called once, when the response has ended or its client has disconnected, with the bytes of the
   *   request on the wire.
   */
  track(req: IncomingMessage, res: ServerResponse, onEnd: (bytesIn: number) => void): void {
    if (this.#isRetired) this.#expectEnd(res, this.#isFirst(req, res));
    const response = new TrackedResponse(res, req.socket);
    this.#responses.add(response);
    if (this.#isDraining) this.#scheduleCheck();
    onDisconnect(req, res, () => {
      if (!this.#responses.remove(response)) return;
      const bytesIn = this.bytesIn(req.socket);
      this.#readBefore.set(req.socket, req.socket.bytesRead);
      onEnd(bytesIn);
      if (this.#isRetired) this.#onResponseEnd();
    });
  }

  /** Returns the bytes that were read from a connection since its last response ended. */
  bytesIn(socket: Socket): number {
    return socket.bytesRead - (this.#readBefore.get(socket) ?? 0);
  }

  trackUpgraded(socket: Socket): void {
    this.#upgraded.add(socket);
    socket.once('close', () => {
      this.#upgraded.delete(socket);
      if (this.#isDraining) this.#scheduleCheck();
    });
  }

  /**
   * Stops accepting connections, closes each one after its response, and idle ones after {@link IDLE_MS}. A new
   * connection gets {@link FIRST_REQUEST_WITHIN_MS}.
   */
  retire(): void {
    if (this.#isRetired) return;
    this.#isRetired = true;
    this.#keepsIdle = true;
    const counts = new Map<Socket, number>();
    for (const { socket } of this.#responses) counts.set(socket, (counts.get(socket) ?? 0) + 1);
    for (const { res, socket } of this.#responses) this.#expectEnd(res, counts.get(socket) === 1);
    this.#server.close();
    systemClock.after(IDLE_MS, () => {
      this.#keepsIdle = false;
      this.#closeIdle();
    });
    systemClock.after(FIRST_REQUEST_WITHIN_MS, () => {
      this.#closeIdle(({ bytesRead }) => bytesRead === 0);
    });
  }

  /** Whether only long-lived requests are left, and no connection on which a request may be arriving. */
  get isSettled(): boolean {
    return this.#quietSockets().length === 0 && this.#hasOnlyLongLived();
  }

  /**
   * Stops accepting connections. Resolves when all connections are closed, or after `timeoutMs`. Long-lived
   * responses and upgraded connections don't end by themselves. They are ended when nothing else is in
   * flight, at the latest {@link ENDING_MS} before the end of that time.
   */
  async drain(timeoutMs: number): Promise<void> {
    this.#isDraining = true;
    this.retire();
    this.#closeIdle();
    for (const socket of this.#upgraded)
      gatedUpgradeOf(socket)?.onResponseStart(() => this.#scheduleCheck());
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

  /**
   * Whether no earlier response of the connection is open. If one is, it must not close the connection: this
   * request is pipelined behind it, and the backend may process it.
   */
  #isFirst({ socket }: IncomingMessage, res: ServerResponse): boolean {
    if (res.socket) return true;
    for (const { res: earlier, socket: other } of this.#responses) {
      if (other !== socket || earlier.headersSent) continue;
      if (this.#lastOnes.delete(earlier)) earlier.shouldKeepAlive = true;
    }
    return false;
  }

  /** @param isLast false for pipelined requests, whose connection is closed when all responses have ended. */
  #expectEnd(res: ServerResponse, isLast: boolean): void {
    if (isLast && res.shouldKeepAlive) {
      res.shouldKeepAlive = false;
      this.#lastOnes.add(res);
    }
    // Only the beginning of the response shows whether it is an event stream.
    this.#describe(res.req, res).onResponseStart(() => this.#isDraining && this.#scheduleCheck());
  }

  #onResponseEnd(): void {
    this.#closeIdle();
    if (this.#isDraining) this.#scheduleCheck();
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
    for (const { res } of this.#responses) yield this.#describe(res.req, res);
    for (const socket of this.#upgraded) yield gatedUpgradeOf(socket);
  }

  #closeIdle(isIdle = (socket: Socket) => this.#isDraining || this.#isIdle(socket)): void {
    for (const socket of this.#quietSockets().filter(isIdle)) {
      this.#closing.add(socket);
      socket.destroySoon();
    }
  }

  /** The connections without a request in flight. */
  #quietSockets(): Socket[] {
    const busy = new Set<Socket>();
    for (const { socket } of this.#responses) busy.add(socket);
    return [...this.#sockets].filter(
      (one) => !busy.has(one) && !this.#upgraded.has(one) && !this.#closing.has(one),
    );
  }

  /** False before the first request of a connection, and from the first byte of the next one. */
  #isIdle(socket: Socket): boolean {
    return !this.#keepsIdle && this.#readBefore.get(socket) === socket.bytesRead;
  }
}
