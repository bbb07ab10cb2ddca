/**
 * One client with one request on a raw socket, whose body goes out in as many parts as a test likes.
 * Knows its own end of the connection, and nothing of servers.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net, { type Socket } from 'node:net';

/** More than a server's stream buffers, and more than the spool of a test keeps in memory. */
const PART = 30 * 1024;
export const PARTS = 3;

export type Body = 'none' | 'whole' | 'parts';

export interface ClientOutcome {
  /** The status of the answer; or who ended the connection without one. */
  readonly end: number | 'left' | 'broken';
  readonly body: string;
}

export class RawClient {
  readonly id: number;
  readonly outcome: Promise<ClientOutcome>;
  readonly sha256: string;
  readonly #socket: Socket;
  readonly #body: Body;
  readonly #parts: Buffer[];
  #left = false;

  private constructor(id: number, body: Body, socket: Socket) {
    this.id = id;
    this.#socket = socket;
    this.#parts = body === 'none' ? [] : Array.from({ length: PARTS }, () => randomBytes(PART));
    this.sha256 = createHash('sha256').update(Buffer.concat(this.#parts)).digest('hex');
    this.outcome = this.#read();
    this.#body = body;
  }

  static async connect(id: number, body: Body, port: number): Promise<RawClient> {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return new RawClient(id, body, socket);
  }

  /** Sends the head, and of the body what belongs to it. */
  begin(): void {
    const length = this.#parts.length * PART;
    this.#socket.write(`POST /${this.id} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`);
    if (this.#body === 'whole') this.sendRest();
    if (this.#body === 'parts') this.sendPart();
  }

  get isSent(): boolean {
    return this.#parts.length === 0;
  }

  sendPart(): void {
    const part = this.#parts.shift();
    if (part) this.#socket.write(part);
  }

  sendRest(): void {
    while (!this.isSent) this.sendPart();
  }

  leave(abruptly: boolean): void {
    this.#left = true;
    if (abruptly) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  async #read(): Promise<ClientOutcome> {
    let text = '';
    const closed = once(this.#socket, 'close');
    const answered = new Promise<void>((resolve) => {
      this.#socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
        if (isWhole(text)) resolve();
      });
    });
    await Promise.race([answered, closed]);
    if (!isWhole(text)) return { end: this.#left ? 'left' : 'broken', body: '' };
    const [head = '', body = ''] = text.split('\r\n\r\n');
    return { end: Number(head.split(' ')[1]), body };
  }
}

function isWhole(text: string): boolean {
  const [head, body] = text.split('\r\n\r\n');
  if (head === undefined || body === undefined) return false;
  return body.length >= Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? Infinity);
}
