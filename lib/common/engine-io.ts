/**
 * The part of engine.io's protocol (https://socket.io/docs/v4/engine-io-protocol/) that a drain has to
 * know. A client begins with polls and moves to a WebSocket: it sends `2probe`, receives `3probe`, waits
 * for the end of its poll, and sends `5`. Until then it does not notice that the WebSocket ends, and after
 * the poll it polls no more, so it hangs until its ping timeout (45 s by default). Pure.
 */
import { pathOf, queryOf, type RequestLine } from './request.ts';

/** The frame with `2probe`, masked as all frames of clients are. What is longer has a `5` in it. */
export const PROBE_BYTES = 2 + 4 + '2probe'.length;

/** Which session of which server a request of engine.io belongs to. Undefined for any other request. */
export function engineIoSession(request: RequestLine): string | undefined {
  const query = new URLSearchParams(queryOf(request));
  const sid = query.get('sid');
  return sid !== null && query.has('EIO') ? `${pathOf(request)} ${sid}` : undefined;
}
