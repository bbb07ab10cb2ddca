/**
 * Spools the bodies of held requests: first to memory, then to a temporary file. At release they are replayed
 * to the next handler, which sees an ordinary request.
 *
 * The body of a held request has to be read. If more of it is unread than Node buffers, Node stops reading the
 * connection. Then no disconnect of the client is noticed, and Node answers 408 after `server.requestTimeout`.
 */
import type { SpoolSettings } from '../options/spool-settings.ts';
import { Budget } from './budget.ts';
import {
  BodyKeeper,
  closeUnread,
  contentLength,
  fitsInNodeBuffer,
  requestHasBody,
  isBodyPending,
  isHttp2,
} from './node-request.ts';
import { parserCallsPush } from './parser-check.ts';
import { RequestSpool, type OnOverflow } from './request-spool.ts';
import { SpoolDirectory } from './spool-directory.ts';
import { type Disk, systemDisk } from './spool-file.ts';
import type { Spool, SpoolRequest, SpoolResponse, SpoolState } from './types.ts';
import { SpoolWarnings } from './warnings.ts';

export type { Spool, SpoolRequest, SpoolResponse, SpoolState } from './types.ts';

export interface SpoolerDeps {
  /** Logs a warning. Each warning is logged once, and starts with its code. */
  warn(message: string): void;
  /** Replaced in tests. */
  disk?: Disk;
  /** Replaced in tests. */
  parserCallsPush?: () => boolean;
}

export interface BeginOptions {
  /**
   * The response of the request. If it ends during the hold, the spool ends too. Without it, that is noticed
   * only for a request that no handler had begun to read.
   */
  res?: SpoolResponse | undefined;
  /**
   * Called when the body exceeds `maxBody` (respond 413 and discard it), or can't be read further (the request
   * stays held). Not called for the {@link Spool.state} right after `begin()`.
   */
  onOverflow?: OnOverflow;
}

/** One for each instance of antract. */
export interface Spooler {
  /** Starts to collect the body of a request that is held from now on, for the first time or again. */
  begin(req: SpoolRequest, options?: BeginOptions): Spool;
  /** Bytes that are spooled now, in memory and in files. */
  readonly bytes: number;
  /** Temporary files that exist now. */
  readonly files: number;
  /** Resolves with the number of deleted files when the files of crashed processes are deleted. */
  readonly swept: Promise<number>;
  /** Discards the bodies of held requests. Bodies that are being replayed still reach their handlers. */
  close(): Promise<void>;
}

export function createSpooler(settings: SpoolSettings, deps: SpoolerDeps): Spooler {
  return new RequestSpooler(settings, deps);
}

class RequestSpooler implements Spooler {
  readonly #settings: SpoolSettings;
  readonly #warnings: SpoolWarnings;
  readonly #budget: Budget;
  readonly #directory: SpoolDirectory;
  readonly #keeper = new BodyKeeper();
  readonly #spools = new WeakMap<SpoolRequest, RequestSpool>();
  /** Not the spools that are being replayed: a handler may drop a request that it has read in part. */
  readonly #held = new Set<RequestSpool>();
  readonly #canSpool: boolean;
  readonly swept: Promise<number>;
  #isClosed = false;

  constructor(settings: SpoolSettings, deps: SpoolerDeps) {
    this.#settings = settings;
    this.#warnings = new SpoolWarnings(deps.warn);
    this.#budget = new Budget(settings.maxTotal, this.#warnings);
    this.#directory = new SpoolDirectory(settings.directory, deps.disk ?? systemDisk);
    this.#canSpool = (deps.parserCallsPush ?? parserCallsPush)();
    if (!this.#canSpool) this.#warnings.nodeChanged();
    this.swept = this.#sweep();
  }

  get bytes(): number {
    return this.#budget.bytes;
  }

  get files(): number {
    return this.#budget.files;
  }

  begin(req: SpoolRequest, { res, onOverflow }: BeginOptions = {}): Spool {
    const before = this.#spools.get(req);
    if (before?.holdAgain(onOverflow)) return before;
    const keepForReader = (): void => this.#keeper.keepForReader(req, res);
    if (!requestHasBody(req)) return unspooled('idle');
    if (!isBodyPending(req)) return unspooled('idle', keepForReader);
    if (contentLength(req) > this.#settings.maxBody) return unspooled('too-large');
    if (fitsInNodeBuffer(req)) return unspooled('idle', keepForReader);
    if (!this.#canSpool || this.#isClosed) return unspooled('unread', keepForReader);
    const spool = this.#create(req, res);
    this.#spools.set(req, spool);
    // Once for each request, which may get several spools.
    if (!before && isHttp2(req)) closeUnread(req, () => this.#spools.get(req)?.discard());
    spool.begin(onOverflow);
    return spool;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const spool of this.#held) spool.discard();
    await this.swept;
    await this.#budget.settled();
  }

  #create(req: SpoolRequest, res: SpoolResponse | undefined): RequestSpool {
    return new RequestSpool(req, res, {
      settings: this.#settings,
      budget: this.#budget,
      directory: this.#directory,
      warnings: this.#warnings,
      keeper: this.#keeper,
      held: this.#held,
    });
  }

  async #sweep(): Promise<number> {
    try {
      return await this.#directory.sweep();
    } catch (error) {
      this.#warnings.sweepFailed(error);
      return 0;
    }
  }
}

/** The spool of a request whose body stays in Node, or is too large to be spooled. */
function unspooled(state: SpoolState, release: () => void = () => undefined): Spool {
  return { state, bytes: 0, release, discard: () => undefined };
}
