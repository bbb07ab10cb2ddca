/**
 * Several streams of lines become one in which no line has another one within. Knows nothing of what
 * they say.
 */
import type { Readable, Writable } from 'node:stream';

const NEWLINE = 0x0a;

export class LineOutput {
  readonly #target: Writable;
  readonly #sources = new Set<Readable>();
  #isGone = false;

  constructor(target: Writable) {
    this.#target = target;
    target.on('drain', () => {
      for (const source of this.#sources) source.resume();
    });
    // Whoever read the lines has gone (`antract serve | head`): that is no reason to stop serving, and
    // those who write them must not be stopped by a full pipe.
    target.on('error', () => {
      this.#isGone = true;
      for (const source of this.#sources) source.resume();
    });
  }

  add(source: Readable | null): void {
    if (!source) return;
    let rest: Buffer = Buffer.alloc(0);
    this.#sources.add(source);
    source.on('data', (chunk: Buffer) => {
      const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const end = all.lastIndexOf(NEWLINE) + 1;
      rest = all.subarray(end);
      this.#write(all.subarray(0, end));
    });
    source.once('close', () => {
      this.#sources.delete(source);
      // It was killed within a line.
      if (rest.length > 0) this.#write(Buffer.concat([rest, Buffer.from('\n')]));
    });
  }

  #write(lines: Buffer): void {
    if (this.#isGone || lines.length === 0) return;
    if (this.#target.write(lines)) return;
    for (const source of this.#sources) source.pause();
  }
}
