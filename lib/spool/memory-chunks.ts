/**
 * The part of a body that is in memory, oldest bytes first.
 *
 * Small chunks are copied into one block. Otherwise a client that sends one byte at a time would cost a
 * hundred bytes of bookkeeping for each, and a few bytes from a socket's buffer would keep the whole buffer
 * in memory.
 */

const MIN_BLOCK = 1024;
const MAX_BLOCK = 16 * 1024;

export class MemoryChunks {
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** While it has free space, the last chunk is the beginning of this block. */
  #block: Buffer | undefined;
  #used = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get first(): Buffer | undefined {
    return this.#chunks[0];
  }

  all(): Buffer[] {
    return [...this.#chunks];
  }

  push(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (chunk.length < MAX_BLOCK) return this.#copyToBlock(chunk);
    this.#block = undefined;
    this.#chunks.push(chunk);
  }

  dropFront(bytes: number): void {
    let rest = Math.min(bytes, this.#bytes);
    this.#bytes -= rest;
    while (rest > 0) {
      const first = this.#chunks.shift() as Buffer;
      if (rest < first.length) this.#chunks.unshift(first.subarray(rest));
      rest -= Math.min(rest, first.length);
      // The last chunk must begin at the first byte of its block, so a block that was cut is closed.
      if (this.#chunks.length <= 1) this.#block = undefined;
    }
  }

  #copyToBlock(chunk: Buffer): void {
    if (this.#block && this.#used + chunk.length <= this.#block.length) this.#chunks.pop();
    else this.#openBlock(chunk.length);
    const block = this.#block as Buffer;
    this.#used += chunk.copy(block, this.#used);
    this.#chunks.push(block.subarray(0, this.#used));
  }

  #openBlock(minSize: number): void {
    const size = Math.min(Math.max(MIN_BLOCK, this.#bytes), MAX_BLOCK);
    this.#block = Buffer.allocUnsafeSlow(Math.max(size, minSize));
    this.#used = 0;
  }
}
