/**
 * The body of one request as a log: its beginning in memory, then a file, then in memory the bytes that are
 * not written yet. Bytes that were read are dropped.
 */
import type { BudgetShare } from './budget.ts';
import { MemoryChunks } from './memory-chunks.ts';
import type { SpoolDirectory } from './spool-directory.ts';

export interface SpooledBodyDeps {
  /** How many bytes stay in memory. Further bytes go to a file. */
  readonly memory: number;
  readonly share: BudgetShare;
  readonly directory: SpoolDirectory;
}

export interface SpooledBodyListener {
  /** Bytes were written to the disk, so that there is room for more. */
  onWritten(): void;
  /** The disk accepts no more bytes. Nothing was lost. */
  onWriteFailed(error: unknown): void;
}

export class SpooledBody {
  readonly #memory: number;
  readonly #share: BudgetShare;
  readonly #directory: SpoolDirectory;
  readonly #listener: SpooledBodyListener;
  /** The beginning, which stays in memory. */
  readonly #head = new MemoryChunks();
  /** The end, which is still to be written to the file. */
  readonly #tail = new MemoryChunks();
  /** Bytes of the file that were read. */
  #fileStart = 0;
  #isSpilling = true;
  #writing: Promise<void> | undefined;

  constructor({ memory, share, directory }: SpooledBodyDeps, listener: SpooledBodyListener) {
    this.#memory = memory;
    this.#share = share;
    this.#directory = directory;
    this.#listener = listener;
  }

  /** Bytes in memory that are still to be written to the file. */
  get unwrittenBytes(): number {
    return this.#tail.bytes;
  }

  /** All bytes that were not read. */
  get bytes(): number {
    return this.#head.bytes + this.#fileBytes + this.#tail.bytes;
  }

  append(chunk: Buffer): void {
    this.#share.add(chunk.length);
    if (this.#fitsInMemory(chunk)) return this.#head.push(chunk);
    this.#tail.push(chunk);
    this.#spill();
  }

  /** Stops writing to the file. While a body is being read, its reader is faster than the disk. */
  stopSpilling(): void {
    this.#isSpilling = false;
  }

  startSpilling(): void {
    this.#isSpilling = true;
    this.#spill();
  }

  /**
   * The next bytes, or a promise of them if they are on the disk; undefined if all bytes were read. They stay
   * in the log until {@link advance}, because the request may be held again while the disk is busy.
   */
  next(): Buffer | Promise<Buffer | undefined> | undefined {
    if (this.#head.first) return this.#head.first;
    // Bytes that are being written move from the tail to the file.
    if (this.#writing) return this.#writing.then(() => this.next());
    if (this.#fileBytes === 0) return this.#tail.first;
    return this.#share.file?.read(this.#fileStart, this.#fileBytes);
  }

  /** Drops the bytes that {@link next} returned. */
  advance(bytes: number): void {
    if (this.#head.bytes > 0) this.#drop(this.#head, bytes);
    else if (this.#fileBytes > 0) this.#fileStart += bytes;
    else this.#drop(this.#tail, bytes);
    if (this.#share.file && this.#fileBytes === 0 && !this.#writing) this.#removeFile();
  }

  dropAll(): void {
    this.#isSpilling = false;
    this.#head.dropFront(Infinity);
    this.#tail.dropFront(Infinity);
    this.#share.drop();
  }

  get #fileBytes(): number {
    return (this.#share.file?.size ?? 0) - this.#fileStart;
  }

  #fitsInMemory(chunk: Buffer): boolean {
    const isAllInMemory = !this.#share.file && !this.#writing && this.#tail.bytes === 0;
    return isAllInMemory && this.#head.bytes + chunk.length <= this.#memory;
  }

  #spill(): void {
    if (this.#writing || !this.#mayWrite()) return;
    this.#writing = this.#write().then(
      () => this.#onWritten(),
      (error: unknown) => this.#onWriteFailed(error),
    );
  }

  #onWritten(): void {
    this.#writing = undefined;
    if (this.#share.isDropped) return;
    this.#listener.onWritten();
    // Writes the bytes that arrived after the last check.
    this.#spill();
  }

  #onWriteFailed(error: unknown): void {
    this.#writing = undefined;
    if (!this.#share.isDropped) this.#listener.onWriteFailed(error);
  }

  #mayWrite(): boolean {
    return this.#isSpilling && this.#tail.bytes > 0;
  }

  async #write(): Promise<void> {
    if (!this.#share.file) await this.#share.openFile(this.#directory.createFile());
    while (this.#mayWrite()) {
      const chunks = this.#tail.all();
      await this.#directory.claim(this.#tail.bytes);
      const written = await this.#share.file?.append(chunks);
      if (this.#share.isDropped) return;
      this.#tail.dropFront(written ?? 0);
      this.#listener.onWritten();
    }
  }

  #drop(chunks: MemoryChunks, bytes: number): void {
    chunks.dropFront(bytes);
    this.#share.subtract(bytes);
  }

  #removeFile(): void {
    this.#share.removeFile();
    this.#fileStart = 0;
  }
}
