/** Merges several streams of lines into one stream, without mixing two lines. */
import type { Readable, Writable } from 'node:stream';

const NEWLINE = 0x0a;

export class LineOutput {
  readonly #target: Writable;
  readonly #sources = new Set<Readable>();
  #isClosed = false;

  constructor(target: Writable) {
    this.#target = target;
    target.on('drain', () => {
      for (const source of this.#sources) source.resume();
    });
    // The reader has ended (`antract serve | head`). Keep serving.
    target.on('error', () => this.drop());
  }

  /** Drops all further lines, but keeps reading the sources, so that a full pipe does not block a worker. */
  drop(): void {
    this.#isClosed = true;
    for (const source of this.#sources) source.resume();
  }

  add(source: Readable | null): void {
    if (!source) return;
    let incomplete: Buffer = Buffer.alloc(0);
    this.#sources.add(source);
    source.on('data', (chunk: Buffer) => {
      const all = incomplete.length === 0 ? chunk : Buffer.concat([incomplete, chunk]);
      const end = all.lastIndexOf(NEWLINE) + 1;
      incomplete = all.subarray(end);
      this.#write(all.subarray(0, end));
    });
    source.once('close', () => {
      this.#sources.delete(source);
      // A killed worker may have written a part of a line.
      if (incomplete.length > 0) this.#write(Buffer.concat([incomplete, Buffer.from('\n')]));
    });
  }

  #write(lines: Buffer): void {
    if (this.#isClosed || lines.length === 0) return;
    if (this.#target.write(lines)) return;
    for (const source of this.#sources) source.pause();
  }
}
