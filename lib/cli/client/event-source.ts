/** Reads server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
import type { IncomingMessage } from 'node:http';

export interface ServerEvent {
  /** `message` if the server gives no name. */
  readonly name: string;
  readonly data: string;
}

/** More than the server sends at once. */
const MAX_EVENT_LENGTH = 2 ** 24;

/** Ends when the response does. @throws if the connection is lost. */
export async function* readEvents(response: IncomingMessage): AsyncGenerator<ServerEvent> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
    const blocks = (text + chunk).split('\n\n');
    text = blocks.pop() ?? '';
    if (text.length > MAX_EVENT_LENGTH) throw new Error('an event is longer than 16 MiB');
    for (const block of blocks) yield parseEvent(block);
  }
}

function parseEvent(block: string): ServerEvent {
  const field = (name: string): string[] =>
    block
      .split('\n')
      .filter((line) => line.startsWith(`${name}: `))
      .map((line) => line.slice(name.length + 2));
  return { name: field('event')[0] ?? 'message', data: field('data').join('\n') };
}
