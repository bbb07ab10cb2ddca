/**
 * The part of engine.io's protocol (https://socket.io/docs/v4/engine-io-protocol/) that matters to a drain. A
 * client begins with polls and upgrades to a WebSocket: it sends `2probe`, receives `3probe`, waits for the end
 * of its poll, and sends `5`. Until then it does not notice the end of the WebSocket. After the poll it does not
 * poll again, so it hangs until its ping timeout (45 s by default).
 */
import { pathOf, queryOf, type RequestLine } from '../../common/request.ts';

/** The size of the frame with `2probe`, masked like all client frames. More bytes include the `5`. */
export const PROBE_BYTES = 2 + 4 + '2probe'.length;

/** The server path and session of an engine.io request. Undefined for any other request. */
export function engineIoSession(request: RequestLine): string | undefined {
  const query = new URLSearchParams(queryOf(request));
  const sid = query.get('sid');
  return sid !== null && query.has('EIO') ? `${pathOf(request)} ${sid}` : undefined;
}
