/** The spool of one request: decides when its body is collected, replayed or discarded. */
import { BodyInterceptor } from './body-interceptor.ts';
import { BodyReplay } from './body-replay.ts';
import type { Budget } from './budget.ts';
import { isBeingRead, isHttp2, type BodyKeeper } from './node-request.ts';
import type { SpoolDirectory } from './spool-directory.ts';
import { SpooledBody } from './spooled-body.ts';
import type { Spool, SpoolOverflow, SpoolRequest, SpoolResponse, SpoolState } from './types.ts';
import type { SpoolWarnings } from './warnings.ts';

/** How much may wait in memory for a slow disk, or during a replay for a slow reader. */
const MAX_UNWRITTEN = 256 * 1024;

/** What the spools of one instance share. */
export interface RequestSpoolDeps {
  readonly settings: { readonly memory: number; readonly maxBody: number };
  readonly budget: Budget;
  readonly directory: SpoolDirectory;
  readonly warnings: SpoolWarnings;
  readonly keeper: BodyKeeper;
  /** The spools of requests that are held now. */
  readonly held: Set<RequestSpool>;
}

/** Called when the body has become too large, or can't be read further. Not from within `begin()`. */
export type OnOverflow = ((state: SpoolOverflow) => void) | undefined;

export class RequestSpool implements Spool {
  readonly #req: SpoolRequest;
  readonly #res: SpoolResponse | undefined;
  readonly #deps: RequestSpoolDeps;
  readonly #body: SpooledBody;
  readonly #interceptor: BodyInterceptor;
  readonly #replay: BodyReplay;
  #phase: 'held' | 'replaying' | 'done' = 'held';
  #overflow: SpoolOverflow | undefined;
  #onOverflow: OnOverflow;
  #received = 0;
  /** The end of the body has arrived. */
  #hasEnded = false;
  /** The reader of the request has asked for more. */
  #isWanted = false;
  /** Node's `_read` was called on behalf of the reader. */
  #isReadByNode = false;
  #isPaused = false;

  constructor(req: SpoolRequest, res: SpoolResponse | undefined, deps: RequestSpoolDeps) {
    const { settings, budget, directory, warnings } = deps;
    this.#req = req;
    this.#res = res;
    this.#deps = deps;
    const share = budget.openShare(req);
    this.#body = new SpooledBody(
      { memory: settings.memory, share, directory },
      {
        onWritten: () => this.#resumeIfPaused(),
        onWriteFailed: (error) => {
          warnings.diskFailed(error);
          this.#setOverflow('unread');
        },
      },
    );
    this.#interceptor = new BodyInterceptor(req, {
      onChunk: (chunk) => (chunk === null ? this.#onEnd() : this.#onChunk(chunk)),
      onRead: () => this.#onRead(),
      hasRoom: () => this.#hasRoom(),
    });
    this.#replay = new BodyReplay(this.#body, this.#interceptor, {
      onPause: (isEmpty) => (isEmpty ? this.#onReplayed() : this.#resumeIfPaused()),
      onReadFailed: (error) => this.#onReadFailed(error),
    });
  }

  get state(): SpoolState {
    if (this.#phase !== 'held') return this.#phase;
    return this.#overflow ?? (this.#hasEnded ? 'complete' : 'collecting');
  }

  get bytes(): number {
    return this.#body.bytes;
  }

  /** Collects the body from now on. Resumes a connection that Node has paused before. */
  begin(onOverflow: OnOverflow): void {
    this.#onOverflow = onOverflow;
    this.#req.on('close', this.#onClose);
    this.#res?.on('close', this.#onResponseClose);
    this.#interceptor.install();
    this.#interceptor.resume();
    this.#deps.held.add(this);
  }

  /** Holds a released request again. Returns false if nothing of its body is left in the spool. */
  holdAgain(onOverflow: OnOverflow): boolean {
    if (this.#phase === 'done') return false;
    this.#onOverflow = onOverflow;
    if (this.#phase === 'held') return true;
    this.#phase = 'held';
    this.#replay.stop();
    this.#interceptor.setReplaying(false);
    this.#body.startSpilling();
    this.#resumeIfPaused();
    this.#deps.held.add(this);
    return true;
  }

  release(): void {
    if (this.#phase !== 'held') return;
    this.#phase = 'replaying';
    this.#overflow = undefined;
    this.#body.stopSpilling();
    this.#interceptor.setReplaying(true);
    this.#deps.held.delete(this);
    this.#deps.keeper.keepForReader(this.#req, this.#res);
    if (this.#isWanted) this.#readFromNode();
    if (!this.#hasEnded && this.#body.bytes === 0) return this.#bypass();
    this.#replay.start();
    // Not at once: a reader from before the hold would get the bytes instead of the next handler.
    process.nextTick(() => this.#startReplay());
  }

  discard(): void {
    if (this.#phase === 'done') return;
    this.#finish();
    // Without its end, the request would never close.
    if (this.#hasEnded) return this.#pushEnd();
    // The rest of the body goes to its reader, if there is one.
    if (this.#isWanted) this.#readFromNode();
    this.#interceptor.resume();
  }

  #onChunk(chunk: Buffer): boolean {
    this.#received += chunk.length;
    this.#body.append(chunk);
    if (this.#phase === 'held') this.#checkLimits();
    else this.#replay.run();
    this.#isPaused = !this.#hasRoom();
    return !this.#isPaused;
  }

  #onEnd(): boolean {
    this.#hasEnded = true;
    // If the response ended during the hold, Node discards the body, but the request still needs its end.
    if (this.#phase === 'held' && this.#interceptor.isDumped) this.discard();
    else this.#replay.run();
    return false;
  }

  #checkLimits(): void {
    const { settings, budget, warnings } = this.#deps;
    if (this.#received > settings.maxBody) return this.#setOverflow('too-large');
    if (!budget.isExhausted) return;
    warnings.budgetExhausted();
    this.#setOverflow('unread');
  }

  #setOverflow(state: SpoolOverflow): void {
    if (this.#phase !== 'held' || this.#overflow === state) return;
    this.#overflow = state;
    this.#onOverflow?.(state);
  }

  #hasRoom(): boolean {
    if (this.#hasEnded || (this.#phase === 'held' && this.#overflow)) return false;
    return this.#body.unwrittenBytes < MAX_UNWRITTEN;
  }

  #resumeIfPaused(): void {
    if (!this.#isPaused || this.#phase === 'done' || !this.#hasRoom()) return;
    this.#isPaused = false;
    this.#interceptor.resume();
  }

  #onRead(): void {
    this.#isWanted = true;
    if (this.#interceptor.isDumped) return this.discard();
    if (this.#phase !== 'replaying') return;
    this.#readFromNode();
    this.#replay.want();
    this.#replay.run();
  }

  #readFromNode(): void {
    // Once only: each call resumes the connection, whether or not there is room. And http2 asserts that a
    // stream that has ended is not read.
    const isDone = this.#isReadByNode || (this.#hasEnded && isHttp2(this.#req));
    if (isDone && !this.#interceptor.isLayered) return;
    this.#isReadByNode = true;
    this.#interceptor.readFromNode();
  }

  /** A reader may have attached without asking yet. Node takes the request for unread until it asks. */
  #startReplay(): void {
    if (this.#phase === 'replaying' && isBeingRead(this.#req)) this.#readFromNode();
    // If Node's buffer is full, its reader asks once it has read that. More bytes at each hold would put the
    // whole body in memory.
    const isFull = this.#req.readableLength >= this.#req.readableHighWaterMark;
    if (!isFull) this.#replay.want();
    this.#replay.run();
  }

  #onReplayed(): void {
    if (!this.#hasEnded) return this.#bypass();
    this.#finish();
    this.#pushEnd();
  }

  #pushEnd(): void {
    this.#interceptor.push(null);
    // Since Node 26 a discarded body does not flow by itself when all of it had arrived.
    if (this.#interceptor.isDumped) this.#req.resume();
  }

  /** From now on Node fills the request itself. */
  #bypass(): void {
    this.#finish();
    if (this.#isPaused) this.#interceptor.resume();
  }

  #finish(): void {
    this.#phase = 'done';
    this.#replay.stop();
    this.#body.dropAll();
    this.#interceptor.remove();
    this.#req.off('close', this.#onClose);
    this.#res?.off('close', this.#onResponseClose);
    this.#deps.held.delete(this);
  }

  #onReadFailed(error: unknown): void {
    if (this.#phase !== 'replaying') return;
    this.#deps.warnings.diskFailed(error);
    const reason = error instanceof Error ? error : new Error(String(error));
    this.#finish();
    this.#interceptor.destroy(reason);
  }

  readonly #onClose = (): void => {
    if (this.#phase === 'held') return this.discard();
    // http2 also closes a request when its response has ended. Its reader still gets the rest of the body.
    const isGone = this.#req.destroyed || this.#req.aborted;
    if (isGone && this.#phase === 'replaying') this.#abandon();
  };

  readonly #onResponseClose = (): void => {
    if (this.#phase === 'held') this.discard();
  };

  #abandon(): void {
    this.#finish();
    // HTTP/1 has destroyed the request. http2 ends it, and reports the abort elsewhere.
    if (isHttp2(this.#req)) this.#interceptor.push(null);
  }
}
