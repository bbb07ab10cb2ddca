/**
 * Intercepts the body of a request between Node's parser and the stream of the request. The only file that
 * depends on how Node fills a request.
 *
 * Node's parser (and its http2 compatibility layer) passes each chunk of a body to `req.push`, and stops the
 * connection when that returns false. So a `push` property of the request itself can hold its body, and the
 * prototype's `push` passes it on.
 */
import { constants } from 'node:http2';
import { isHttp2 } from './node-request.ts';
import type { SpoolRequest } from './types.ts';

export interface BodyInterceptorListener {
  /** A chunk of the body, or null at its end. Returns whether more may arrive. */
  onChunk(chunk: Buffer | null): boolean;
  /** The reader of the request asks for more. */
  onRead(): void;
  /** Whether more may arrive now. */
  hasRoom(): boolean;
}

type Patched = 'push' | '_read' | 'emit';

interface Internals {
  push(chunk: Buffer | null): boolean;
  _read(size: number): void;
  emit(name: string | symbol, ...args: unknown[]): boolean;
  _dumped?: boolean;
  socket?: { _paused?: boolean; readable?: boolean; resume?(): void } | null;
}

export class BodyInterceptor {
  readonly #req: SpoolRequest & Internals;
  readonly #listener: BodyInterceptorListener;
  readonly #own: Readonly<Record<Patched, unknown>>;
  readonly #original: Pick<Internals, Patched>;
  readonly #saved = new Map<Patched, PropertyDescriptor | undefined>();
  /** Another interceptor, or other code, has patched the request before. It must get each `_read` call. */
  readonly isLayered: boolean;
  #isInstalled = false;
  #isReplaying = false;
  #isCloseDelayed = false;

  constructor(req: SpoolRequest, listener: BodyInterceptorListener) {
    this.#req = req;
    this.#listener = listener;
    this.#original = { push: this.#req.push, _read: this.#req._read, emit: this.#req.emit };
    this.isLayered = Object.hasOwn(req, '_read');
    this.#own = {
      push: (chunk: unknown, encoding?: BufferEncoding) => this.#onPush(chunk, encoding),
      _read: (size: number) => this.#onRead(size),
      emit: (name: string | symbol, ...args: unknown[]) => this.#onEmit(name, args),
    };
  }

  install(): void {
    this.#isInstalled = true;
    this.#patch('push');
    this.#patch('_read');
    if (!isHttp2(this.#req)) return;
    this.#patch('emit');
    this.#req.on('pause', this.#controlStream).on('resume', this.#controlStream);
    // http2 delivers data only after a `_read` call. HTTP/1 delivers it without, and the call would mark a
    // request without a reader as read.
    this.readFromNode();
  }

  /** Makes the request an ordinary one again. */
  remove(): void {
    this.#isInstalled = false;
    this.#restore('push');
    this.#restore('_read');
    if (!isHttp2(this.#req)) return;
    this.#restore('emit');
    this.#req.off('pause', this.#controlStream).off('resume', this.#controlStream);
    if (this.#isCloseDelayed) this.#req.once('end', () => this.#req.emit('close'));
  }

  /** While a body is being replayed, http2's early `close` event is delayed until its end. */
  setReplaying(isReplaying: boolean): void {
    this.#isReplaying = isReplaying;
  }

  /** Destroys a request whose bytes were lost, so that its reader can't take it for complete. */
  destroy(error: Error): void {
    if (!isHttp2(this.#req)) return void this.#req.destroy(error);
    // Unlike HTTP/1, http2 emits the error even without a listener, which ends the process.
    this.#req.destroy(this.#req.listenerCount('error') > 0 ? error : undefined);
    this.#req.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  /** Passes bytes on to the stream of the request. */
  push(chunk: Buffer | null): boolean {
    return this.#original.push.call(this.#req, chunk);
  }

  /**
   * Calls Node's `_read`, as a reader would. Only this call marks an HTTP/1 request as read. Node discards
   * the rest of a request that is not read as soon as its response has ended.
   */
  readFromNode(): void {
    this.#original._read.call(this.#req, this.#req.readableHighWaterMark);
  }

  /** Resumes the connection after `onChunk` returned false, or after other code paused it. */
  resume(): void {
    if (isHttp2(this.#req)) {
      this.#req.stream.resume();
      return;
    }
    const { socket } = this.#req;
    // `_paused`: Node is holding back pipelined requests, and asserts that no other code resumes the socket.
    if (socket?.readable && !socket._paused) socket.resume?.();
  }

  /** Whether Node discards the body, because the response ended before the body was read. */
  get isDumped(): boolean {
    return this.#req._dumped === true;
  }

  #onPush(chunk: unknown, encoding?: BufferEncoding): boolean {
    // Another spool has patched the request later, so this patch could not be removed.
    if (!this.#isInstalled) return this.push(chunk as Buffer | null);
    if (chunk === null) return this.#listener.onChunk(null);
    const bytes = toBuffer(chunk, encoding);
    return bytes.length === 0 ? this.#listener.hasRoom() : this.#listener.onChunk(bytes);
  }

  #onRead(size: number): void {
    if (this.#isInstalled) this.#listener.onRead();
    else this.#original._read.call(this.#req, size);
  }

  /**
   * http2 closes a request as soon as its body has arrived and its response has ended. A reader that is still
   * reading takes the event for an abort.
   */
  #onEmit(name: string | symbol, args: unknown[]): boolean {
    const isGone = this.#req.destroyed || this.#req.aborted;
    if (name === 'close' && this.#isInstalled && this.#isReplaying && !isGone) {
      this.#isCloseDelayed = true;
      return true;
    }
    return this.#original.emit.call(this.#req, name, ...args);
  }

  /** http2 pauses and resumes its stream with the reader. While spooled, the stream depends on the spool. */
  readonly #controlStream = (): void => {
    if (!isHttp2(this.#req)) return;
    if (this.#listener.hasRoom()) this.#req.stream.resume();
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

function toBuffer(chunk: unknown, encoding?: BufferEncoding): Buffer {
  if (Buffer.isBuffer(chunk)) return chunk;
  if (typeof chunk === 'string') return Buffer.from(chunk, encoding);
  const view = chunk as Uint8Array;
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}
