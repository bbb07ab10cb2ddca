/**
 * Bytes in memory, oldest first. Knows nothing of requests and files.
 *
 * Small chunks are copied together: a client that sends one byte at a time would otherwise cost a
 * hundred bytes of bookkeeping for each, and a few bytes cut from a socket's buffer would keep the
 * whole of it in memory.
 */

const SMALLEST_BLOCK = 1024;
const LARGEST_BLOCK = 16 * 1024;

export class ChunkList {
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** The block that the last chunk is the beginning of, while it has room. */
  #block: Buffer | undefined;
  #used = 0;

  get bytes(): number {
    return this.#bytes;
  }

  push(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (chunk.length < LARGEST_BLOCK) return this.#pack(chunk);
    this.#block = undefined;
    this.#chunks.push(chunk);
  }

  get first(): Buffer | undefined {
    return this.#chunks[0];
  }

  all(): Buffer[] {
    return [...this.#chunks];
  }

  dropFront(bytes: number): void {
    let rest = Math.min(bytes, this.#bytes);
    this.#bytes -= rest;
    while (rest > 0) {
      const first = this.#chunks.shift() as Buffer;
      if (rest < first.length) this.#chunks.unshift(first.subarray(rest));
      rest -= Math.min(rest, first.length);
      // The view of an open block always begins at its first byte, so a block that was cut is closed.
      if (this.#chunks.length <= 1) this.#block = undefined;
    }
  }

  #pack(chunk: Buffer): void {
    if (this.#block && this.#used + chunk.length <= this.#block.length) this.#chunks.pop();
    else this.#openBlock(chunk.length);
    const block = this.#block as Buffer;
    this.#used += chunk.copy(block, this.#used);
    this.#chunks.push(block.subarray(0, this.#used));
  }

  #openBlock(atLeast: number): void {
    const wanted = Math.min(Math.max(SMALLEST_BLOCK, this.#bytes), LARGEST_BLOCK);
    this.#block = Buffer.allocUnsafeSlow(Math.max(wanted, atLeast));
    this.#used = 0;
  }
}
