/**
 * The body of one request as a log: its beginning in memory, then a file, then what has not been
 * written yet. What was read of it is dropped. Knows nothing of requests and streams.
 */
import type { BudgetShare } from './budget.ts';
import { ChunkList } from './chunks.ts';
import type { SpoolDirectory } from './directory.ts';

export interface BodyEvents {
  /** There is room again for what is still to be written. */
  written(): void;
  /** The disk takes no more; nothing was lost. */
  failed(error: unknown): void;
}

export class SpoolBody {
  readonly #memory: number;
  readonly #holding: BudgetShare;
  readonly #directory: SpoolDirectory;
  readonly #events: BodyEvents;
  readonly #head = new ChunkList();
  readonly #tail = new ChunkList();
  /** Bytes of the file that were read. */
  #fileStart = 0;
  #spilling = true;
  #writing: Promise<void> | undefined;

  constructor(memory: number, holding: BudgetShare, directory: SpoolDirectory, events: BodyEvents) {
    this.#memory = memory;
    this.#holding = holding;
    this.#directory = directory;
    this.#events = events;
  }

  /** Bytes that are not on the disk, beyond the part that is meant to be in memory. */
  get waiting(): number {
    return this.#tail.bytes;
  }

  /** Everything that has not been read. */
  get bytes(): number {
    return this.#head.bytes + this.#fileBytes + this.#tail.bytes;
  }

  append(chunk: Buffer): void {
    this.#holding.take(chunk.length);
    if (this.#fitsInMemory(chunk)) return this.#head.push(chunk);
    this.#tail.push(chunk);
    this.#spill();
  }

  /** While a body is being read nothing more is written: its reader is faster than the disk. */
  stopSpilling(): void {
    this.#spilling = false;
  }

  startSpilling(): void {
    this.#spilling = true;
    this.#spill();
  }

  /**
   * The next bytes; a promise of them where they are on the disk; undefined when all is read. They
   * stay until {@link advance}: the request may be held again while the disk is busy.
   */
  next(): Buffer | Promise<Buffer | undefined> | undefined {
    if (this.#head.first) return this.#head.first;
    // What is being written now moves from the tail to the file.
    if (this.#writing) return this.#writing.then(() => this.next());
    if (this.#fileBytes === 0) return this.#tail.first;
    return this.#holding.file?.read(this.#fileStart, this.#fileBytes);
  }

  /** Drops what {@link next} gave, which has been read now. */
  advance(bytes: number): void {
    if (this.#head.bytes > 0) this.#forget(this.#head, bytes);
    else if (this.#fileBytes > 0) this.#fileStart += bytes;
    else this.#forget(this.#tail, bytes);
    if (this.#holding.file && this.#fileBytes === 0 && !this.#writing) this.#removeFile();
  }

  drop(): void {
    this.#spilling = false;
    this.#head.dropFront(Infinity);
    this.#tail.dropFront(Infinity);
    this.#holding.drop();
  }

  get #fileBytes(): number {
    return (this.#holding.file?.size ?? 0) - this.#fileStart;
  }

  #fitsInMemory(chunk: Buffer): boolean {
    const onlyHead = !this.#holding.file && !this.#writing && this.#tail.bytes === 0;
    return onlyHead && this.#head.bytes + chunk.length <= this.#memory;
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
    if (this.#holding.dropped) return;
    this.#events.written();
    // What came after the last look.
    this.#spill();
  }

  #onWriteFailed(error: unknown): void {
    this.#writing = undefined;
    if (!this.#holding.dropped) this.#events.failed(error);
  }

  #mayWrite(): boolean {
    return this.#spilling && this.#tail.bytes > 0;
  }

  async #write(): Promise<void> {
    if (!this.#holding.file) await this.#holding.attach(this.#directory.createFile());
    while (this.#mayWrite()) {
      const chunks = this.#tail.all();
      await this.#directory.claim(this.#tail.bytes);
      const written = await this.#holding.file?.append(chunks);
      if (this.#holding.dropped) return;
      this.#tail.dropFront(written ?? 0);
      this.#events.written();
    }
  }

  #forget(list: ChunkList, bytes: number): void {
    list.dropFront(bytes);
    this.#holding.give(bytes);
  }

  #removeFile(): void {
    this.#holding.removeFile();
    this.#fileStart = 0;
  }
}
