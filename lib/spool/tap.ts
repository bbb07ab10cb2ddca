/**
 * What a spool does to a request object: stands between Node's parser and the request's stream, and
 * takes itself away again. The only file that knows how Node fills a request. Knows no bytes.
 *
 * Node's parser (and its http2 compatibility layer) hands each piece of a body to `req.push`, and
 * stops the connection when that returns false. So an own `push` on one request is a place where
 * its body can be held, and the prototype's is the way on.
 */
import type { IncomingMessage } from 'node:http';
import { constants, type Http2ServerRequest } from 'node:http2';
import type { SpoolResponse } from './types.ts';

/** `node:http`'s request or, behind the same interface, http2's. */
export type SpoolRequest = IncomingMessage | Http2ServerRequest;

export interface TapEvents {
  /** A piece of the body, or null at its end. Returns whether more may come. */
  take(chunk: Buffer | null): boolean;
  /** The request's reader asks for more. */
  asked(): void;
  /** Whether more may come now. */
  hasRoom(): boolean;
  /** Whether a reader of the request has yet to get some of its body. */
  isUnread(): boolean;
}

type Patched = 'push' | '_read' | 'emit';

interface Internals {
  push(chunk: Buffer | null): boolean;
  _read(size: number): void;
  emit(name: string | symbol, ...args: unknown[]): boolean;
  _dumped?: boolean;
  socket?: { _paused?: boolean; readable?: boolean; resume?(): void } | null;
}

export class Tap {
  readonly #req: SpoolRequest & Internals;
  readonly #events: TapEvents;
  readonly #own: Readonly<Record<Patched, unknown>>;
  readonly #original: Pick<Internals, Patched>;
  readonly #saved = new Map<Patched, PropertyDescriptor | undefined>();
  /** Another spool, or somebody else, stands between Node and this one: it is to hear each ask. */
  readonly isLayered: boolean;
  #installed = false;
  #closeIsDue = false;

  constructor(req: SpoolRequest, events: TapEvents) {
    this.#req = req;
    this.#events = events;
    this.#original = { push: this.#req.push, _read: this.#req._read, emit: this.#req.emit };
    this.isLayered = Object.hasOwn(req, '_read');
    this.#own = {
      push: (chunk: unknown, encoding?: BufferEncoding) => this.#onPush(chunk, encoding),
      _read: (size: number) => this.#onRead(size),
      emit: (name: string | symbol, ...args: unknown[]) => this.#onEmit(name, args),
    };
  }

  install(): void {
    this.#installed = true;
    this.#patch('push');
    this.#patch('_read');
    if (!isHttp2(this.#req)) return;
    this.#patch('emit');
    this.#req.on('pause', this.#steer).on('resume', this.#steer);
    // http2 hands data on only once it was asked; HTTP/1 does so by itself, and asking it would mark
    // a request as read that nobody has read.
    this.askNode();
  }

  /** The request is an ordinary one again. */
  remove(): void {
    this.#installed = false;
    this.#restore('push');
    this.#restore('_read');
    if (!isHttp2(this.#req)) return;
    this.#restore('emit');
    this.#req.off('pause', this.#steer).off('resume', this.#steer);
    if (this.#closeIsDue) this.#req.once('end', () => this.#req.emit('close'));
  }

  /** Ends a request whose bytes were lost, in a way that its reader can't take for the end. */
  destroy(error: Error): void {
    if (!isHttp2(this.#req)) return void this.#req.destroy(error);
    // Unlike HTTP/1 it would emit the error to nobody, which ends the process.
    this.#req.destroy(this.#req.listenerCount('error') > 0 ? error : undefined);
    this.#req.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  /** Hands bytes on to the request's own stream. */
  push(chunk: Buffer | null): boolean {
    return this.#original.push.call(this.#req, chunk);
  }

  /**
   * Asks as a reader would. Only this marks an HTTP/1 request as read; Node throws away the rest of
   * one that is not, as soon as its response has ended.
   */
  askNode(): void {
    this.#original._read.call(this.#req, this.#req.readableHighWaterMark);
  }

  /** Lets the connection go on after `take` returned false, or somebody else stopped it. */
  start(): void {
    if (isHttp2(this.#req)) {
      this.#req.stream.resume();
      return;
    }
    const { socket } = this.#req;
    // `_paused`: Node holds back pipelined requests, and asserts that nobody interferes.
    if (socket?.readable && !socket._paused) socket.resume?.();
  }

  /** Whether Node throws the body away: the response ended and nobody had begun to read. */
  get isDumped(): boolean {
    return this.#req._dumped === true;
  }

  #onPush(chunk: unknown, encoding?: BufferEncoding): boolean {
    // Another spool's patch lies above this one, so it could not be taken out.
    if (!this.#installed) return this.push(chunk as Buffer | null);
    if (chunk === null) return this.#events.take(null);
    const bytes = toBuffer(chunk, encoding);
    return bytes.length === 0 ? this.#events.hasRoom() : this.#events.take(bytes);
  }

  #onRead(size: number): void {
    if (this.#installed) this.#events.asked();
    else this.#original._read.call(this.#req, size);
  }

  /**
   * http2 closes a request as soon as its body has arrived and its response has ended; a reader that
   * has not got the whole body yet takes that for an abort.
   */
  #onEmit(name: string | symbol, args: unknown[]): boolean {
    const gone = this.#req.destroyed || this.#req.aborted;
    if (name === 'close' && this.#installed && !gone && this.#events.isUnread()) {
      this.#closeIsDue = true;
      return true;
    }
    return this.#original.emit.call(this.#req, name, ...args);
  }

  /** http2 stops and starts its stream with its reader; what is spooled goes by the spool's room. */
  readonly #steer = (): void => {
    if (!isHttp2(this.#req)) return;
    if (this.#events.hasRoom()) this.#req.stream.resume();
    else this.#req.stream.pause();
  };

  #patch(name: Patched): void {
    this.#saved.set(name, Object.getOwnPropertyDescriptor(this.#req, name));
    Object.defineProperty(this.#req, name, {
      value: this.#own[name],
      configurable: true,
      writable: true,
    });
  }

  #restore(name: Patched): void {
    if (this.#req[name] !== this.#own[name]) return;
    const saved = this.#saved.get(name);
    if (saved) Object.defineProperty(this.#req, name, saved);
    else Reflect.deleteProperty(this.#req, name);
  }
}

export function isHttp2(req: SpoolRequest): req is Http2ServerRequest {
  return req.httpVersionMajor >= 2 && 'stream' in req;
}

export function isBeingRead(req: SpoolRequest): boolean {
  return req.readableFlowing === true || req.listenerCount('readable') > 0;
}

/**
 * http2 closes a stream whose response has ended and whose body nobody reads. It can't tell when a
 * spool has read it, and the client would wait for ever with the rest of its upload.
 */
export function closeUnread(req: Http2ServerRequest, discard: () => void): void {
  req.stream.once('finish', () => {
    if (req.readableDidRead || req.readableFlowing !== null) return;
    discard();
    req.resume();
    setImmediate(() => req.stream.close());
  });
}

const kept = new WeakSet<SpoolResponse>();

/**
 * Node throws away what is left of a body when its response ends, unless its reader has asked for more;
 * and after a hold there may be so much in its buffer that nobody had to ask.
 */
export function keepForReader(req: SpoolRequest, res: SpoolResponse | undefined): void {
  if (!res || kept.has(res) || isHttp2(req)) return;
  kept.add(res);
  // The last moment before Node looks.
  res.once('prefinish', () => {
    if (req.readableEnded || !(req.readableDidRead || isBeingRead(req))) return;
    req._read(req.readableHighWaterMark);
  });
}

function toBuffer(chunk: unknown, encoding?: BufferEncoding): Buffer {
  if (Buffer.isBuffer(chunk)) return chunk;
  if (typeof chunk === 'string') return Buffer.from(chunk, encoding);
  const view = chunk as Uint8Array;
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}
