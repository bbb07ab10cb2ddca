/** Limits how many bytes one instance may spool, and counts the share of each request. */
import type { SpoolFile } from './spool-file.ts';
import type { SpoolWarnings } from './warnings.ts';

export class Budget {
  readonly #limit: number;
  readonly #warnings: SpoolWarnings;
  /** Files that are being opened or removed. */
  readonly #pending = new Set<Promise<void>>();
  /**
   * Frees the share of a request that was collected as garbage. That happens when a handler drops a request
   * whose body it has read in part.
   */
  readonly #abandoned = new FinalizationRegistry<BudgetShare>((share) => share.drop());
  #bytes = 0;
  #files = 0;

  constructor(limit: number, warnings: SpoolWarnings) {
    this.#limit = limit;
    this.#warnings = warnings;
  }

  /** Bytes that are spooled now, in memory and on disk. */
  get bytes(): number {
    return this.#bytes;
  }

  get files(): number {
    return this.#files;
  }

  get isExhausted(): boolean {
    return this.#bytes >= this.#limit;
  }

  /** The share of one request. It is dropped at the latest when the request is collected as garbage. */
  openShare(req: object): BudgetShare {
    const share = new BudgetShare(this);
    this.#abandoned.register(req, share, share);
    return share;
  }

  closeShare(share: BudgetShare): void {
    this.#abandoned.unregister(share);
  }

  count(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Counts a file once it is open. */
  open(opening: Promise<SpoolFile>, onOpen: (file: SpoolFile) => void): Promise<void> {
    const opened = opening.then((file) => {
      this.#files += 1;
      onOpen(file);
    });
    this.#await(opened);
    return opened;
  }

  remove(file: SpoolFile): void {
    const removed = file.remove().catch((error: unknown) => this.#warnings.diskFailed(error));
    this.#await(removed.finally(() => (this.#files -= 1)));
  }

  /** Resolves when no file is being opened or removed. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  #await(work: Promise<unknown>): void {
    const settle = (): void => void this.#pending.delete(done);
    const done: Promise<void> = work.then(settle, settle);
    this.#pending.add(done);
  }
}

/**
 * The share of one request: bytes of the budget, and perhaps a file. It has no reference to the request, so
 * that the request can be collected as garbage and its share be freed.
 */
export class BudgetShare {
  readonly #budget: Budget;
  #bytes = 0;
  #file: SpoolFile | undefined;
  #isDropped = false;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  get file(): SpoolFile | undefined {
    return this.#file;
  }

  get isDropped(): boolean {
    return this.#isDropped;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    this.#budget.count(bytes);
  }

  subtract(bytes: number): void {
    this.add(-bytes);
  }

  /** The share may be dropped before the file is open. */
  openFile(opening: Promise<SpoolFile>): Promise<void> {
    return this.#budget.open(opening, (file) => {
      if (this.#isDropped) this.#budget.remove(file);
      else this.#file = file;
    });
  }

  /** Bytes in the file are counted until here, because they take space on the disk until here. */
  removeFile(): void {
    if (!this.#file) return;
    this.subtract(this.#file.size);
    this.#budget.remove(this.#file);
    this.#file = undefined;
  }

  drop(): void {
    if (this.#isDropped) return;
    this.#isDropped = true;
    if (this.#file) this.#budget.remove(this.#file);
    this.#file = undefined;
    this.subtract(this.#bytes);
    this.#budget.closeShare(this);
  }
}
