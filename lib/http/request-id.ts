/** The id of a request, by which its log lines in several systems are found. */
import type { IncomingMessage } from 'node:http';

export const REQUEST_ID = 'x-request-id';

/** Covers the ids that proxies generate. The id is copied to headers and logs, so its length has a limit. */
const VALID = /^[\w.:+/=@-]{1,128}$/;

/** The id that the request has; undefined if it has none, or one that is not valid. */
export function requestIdOf({ headers }: IncomingMessage): string | undefined {
  const id = headers[REQUEST_ID];
  return typeof id === 'string' && VALID.test(id) ? id : undefined;
}
