/** A client for server-sent events that a test reads one by one. */
import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import type { Transition } from '../../lib/registry/transition.ts';
import type { AppStatus } from '../../lib/index.ts';

export interface Message {
  id: string;
  apps: AppStatus[];
}

export class EventStream {
  readonly res: IncomingMessage;
  readonly ended: Promise<unknown>;
  readonly transitions: Transition[] = [];
  readonly #messages: Message[] = [];
  #text = '';
  #wake: () => void = () => undefined;

  constructor(res: IncomingMessage) {
    this.res = res;
    this.ended = once(res, 'close');
    res.on('error', () => undefined);
    res.on('data', (chunk: Buffer) => this.#read(chunk.toString()));
  }

  /** The next message, if need be after a wait. */
  async next(): Promise<Message> {
    for (;;) {
      const message = this.#messages.shift();
      if (message) return message;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async until(isWanted: (status: AppStatus) => boolean): Promise<Message> {
    for (;;) {
      const message = await this.next();
      if (message.apps.some(isWanted)) return message;
    }
  }

  leave(): void {
    this.res.destroy();
  }

  #read(more: string): void {
    const blocks = (this.#text + more).split('\n\n');
    this.#text = blocks.pop() as string;
    for (const block of blocks) {
      const id = /^id: (.+)$/m.exec(block)?.[1] ?? '';
      const data = /^data: (.+)$/m.exec(block)?.[1] ?? '';
      if (block.startsWith('event: transitions\n')) {
        this.transitions.push(...(JSON.parse(data) as Transition[]));
        continue;
      }
      this.#messages.push({ id, ...(JSON.parse(data) as { apps: AppStatus[] }) });
    }
    this.#wake();
  }
}

/** Resolves when the answer has begun. */
export async function openStream(url: string, headers = {}): Promise<EventStream> {
  const req = http.get(url, { agent: false, headers });
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  return new EventStream(res);
}
