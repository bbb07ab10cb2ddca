/**
 * The body of a held request: first to memory, then to a temporary file, then replayed to the next
 * handler as if nothing had happened. Knows nothing of queues and apps, nor why a request is held.
 *
 * It has to be read: an unread body of more than what Node buffers stops the connection, so that
 * nobody notices when the client leaves, and after `server.requestTimeout` Node answers 408.
 */
import { SpoolBody } from './body.ts';
import { Budget, BudgetShare } from './budget.ts';
import { SpoolDirectory, UnsafeDirectory } from './directory.ts';
import { type Disk, systemDisk } from './file.ts';
import { IdleSpool } from './idle.ts';
import { RequestSpool } from './request-spool.ts';
import { parserCallsPush } from './self-test.ts';
import type { SpoolSettings } from '../options/spool-settings.ts';
import { closeUnread, isBeingRead, isHttp2, keepForReader, type SpoolRequest } from './tap.ts';
import type { Spool, SpoolResponse } from './types.ts';

export {
  byteSize,
  DEFAULT_SPOOL_SETTINGS,
  readSpoolOptions,
  type SpoolOptions,
  type SpoolSettings,
} from '../options/spool-settings.ts';
export type { SpoolRequest } from './tap.ts';
export type { Spool, SpoolResponse, SpoolState } from './types.ts';

export interface SpoolerDeps {
  /** Each warning comes once, and starts with its code. */
  warn(message: string): void;
  /** Replaced in tests. */
  disk?: Disk;
  /** Replaced in tests. */
  parserCallsPush?: () => boolean;
}

export interface BeginOptions {
  /**
   * Its response: ends the spool when it is over while the request is held. Without it that is seen
   * only of a request that nobody had begun to read before.
   */
  res?: SpoolResponse | undefined;
  /**
   * The body exceeds `maxBody` (answer 413, then discard), or can't be read further (it stays held).
   * Not called for what {@link Spool.state} says right after `begin`.
   */
  onOverflow?: ((state: 'unread' | 'too-large') => void) | undefined;
}

/** One for each instance of antract. */
export interface Spooler {
  /** Starts reading the body of a request that is held from now on, for the first time or again. */
  begin(req: SpoolRequest, options?: BeginOptions): Spool;
  /** Spooled now, in memory and in files. */
  readonly bytes: number;
  /** Temporary files that exist now. */
  readonly files: number;
  /** Resolves when the files that a crashed process left behind are gone, with their number. */
  readonly swept: Promise<number>;
  /** Discards what is held; what is on its way to a handler arrives there. */
  close(): Promise<void>;
}

export function createSpooler(settings: SpoolSettings, deps: SpoolerDeps): Spooler {
  return new SpoolStore(settings, deps);
}

class SpoolStore implements Spooler {
  readonly #settings: SpoolSettings;
  readonly #warn: (message: string) => void;
  readonly #budget: Budget;
  readonly #directory: SpoolDirectory;
  readonly #spools = new WeakMap<SpoolRequest, RequestSpool>();
  /** Not those being replayed: a handler may drop one half-read, and then nobody holds it. */
  readonly #held = new Set<RequestSpool>();
  readonly #warned = new Set<string>();
  readonly #leaks = new FinalizationRegistry<BudgetShare>((holding) => holding.drop());
  readonly #works: boolean;
  readonly swept: Promise<number>;
  #closed = false;

  constructor(settings: SpoolSettings, deps: SpoolerDeps) {
    this.#settings = settings;
    this.#warn = deps.warn;
    this.#budget = new Budget(settings.maxTotal, (error) => this.#warnOfDisk(error));
    this.#directory = new SpoolDirectory(settings.directory, deps.disk ?? systemDisk);
    this.#works = (deps.parserCallsPush ?? parserCallsPush)();
    if (!this.#works) this.#warnOnce('WRN_ANTRACT_SPOOL_NODE', NODE_CHANGED);
    this.swept = this.#sweep();
  }

  get bytes(): number {
    return this.#budget.bytes;
  }

  get files(): number {
    return this.#budget.files;
  }

  begin(req: SpoolRequest, options: BeginOptions = {}): Spool {
    const before = this.#spools.get(req);
    if (before?.holdAgain()) {
      before.onOverflow = options.onOverflow;
      return before;
    }
    const leave = (state: 'idle' | 'unread'): Spool =>
      new IdleSpool(state, () => keepForReader(req, options.res));
    if (!hasBody(req)) return new IdleSpool('idle');
    if (!isToCome(req)) return leave('idle');
    if (contentLength(req) > this.#settings.maxBody) return new IdleSpool('too-large');
    if (fitsInNode(req)) return leave('idle');
    if (!this.#works || this.#closed) return leave('unread');
    const spool = this.#create(req, options);
    this.#spools.set(req, spool);
    // Once, though a request may get one spool after another.
    if (!before && isHttp2(req)) closeUnread(req, () => this.#spools.get(req)?.discard());
    spool.begin();
    return spool;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const spool of this.#held) spool.discard();
    await this.swept;
    await this.#budget.settled();
  }

  #create(req: SpoolRequest, { res, onOverflow }: BeginOptions): RequestSpool {
    const holding = new BudgetShare(this.#budget);
    const spool: RequestSpool = new RequestSpool(
      req,
      res,
      {
        admit: (received) => this.#admit(received),
        onHeld: () => this.#held.add(spool),
        onReplay: () => this.#held.delete(spool),
        onReadError: (error) => this.#warnOfDisk(error),
        onDone: () => {
          this.#held.delete(spool);
          this.#leaks.unregister(holding);
        },
      },
      ({ written, failed }) =>
        new SpoolBody(this.#settings.memory, holding, this.#directory, {
          written,
          failed: (error) => {
            this.#warnOfDisk(error);
            failed(error);
          },
        }),
    );
    spool.onOverflow = onOverflow;
    this.#leaks.register(req, holding, holding);
    return spool;
  }

  #admit(received: number): 'unread' | 'too-large' | undefined {
    if (received > this.#settings.maxBody) return 'too-large';
    if (!this.#budget.exhausted) return undefined;
    this.#warnOnce('WRN_ANTRACT_SPOOL_FULL', BUDGET_FULL);
    return 'unread';
  }

  async #sweep(): Promise<number> {
    try {
      return await this.#directory.sweep();
    } catch (error) {
      if (error instanceof UnsafeDirectory) this.#warnOfDirectory(error);
      else
        this.#warnOnce(
          'WRN_ANTRACT_SPOOL_SWEEP',
          `could not delete what an earlier process left in the spool directory: ${text(error)}.`,
        );
      return 0;
    }
  }

  #warnOfDirectory({ message }: UnsafeDirectory): void {
    this.#warnOnce(
      'WRN_ANTRACT_SPOOL_DIRECTORY',
      `${message}. Requests with large bodies stay held, but their clients are not noticed when they ` +
        'leave. Remove it, or set `spool.directory` to a directory that only this user can write to.',
    );
  }

  #warnOfDisk(error: unknown): void {
    if (error instanceof UnsafeDirectory) return this.#warnOfDirectory(error);
    this.#warnOnce(
      'WRN_ANTRACT_SPOOL_DISK',
      `a request's body can't be spooled: ${text(error)}. Requests with large bodies stay held, but ` +
        'their clients are not noticed when they leave. Make room, set `spool.directory`, or raise the ' +
        'limit of open files where that is the cause.',
    );
  }

  #warnOnce(code: string, message: string): void {
    if (this.#warned.has(code)) return;
    this.#warned.add(code);
    this.#warn(`${code}: ${message}`);
  }
}

const NODE_CHANGED =
  'this version of Node hands bodies to requests in a way that antract does not know. Requests with ' +
  'large bodies are held unread: their clients are not noticed when they leave.';

const BUDGET_FULL =
  '`spool.maxTotal` is reached. Requests with bodies stay held, but are not read further until they ' +
  'are released, and their clients are not noticed when they leave.';

function isToCome(req: SpoolRequest): boolean {
  if (req.complete || req.destroyed || req.readableEnded) return false;
  // http2 calls a request complete only when its reader is through.
  return !(isHttp2(req) && req.stream.readableEnded);
}

function hasBody(req: SpoolRequest): boolean {
  if (isHttp2(req)) return !req.stream.endAfterHeaders;
  return 'transfer-encoding' in req.headers || contentLength(req) > 0;
}

/** 0 where it is not known. */
function contentLength(req: SpoolRequest): number {
  return Number(req.headers['content-length'] ?? 0);
}

/** Node keeps it, and goes on to notice when the client leaves. Not when somebody reads already. */
function fitsInNode(req: SpoolRequest): boolean {
  const length = contentLength(req);
  return !isBeingRead(req) && length > 0 && length < req.readableHighWaterMark;
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
