/**
 * An upgrade as a gate sees it: an ordinary request until the handshake has its response, then long-lived.
 * Ends a WebSocket by the close frame that makes its client reconnect.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { systemClock } from '../../common/clock.ts';
import { ENDING_MS, endSocket, limitEnd, type EndLimit } from '../end-socket.ts';
import { engineIoSession, PROBE_BYTES } from './engine-io.ts';
import type { RequestLine } from '../../common/request.ts';
import type { AntractRequest } from '../../options/options.ts';
import { GatedRequest } from '../../gate/gated-request.ts';
import { closeAfterRefusal } from './handshake-socket.ts';
import { FrameTracker, SERVICE_RESTART_FRAME, parseStatus } from './web-socket-frames.ts';

type Write = (chunk: unknown, ...rest: unknown[]) => boolean;
type Done = () => void;

export interface GatedUpgradeOptions {
  /** Whether the connection may have to be ended. Only then its frames are followed once it is open. */
  readonly mayBeEnded: boolean;
}

// Module-wide although instances share nothing: each entry belongs to one socket, and a socket is
// upgraded once.
const upgrades = new WeakMap<Duplex, GatedUpgrade>();

/** Undefined if no upgrade was held or passed on this socket. */
export function gatedUpgradeOf(socket: Duplex): GatedUpgrade | undefined {
  return upgrades.get(socket);
}

export class GatedUpgrade extends GatedRequest {
  readonly request: AntractRequest;
  readonly socket: Duplex;
  readonly #mayBeEnded: boolean;
  /** The socket's own `write`, and the one in its place, which sees everything that the handler sends. */
  #write: Write | undefined;
  #watchedWrite: Write | undefined;
  /** Undefined for protocols other than WebSocket. */
  #frames: FrameTracker | undefined;
  #hasResponse = false;
  #isOpen = false;
  #status = 0;
  #onResponse: (() => void) | undefined;
  #isEnding = false;
  /** The session of an engine.io client. */
  #session: string | undefined;
  /** Bytes that the client has sent since the handshake, without control frames. */
  #received = 0;
  #onReceived: (() => void) | undefined;
  #limit: EndLimit | undefined;

  constructor(req: AntractRequest, socket: Duplex, { mayBeEnded }: GatedUpgradeOptions) {
    super();
    this.request = req;
    this.socket = socket;
    this.#mayBeEnded = mayBeEnded;
    upgrades.set(socket, this);
  }

  /** Before its response, and if it is rejected, a handshake is an ordinary request. */
  isLongLived(): boolean {
    return this.#isOpen;
  }

  /** The status of the response to the handshake. 0 if it is not known. */
  override get status(): number {
    return this.#status;
  }

  override onResponseStart(callback: () => void): void {
    if (this.#hasResponse) return;
    const before = this.#onResponse;
    this.#onResponse = () => {
      before?.();
      callback();
    };
  }

  /** Gives the socket to the handler, and follows what the handler writes. */
  handTo(handler: (req: AntractRequest, socket: Socket, head: Buffer) => void, head: Buffer): void {
    const { socket } = this;
    this.#write = socket.write as Write;
    this.#watchedWrite = (chunk, ...rest) => this.#follow(chunk, rest);
    if (isWebSocket(this.request)) {
      this.#frames = new FrameTracker();
      const session = engineIoSession(this.request);
      // Once, even if the handshake is requeued.
      if (session !== undefined && this.#session === undefined) this.#countReceived();
      this.#session = session;
    }
    socket.write = this.#watchedWrite as Duplex['write'];
    try {
      handler(this.request, socket as Socket, head);
    } catch (error) {
      // Otherwise the client would wait for a response, and a drain for the client.
      socket.destroy();
      throw error;
    }
  }

  /** The handler has written nothing and returns the socket: restores its own `write`. */
  takeBack(): void {
    if (this.socket.write === this.#watchedWrite)
      this.socket.write = this.#write as Duplex['write'];
    this.#frames = undefined;
    this.#onResponse = undefined;
  }

  /** A client that lost its WebSocket before it moved there would not repeat the poll of its session. */
  override dependentRequests(): ((request: RequestLine) => boolean) | undefined {
    const session = this.#unfinishedSession();
    if (session === undefined) return undefined;
    return (request) => request.method === 'GET' && engineIoSession(request) === session;
  }

  /** The session of an engine.io client that has not moved to this WebSocket yet. */
  #unfinishedSession(): string | undefined {
    return this.#received <= PROBE_BYTES ? this.#session : undefined;
  }

  end(): void {
    if (this.#isEnding || this.#onReceived) return;
    if (this.#unfinishedSession() !== undefined && this.#isOpen) this.#endOnceFinished();
    else this.#endNow();
  }

  /** An engine.io client that is about to move to this WebSocket must finish before it is closed. */
  #endOnceFinished(): void {
    const end = (): void => {
      timer.cancel();
      if (!this.socket.destroyed) this.#endNow();
    };
    const timer = systemClock.after(ENDING_MS, end);
    this.#onReceived = () => {
      if (this.#unfinishedSession() === undefined) end();
    };
    this.socket.once('close', () => timer.cancel());
  }

  /** Node calls the stream's `push` with all data that arrives, before the handler reads it. */
  #countReceived(): void {
    const { socket } = this;
    const push = socket.push.bind(socket);
    socket.push = (chunk: Uint8Array | null, ...rest) => {
      const isRoomLeft = push(chunk, ...rest);
      if (chunk && !isControlFrame(chunk)) this.#received += chunk.length;
      if (this.#unfinishedSession() === undefined) {
        socket.push = push;
        this.#onReceived?.();
      }
      return isRoomLeft;
    };
  }

  #endNow(): void {
    this.#isEnding = true;
    if (!this.#frames) return endSocket(this.socket);
    this.#limit = limitEnd(this.socket);
    if (this.#frames.isBetweenFrames) this.#close();
  }

  #follow(chunk: unknown, rest: unknown[]): boolean {
    const frames = this.#frames;
    if (frames && this.#isEnding) return this.#finishFrame(frames, toBytes(chunk, rest), rest);
    frames?.takeAll(toBytes(chunk, rest));
    const hasRoom = this.#send(chunk, ...rest);
    if (this.#hasResponse) return hasRoom;
    if (!frames) this.#onResponseHead(parseStatus(toText(toBytes(chunk, rest))));
    else if (frames.isAnswered) this.#onResponseHead(frames.status);
    return hasRoom;
  }

  #onResponseHead(status: number): void {
    this.#hasResponse = true;
    this.#status = status;
    // Protocols other than WebSocket may begin without a status line.
    this.#isOpen = this.#frames?.isOpen ?? status < 200;
    if (status >= 200) closeAfterRefusal(this.socket);
    if (!this.#isOpen || !this.#mayBeEnded) this.#frames = undefined;
    // Unless other code has replaced `write` since.
    if (!this.#frames && this.socket.write === this.#watchedWrite) {
      this.socket.write = this.#write as Duplex['write'];
    }
    // Not within the handler's call to `write`: the callback may end this connection.
    if (this.#onResponse) queueMicrotask(this.#onResponse);
    this.#onResponse = undefined;
  }

  /** A close frame must not split another frame, and no frame may follow it. */
  #finishFrame(frames: FrameTracker, bytes: Uint8Array, rest: unknown[]): boolean {
    const done = rest.find((argument) => typeof argument === 'function') as Done | undefined;
    if (frames.isBetweenFrames) {
      if (done) queueMicrotask(() => done());
      return true;
    }
    const ofFrame = frames.take(bytes);
    const hasRoom = this.#send(bytes.subarray(0, ofFrame), ...(done ? [done] : []));
    if (frames.isBetweenFrames) this.#close();
    else this.#limit?.restart();
    return hasRoom;
  }

  /**
   * The client answers with a close frame. The handler sees it and ends the connection, as it does for any
   * client that closes. If the connection were ended here, a proxy's `pipe()` would stop reading from the
   * backend and leave that connection open.
   */
  #close(): void {
    this.#send(SERVICE_RESTART_FRAME);
  }

  #send(...what: unknown[]): boolean {
    return (this.#write as (...what: unknown[]) => boolean).apply(this.socket, what);
  }
}

/** Close, ping or pong (RFC 6455, 5.5). Clients send each of them in a chunk of its own. */
function isControlFrame(chunk: Uint8Array): boolean {
  return ((chunk[0] ?? 0) & 0x08) !== 0;
}

function isWebSocket(req: AntractRequest): boolean {
  return req.headers.upgrade?.toLowerCase() === 'websocket';
}

const LONGEST_STATUS_LINE = 16;

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, LONGEST_STATUS_LINE)).toString('latin1');
}

function toBytes(chunk: unknown, [encoding]: unknown[]): Uint8Array {
  if (typeof chunk === 'string') {
    return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
  }
  if (chunk instanceof Uint8Array) return chunk;
  if (ArrayBuffer.isView(chunk)) {
    return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
  // Invalid: the socket throws for it.
  return new Uint8Array();
}
