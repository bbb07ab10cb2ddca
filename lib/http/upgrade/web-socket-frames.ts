/**
 * Finds the ends of a WebSocket's frames (RFC 6455, 5.2), so that a close frame can be sent between two
 * others. Pure: it only sees bytes.
 */

/** A close frame, from a server: 1012 is "service restart" in the IANA registry. */
export const SERVICE_RESTART_FRAME: Buffer = closeFrame(1012, 'service restart');

function closeFrame(code: number, reason: string): Buffer {
  const text = Buffer.from(reason);
  const head = Buffer.from([0x88, 2 + text.length, code >> 8, code & 0xff]);
  return Buffer.concat([head, text]);
}

const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})/;

const SWITCHING = 101;

/** Longer than the response to any handshake. */
const MAX_HEAD = 64 * 1024;

/** The first two bytes of a frame say how long the rest of its header is. */
const SHORTEST_HEADER = 2;

/** The status of a response that begins with this text. 0 if it is no HTTP response. */
export function parseStatus(head: string): number {
  return Number(STATUS_LINE.exec(head)?.[1] ?? 0);
}

/** Follows what a server sends: the response to the handshake, then frames. Allocates nothing per frame. */
export class FrameTracker {
  /** The head of the handshake's response so far. Undefined when it is complete. */
  #head: string | undefined = '';
  #status = 0;
  /** How many bytes of the current frame's header have passed, of how many. */
  #headerSeen = 0;
  #headerLength = SHORTEST_HEADER;
  /** Where the payload length ends in that header. The mask follows. */
  #lengthEnd = SHORTEST_HEADER;
  #payloadLeft = 0;

  /** Whether the head of the handshake's response is complete, with any status. */
  get isAnswered(): boolean {
    return this.#head === undefined;
  }

  /** The status of the handshake's response. 0 until its head is complete, or if it is no HTTP response. */
  get status(): number {
    return this.#status;
  }

  /** Whether frames are being sent. */
  get isOpen(): boolean {
    return this.#status === SWITCHING;
  }

  /** Whether the next byte would begin a frame. */
  get isBetweenFrames(): boolean {
    return this.isOpen && this.#headerSeen === 0 && this.#payloadLeft === 0;
  }

  /** Takes bytes up to the end of the first frame that ends in them. Returns how many it took. */
  take(bytes: Uint8Array): number {
    return this.#take(bytes, 0);
  }

  /** Takes all of them. */
  takeAll(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at = this.#take(bytes, at);
  }

  /** Returns where it stopped. */
  #take(bytes: Uint8Array, from: number): number {
    if (!this.isAnswered) return from + this.#takeHead(bytes.subarray(from));
    if (!this.isOpen) return bytes.length;
    let at = from;
    while (at < bytes.length) {
      if (this.#headerSeen === 0 && this.#payloadLeft > 0) {
        const taken = Math.min(bytes.length - at, this.#payloadLeft);
        this.#payloadLeft -= taken;
        at += taken;
      } else this.#takeHeaderByte(bytes[at++] ?? 0);
      if (this.isBetweenFrames) break;
    }
    return at;
  }

  #takeHead(bytes: Uint8Array): number {
    const before = this.#head?.length ?? 0;
    const text = this.#head + Buffer.from(bytes).toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end < 0 && text.length < MAX_HEAD) {
      this.#head = text;
      return bytes.length;
    }
    const status = end < 0 ? 0 : parseStatus(text);
    // The final response follows the informational ones.
    const isInformational = status >= 100 && status < 200 && status !== SWITCHING;
    this.#head = isInformational ? '' : undefined;
    this.#status = isInformational ? 0 : status;
    return end < 0 ? bytes.length : end + 4 - before;
  }

  #takeHeaderByte(byte: number): void {
    const index = this.#headerSeen++;
    if (index === 1) this.#readLength(byte);
    else if (index > 1 && index < this.#lengthEnd) {
      this.#payloadLeft = this.#payloadLeft * 256 + byte;
    }
    if (this.#headerSeen < this.#headerLength) return;
    this.#headerSeen = 0;
    this.#headerLength = SHORTEST_HEADER;
  }

  #readLength(byte: number): void {
    const length = byte & 0x7f;
    const extended = length === 127 ? 8 : length === 126 ? 2 : 0;
    this.#lengthEnd = SHORTEST_HEADER + extended;
    this.#headerLength = this.#lengthEnd + (byte & 0x80 ? 4 : 0);
    this.#payloadLeft = extended === 0 ? length : 0;
  }
}
