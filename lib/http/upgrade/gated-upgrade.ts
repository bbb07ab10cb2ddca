/**
 * An upgraded connection as a gate sees it: an ordinary request until its handshake is answered, then
 * long-lived, and ended by the close frame that tells a WebSocket client to come back. Knows no gate.
 */
import type { Duplex } from 'node:stream';
import { systemClock } from '../../common/clock.ts';
import { ENDING_MS, endSocket, limitEnd, type EndLimit } from '../end-socket.ts';
import { engineIoSession, PROBE_BYTES } from '../../common/engine-io.ts';
import type { AntractRequest } from '../../options/options.ts';
import type { GatedRequest } from '../../gate/gated-request.ts';
import { closeAfterRefusal } from './handshake-socket.ts';
import { FrameTracker, SERVICE_RESTART_FRAME, statusOf } from './web-socket-frames.ts';

type Write = (chunk: unknown, ...rest: unknown[]) => boolean;
type Done = () => void;

export interface UpgradePassageOptions {
  /** Whether it may have to be ended: only then are its frames followed once it is open. */
  readonly endable: boolean;
}

const passages = new WeakMap<Duplex, GatedUpgrade>();

/** Of a socket that a pause holds or has passed on. */
export function passageOf(socket: Duplex): GatedUpgrade | undefined {
  return passages.get(socket);
}

export class GatedUpgrade implements GatedRequest {
  readonly request: AntractRequest;
  readonly socket: Duplex;
  readonly #endable: boolean;
  /** The socket's own `write`, and ours in its place: everything that the handler sends comes by. */
  #write: Write | undefined;
  #tap: Write | undefined;
  /** Only of a WebSocket. */
  #frames: FrameTracker | undefined;
  #isAnswered = false;
  #isOpen = false;
  #status = 0;
  #onAnswer: (() => void) | undefined;
  #isEnding = false;
  /** Of an engine.io client. */
  #session: string | undefined;
  /** How much its client has sent since the handshake, control frames left out. */
  #received = 0;
  #onReceived: (() => void) | undefined;
  #limit: EndLimit | undefined;

  constructor(req: AntractRequest, socket: Duplex, { endable }: UpgradePassageOptions) {
    this.request = req;
    this.socket = socket;
    this.#endable = endable;
    passages.set(socket, this);
  }

  /** A handshake that waits for its answer is as ordinary as any request, and so is one refused. */
  isLongLived(): boolean {
    return this.#isOpen;
  }

  /** Of the answer to the handshake; 0 where it is not known. */
  get status(): number {
    return this.#status;
  }

  onResponseStart(callback: () => void): void {
    if (this.#isAnswered) return;
    const before = this.#onAnswer;
    this.#onAnswer = () => {
      before?.();
      callback();
    };
  }

  /** Lets the handler have the socket, and follows what it writes. */
  handTo(handler: (req: AntractRequest, socket: Duplex, head: Buffer) => void, head: Buffer): void {
    const { socket } = this;
    this.#write = socket.write as Write;
    this.#tap = (chunk, ...rest) => this.#follow(chunk, rest);
    if (isWebSocket(this.request)) {
      this.#frames = new FrameTracker();
      const session = engineIoSession(this.request);
      // Once, however often it is handed over.
      if (session !== undefined && this.#session === undefined) this.#countReceived();
      this.#session = session;
    }
    socket.write = this.#tap as Duplex['write'];
    try {
      handler(this.request, socket, head);
    } catch (error) {
      // Its client would wait for an answer, and a drain for its client.
      socket.destroy();
      throw error;
    }
  }

  /** The handler gives it back, having written nothing: what was laid around the socket comes off. */
  takeFrom(): void {
    if (this.socket.write === this.#tap) this.socket.write = this.#write as Duplex['write'];
    this.#frames = undefined;
    this.#onAnswer = undefined;
  }

  unfinishedSession(): string | undefined {
    return this.#received <= PROBE_BYTES ? this.#session : undefined;
  }

  end(): void {
    if (this.#isEnding || this.#onReceived) return;
    if (this.unfinishedSession() !== undefined && this.#isOpen) this.#endOnceFinished();
    else this.#endNow();
  }

  /** If the client is about to move to this WebSocket, it must have done so before it can be closed. */
  #endOnceFinished(): void {
    const end = (): void => {
      timer.cancel();
      if (!this.socket.destroyed) this.#endNow();
    };
    const timer = systemClock.after(ENDING_MS, end);
    this.#onReceived = () => {
      if (this.unfinishedSession() === undefined) end();
    };
    this.socket.once('close', () => timer.cancel());
  }

  /** The stream's own `push` is what Node calls with what has arrived, before its handler reads it. */
  #countReceived(): void {
    const { socket } = this;
    const push = socket.push.bind(socket);
    socket.push = (chunk: Uint8Array | null, ...rest) => {
      const isRoomLeft = push(chunk, ...rest);
      if (chunk && !isControlFrame(chunk)) this.#received += chunk.length;
      if (this.unfinishedSession() === undefined) {
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
    const went = this.#send(chunk, ...rest);
    if (this.#isAnswered) return went;
    if (!frames) this.#noteAnswer(statusOf(toText(toBytes(chunk, rest))));
    else if (frames.isAnswered) this.#noteAnswer(frames.status);
    return went;
  }

  #noteAnswer(status: number): void {
    this.#isAnswered = true;
    this.#status = status;
    // Protocols other than WebSocket may begin without a status line.
    this.#isOpen = this.#frames?.isOpen ?? status < 200;
    if (status >= 200) closeAfterRefusal(this.socket);
    if (!this.#isOpen || !this.#endable) this.#frames = undefined;
    // Unless somebody else has put a `write` of their own on top.
    if (!this.#frames && this.socket.write === this.#tap) {
      this.socket.write = this.#write as Duplex['write'];
    }
    // Not from within the handler's call, which may have more to do before anybody ends this.
    if (this.#onAnswer) queueMicrotask(this.#onAnswer);
    this.#onAnswer = undefined;
  }

  /** A close frame must not cut another in two; and once it is sent, no other may follow. */
  #finishFrame(frames: FrameTracker, bytes: Uint8Array, rest: unknown[]): boolean {
    const done = rest.find((argument) => typeof argument === 'function') as Done | undefined;
    if (frames.isBetweenFrames) {
      if (done) queueMicrotask(() => done());
      return true;
    }
    const ofFrame = frames.take(bytes);
    const went = this.#send(bytes.subarray(0, ofFrame), ...(done ? [done] : []));
    if (frames.isBetweenFrames) this.#close();
    else this.#limit?.restart();
    return went;
  }

  /**
   * The client answers with a close frame of its own. The handler gets to see it and ends the
   * connection, as it does whenever a client closes: if we did, a proxy's `pipe()` would stop reading
   * from the backend, and leave that connection open.
   */
  #close(): void {
    this.#send(SERVICE_RESTART_FRAME);
  }

  #send(...what: unknown[]): boolean {
    return (this.#write as (...what: unknown[]) => boolean).apply(this.socket, what);
  }
}

/** Close, ping or pong (RFC 6455, 5.5). Clients send each frame by itself. */
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
  // The socket says what is wrong with it.
  return new Uint8Array();
}
