/**
 * The spool of one request: when its body is taken, handed on or thrown away. Knows
 * nothing of files, limits of the instance, and of why a request is held.
 */
import type { SpoolBody } from './body.ts';
import { Feeder } from './feeder.ts';
import { isBeingRead, isHttp2, keepForReader, type SpoolRequest, Tap } from './tap.ts';
import type { Spool, SpoolResponse, SpoolState } from './types.ts';

/** How much may wait in memory for a slow disk, or at release for a slow reader. */
const AHEAD = 256 * 1024;

export interface SpoolHooks {
  /** Called at each change of what is held; says whether the request may be read further. */
  admit(received: number): 'unread' | 'too-large' | undefined;
  onHeld(): void;
  /** From now on it is the next handler's. */
  onReplay(): void;
  /** Bytes were lost that the next handler needs: they were on the disk, which can't be read. */
  onReadError(error: unknown): void;
  /** Nothing of the request is left in the spool. */
  onDone(): void;
}

export class RequestSpool implements Spool {
  readonly #req: SpoolRequest;
  readonly #res: SpoolResponse | undefined;
  readonly #body: SpoolBody;
  readonly #hooks: SpoolHooks;
  readonly #tap: Tap;
  readonly #feeder: Feeder;
  #phase: 'held' | 'replaying' | 'done' = 'held';
  #trouble: 'unread' | 'too-large' | undefined;
  #received = 0;
  /** The end of the body has arrived here. */
  #ended = false;
  /** The reader of the request asked while it was held; Node was asked on its behalf. */
  #asked = false;
  #askedNode = false;
  #stopped = false;
  /**
   * The body has become too large, or cannot be read further. Never called from within `begin`. Each
   * hold has its own.
   */
  onOverflow: ((state: 'unread' | 'too-large') => void) | undefined;

  constructor(
    req: SpoolRequest,
    res: SpoolResponse | undefined,
    hooks: SpoolHooks,
    createBody: (events: { written(): void; failed(error: unknown): void }) => SpoolBody,
  ) {
    this.#req = req;
    this.#res = res;
    this.#hooks = hooks;
    this.#body = createBody({
      written: () => this.#restart(),
      failed: () => this.#overflow('unread'),
    });
    this.#tap = new Tap(req, {
      take: (chunk) => this.#take(chunk),
      asked: () => this.#onAsked(),
      hasRoom: () => this.#hasRoom(),
      isUnread: () => this.#phase === 'replaying',
    });
    this.#feeder = new Feeder(this.#body, {
      isOpen: () => this.#phase === 'replaying',
      handOn: (chunk) => this.#handOn(chunk),
      allRead: () => this.#onAllRead(),
      rested: () => this.#restart(),
      failed: (error) => this.#onReadError(error),
    });
  }

  /** Takes the body from now on. A request whose body Node stopped reading before is read again. */
  begin(): void {
    this.#req.on('close', this.#onClose);
    this.#res?.on('close', this.#onResponseClose);
    this.#tap.install();
    this.#tap.start();
    this.#hooks.onHeld();
  }

  /** Holds a released request once more. False where nothing of it is left here. */
  holdAgain(): boolean {
    if (this.#phase !== 'replaying') return this.#phase === 'held';
    this.#phase = 'held';
    this.#body.startSpilling();
    this.#restart();
    this.#hooks.onHeld();
    return true;
  }

  get state(): SpoolState {
    if (this.#phase !== 'held') return this.#phase;
    return this.#trouble ?? (this.#ended ? 'complete' : 'collecting');
  }

  get bytes(): number {
    return this.#body.bytes;
  }

  release(): void {
    if (this.#phase !== 'held') return;
    this.#phase = 'replaying';
    this.#trouble = undefined;
    this.#body.stopSpilling();
    this.#hooks.onReplay();
    keepForReader(this.#req, this.#res);
    if (this.#asked) this.#askNode();
    if (!this.#ended && this.#body.bytes === 0) this.#putBack();
    // Not at once: readers that came before the hold would get what the next handler is to see.
    else process.nextTick(() => this.#firstFeed());
  }

  discard(): void {
    if (this.#phase === 'done') return;
    this.#finish();
    // Its end, or the request never closes; else what is still to come, if anybody waits for it.
    if (this.#ended) return this.#pushEnd();
    if (this.#asked) this.#askNode();
    this.#tap.start();
  }

  #take(chunk: Buffer | null): boolean {
    if (chunk === null) return this.#takeEnd();
    this.#received += chunk.length;
    this.#body.append(chunk);
    if (this.#phase === 'held') this.#admit();
    else this.#feeder.run();
    this.#stopped = !this.#hasRoom();
    return !this.#stopped;
  }

  #takeEnd(): boolean {
    this.#ended = true;
    // A response that ended during the hold makes Node throw the body away, its end excepted.
    if (this.#phase === 'held' && this.#tap.isDumped) this.discard();
    else this.#feeder.run();
    return false;
  }

  #admit(): void {
    const trouble = this.#hooks.admit(this.#received);
    if (trouble) this.#overflow(trouble);
  }

  #overflow(state: 'unread' | 'too-large'): void {
    if (this.#phase !== 'held' || this.#trouble === state) return;
    this.#trouble = state;
    this.onOverflow?.(state);
  }

  #hasRoom(): boolean {
    if (this.#ended || (this.#phase === 'held' && this.#trouble)) return false;
    return this.#body.waiting < AHEAD;
  }

  #restart(): void {
    if (!this.#stopped || this.#phase === 'done' || !this.#hasRoom()) return;
    this.#stopped = false;
    this.#tap.start();
  }

  #onAsked(): void {
    this.#asked = true;
    if (this.#tap.isDumped) return this.discard();
    if (this.#phase !== 'replaying') return;
    this.#askNode();
    this.#feeder.want();
    this.#feeder.run();
  }

  #askNode(): void {
    const isDone = this.#askedNode || (this.#ended && isHttp2(this.#req));
    // Node is asked once: each time lets the connection go on, whether or not there is room. And
    // http2 asserts that a stream that is over is not asked.
    if (isDone && !this.#tap.isLayered) return;
    this.#askedNode = true;
    this.#tap.askNode();
  }

  /** A reader that is there has not always asked; Node takes the request for unread until it has. */
  #firstFeed(): void {
    if (this.#phase === 'replaying' && isBeingRead(this.#req)) this.#askNode();
    if (!this.#isFull) this.#feeder.want();
    this.#feeder.run();
  }

  /** A reader asks by itself once it has read that; given more at each hold, Node would have it all. */
  get #isFull(): boolean {
    return this.#req.readableLength >= this.#req.readableHighWaterMark;
  }

  #pushEnd(): void {
    this.#tap.push(null);
    // Since Node 26 a body that is thrown away is not made to flow when all of it had arrived.
    if (this.#tap.isDumped) this.#req.resume();
  }

  #handOn(chunk: Buffer): boolean {
    this.#body.advance(chunk.length);
    return this.#tap.push(chunk);
  }

  #onAllRead(): void {
    if (!this.#ended) return this.#putBack();
    this.#finish();
    this.#pushEnd();
  }

  /** From here on the parser feeds the request itself. */
  #putBack(): void {
    this.#finish();
    if (this.#stopped) this.#tap.start();
  }

  #finish(): void {
    this.#phase = 'done';
    this.#body.drop();
    this.#tap.remove();
    this.#req.off('close', this.#onClose);
    this.#res?.off('close', this.#onResponseClose);
    this.#hooks.onDone();
  }

  #onReadError(error: unknown): void {
    if (this.#phase !== 'replaying') return;
    this.#hooks.onReadError(error);
    const reason = error instanceof Error ? error : new Error(String(error));
    this.#finish();
    this.#tap.destroy(reason);
  }

  readonly #onClose = (): void => {
    if (this.#phase === 'held') return this.discard();
    // http2 closes the request when the response has ended too; then its reader gets the rest.
    const gone = this.#req.destroyed || this.#req.aborted;
    if (gone && this.#phase === 'replaying') this.#abandon();
  };

  readonly #onResponseClose = (): void => {
    if (this.#phase === 'held') this.discard();
  };

  #abandon(): void {
    this.#finish();
    // HTTP/1 has destroyed the request. http2 ends it, and says elsewhere that it was aborted.
    if (isHttp2(this.#req)) this.#tap.push(null);
  }
}
