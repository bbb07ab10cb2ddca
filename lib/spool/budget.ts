/**
 * How many bytes one instance may spool, and what each request holds of them. Knows no request.
 */
import type { SpoolFile } from './file.ts';

export class Budget {
  readonly #limit: number;
  readonly #onRemoveError: (error: unknown) => void;
  readonly #pending = new Set<Promise<void>>();
  #bytes = 0;
  #files = 0;

  constructor(limit: number, onRemoveError: (error: unknown) => void) {
    this.#limit = limit;
    this.#onRemoveError = onRemoveError;
  }

  /** Spooled now, in memory and on disk. */
  get bytes(): number {
    return this.#bytes;
  }

  get files(): number {
    return this.#files;
  }

  get exhausted(): boolean {
    return this.#bytes >= this.#limit;
  }

  count(bytes: number): void {
    this.#bytes += bytes;
  }

  fileOpened(): void {
    this.#files += 1;
  }

  removeFile(file: SpoolFile): void {
    const removed = file.remove().catch(this.#onRemoveError);
    this.await(removed.finally(() => (this.#files -= 1)));
  }

  /** Makes {@link settled} wait for this as well. */
  await(work: Promise<unknown>): void {
    const settle = (): void => void this.#pending.delete(done);
    const done: Promise<void> = work.then(settle, settle);
    this.#pending.add(done);
  }

  /** Resolves when every file that was being opened is, and every one that was to be removed. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }
}

/**
 * What one request holds: bytes of the budget, and perhaps a file. Apart from the spool that uses
 * it, and without a way back to the request, so that it can be given back when a handler drops a
 * request half-read and the request is collected as garbage.
 */
export class BudgetShare {
  readonly #budget: Budget;
  #bytes = 0;
  #file: SpoolFile | undefined;
  #dropped = false;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  get file(): SpoolFile | undefined {
    return this.#file;
  }

  get dropped(): boolean {
    return this.#dropped;
  }

  take(bytes: number): void {
    this.#bytes += bytes;
    this.#budget.count(bytes);
  }

  give(bytes: number): void {
    this.take(-bytes);
  }

  /** The request may have gone by the time that the file is open. */
  attach(opening: Promise<SpoolFile>): Promise<void> {
    const attached = opening.then((file) => {
      this.#budget.fileOpened();
      if (this.#dropped) this.#budget.removeFile(file);
      else this.#file = file;
    });
    this.#budget.await(attached);
    return attached;
  }

  /** The bytes in the file stay counted until here, as they stay on the disk. */
  removeFile(): void {
    if (!this.#file) return;
    this.give(this.#file.size);
    this.#budget.removeFile(this.#file);
    this.#file = undefined;
  }

  drop(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    if (this.#file) this.#budget.removeFile(this.#file);
    this.#file = undefined;
    this.give(this.#bytes);
  }
}
