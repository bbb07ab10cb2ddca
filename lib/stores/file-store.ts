/**
 * A store for one process, or for the primary of one cluster, that also keeps the states in a file. So a pause
 * survives a restart.
 */
import { readFile } from 'node:fs/promises';
import { pid } from 'node:process';
import { systemClock, type Clock, type Timer } from '../common/clock.ts';
import { AntractError } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import { printableLogger } from '../common/printable.ts';
import { expected } from '../common/validate.ts';
import { AtomicFile } from './atomic-file.ts';
import { isRunning, ownFile, type FileOwner } from './file-owner.ts';
import { Records, Subscriptions } from './records.ts';
import {
  parseFile,
  readStateFile,
  realPath,
  serializeFile,
  useError,
  type StateFile,
} from './state-file.ts';
import type {
  Publication,
  PublishResult,
  Store,
  StoredState,
  StoredReport,
  StoreListener,
} from './store.ts';

/** Options of `FileStore`. */
export interface FileStoreOptions {
  /**
   * Gets a warning when the file can't be written.
   *
   * @default console
   */
  readonly logger?: Logger;
  /** Replaced in tests. */
  readonly clock?: Clock;
}

/** A slow disk does not delay the start for longer. */
const OPEN_WITHIN_MS = 1000;
/** How soon a write that failed is tried again. */
const RETRY_MS = 1000;
/** A larger difference between the clocks of the machine and of the store means that one was set. */
const CLOCK_CHANGE_MS = 1000;

/**
 * Keeps states in a file, so that a process that is restarted during a pause starts paused. For one process,
 * or for the primary of one cluster: several processes can't share the file.
 *
 * @example
 * const store = new FileStore('/var/lib/shop/antract.json');
 * const antract = createAntract({ store });
 */
export class FileStore implements Store {
  /** An empty file means that nothing was published. */
  readonly startsEmpty = true;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #owner = ownFile();
  /** The owner that the file had before. */
  readonly #ownerBefore: FileOwner | null;
  /** The difference between the clock of the store and the monotonic clock of this process. */
  readonly #clockOffset: number;
  readonly #records: Records;
  readonly #file: AtomicFile;
  readonly #subscriptions = new Subscriptions();
  /** The difference between the clocks of the machine and of the store, as the file has it. */
  #clockDifference: number;
  /** Resolves when the file names this process as its owner, or can't be written. */
  readonly #opened: Promise<unknown>;
  /** Why the last write failed. */
  #problem: string | undefined;
  #retry: Timer | undefined;
  #closing: Promise<void> | undefined;

  /**
   * @param path of the file. Its directory must exist.
   * @throws AntractError `ERR_ANTRACT_STATE_FILE` if the file can't be read, is damaged, was written by a newer
   *   version, or is in use by another process.
   */
  constructor(path: string, { logger = console, clock = systemClock }: FileStoreOptions = {}) {
    if (typeof path !== 'string' || path.trim() === '') throw expected('path', 'a path', path);
    this.#path = realPath(path);
    this.#clock = clock;
    this.#logger = printableLogger(logger);
    const found = readStateFile(this.#path);
    this.#ownerBefore = found?.owner ?? null;
    if (this.#ownerBefore && isRunning(this.#ownerBefore)) {
      throw useError(this.#path, nameOf(this.#ownerBefore));
    }
    const date = clock.date();
    this.#clockOffset = startTime(found, date) - clock.now();
    this.#clockDifference = date - this.#time();
    this.#records = new Records(() => this.#time(), found);
    this.#file = new AtomicFile(this.#path, () => this.#content());
    this.#file.removeLeftovers();
    this.#opened = this.#saveWithin(OPEN_WITHIN_MS);
  }

  async load(): Promise<ReadonlyMap<string, StoredState>> {
    // The file says how much time has passed while no process ran, so it needs the new clock.
    const change = this.#clock.date() - this.#time() - this.#clockDifference;
    if (Math.abs(change) > CLOCK_CHANGE_MS && !this.#closing) void this.#save();
    return this.#records.load();
  }

  /** The write takes effect at once. Then the file is written; a failure is only a warning. */
  async publish(app: string, publication: Publication): Promise<PublishResult> {
    if (this.#closing) {
      throw new AntractError('ERR_ANTRACT_CLOSED', 'This store has been closed.', { status: 503 });
    }
    const result = this.#records.publish(app, publication);
    if (!result.published) return result;
    const problem = await this.#saveWithin(publication.withinMs / 2);
    if (problem === undefined) return result;
    const warning = `The state file ${this.#path} could not be written (${problem}), so this command would not survive a restart of antract.`;
    return { ...result, warning };
  }

  async subscribe(listener: StoreListener): Promise<() => Promise<void>> {
    // antract subscribes before it listens, so that no second process starts with the file.
    await this.#opened;
    return this.#subscriptions.add(this.#records.subscribe(listener));
  }

  /** Reports are about running processes, so they stay in memory. */
  async report(report: StoredReport, ttlMs: number, withinMs: number): Promise<void> {
    this.#records.report(report, ttlMs, withinMs);
  }

  async reports(): Promise<readonly StoredReport[]> {
    return this.#records.reports();
  }

  /** Leaves the file to the next process. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#subscriptions.endAll();
    this.#retry?.cancel();
    await this.#file.write().catch(() => undefined);
  }

  /** Continues after a restart by the clock of the machine. While the process runs, the clock is monotonic. */
  #time(): number {
    return Math.floor(this.#clock.now() + this.#clockOffset);
  }

  /** Returns why the file was not written in time. */
  async #saveWithin(limitMs: number): Promise<string | undefined> {
    let timer: Timer | undefined;
    const limit = new Promise<string>((giveUp) => {
      const why = `no success within ${Math.round(limitMs)} ms`;
      timer = this.#clock.after(limitMs, () => giveUp(why));
    });
    try {
      return await Promise.race([this.#save(), limit]);
    } finally {
      timer?.cancel();
    }
  }

  /** Returns why the file could not be written. */
  #save(): Promise<string | undefined> {
    this.#retry?.cancel();
    return this.#file.write().then(
      () => this.#onSaved(),
      (error: Error) => this.#onFailure(error),
    );
  }

  #onSaved(): undefined {
    if (this.#problem !== undefined) {
      this.#logger.info(`The state file ${this.#path} has been written again.`);
    }
    this.#problem = undefined;
  }

  #onFailure(error: Error): string {
    const isNew = this.#problem === undefined;
    this.#problem = error.message;
    const isLost = error instanceof OwnerChangedError;
    if (isNew) {
      this.#logger.warn(
        `WRN_ANTRACT_STATE_FILE: the state file ${this.#path} could not be written (${error.message}). ` +
          'Commands still work, but would not survive a restart of antract. ' +
          (isLost ? 'End one of the two processes.' : 'antract tries again every second.'),
      );
    }
    this.#retry?.cancel();
    if (!isLost && !this.#closing) {
      this.#retry = this.#clock.after(RETRY_MS, () => void this.#save());
    }
    return error.message;
  }

  async #content(): Promise<string> {
    await this.#checkOwner();
    const now = this.#time();
    const writtenAt = this.#clock.date();
    this.#clockDifference = writtenAt - now;
    const owner = this.#closing ? null : this.#owner;
    return serializeFile({ owner, writtenAt, now, ...this.#records.kept });
  }

  /** A process that could not see this one may have taken over the file. */
  async #checkOwner(): Promise<void> {
    const owner = await readOwner(this.#path);
    const known = [this.#owner.id, this.#ownerBefore?.id];
    if (owner && !known.includes(owner.id)) throw new OwnerChangedError(nameOf(owner));
  }
}

class OwnerChangedError extends Error {
  constructor(by: string) {
    super(`${by} has taken it over`);
  }
}

function nameOf(owner: FileOwner): string {
  return owner.pid === pid ? 'this process' : `process ${owner.pid}`;
}

/** A file that is missing or damaged has no owner, and is replaced. */
async function readOwner(path: string): Promise<FileOwner | null> {
  try {
    return parseFile(path, await readFile(path, 'utf8')).owner;
  } catch {
    return null;
  }
}

/** The time on the clock of the store. The clock of the machine may have been set back. */
function startTime(found: StateFile | undefined, date: number): number {
  return found ? found.now + Math.max(0, date - found.writtenAt) : date;
}
