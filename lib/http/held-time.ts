/** How long a request was held, as told to the log, the backend and the client. */
import type { ServerResponse } from 'node:http';
import type { AntractRequest } from '../options/options.ts';
import { contextOf, findContext } from './request-context.ts';

/** Tells the backend how long the request was held. Clients can't send it. */
const HELD_HEADER = 'x-antract-held-ms';

/**
 * How long a request was held, in milliseconds. Undefined if it was not held.
 *
 * @example
 * app.use((req, res, next) => {
 *   logger.info({ url: req.url, heldMs: heldMs(req) });
 *   next();
 * });
 */
export function heldMs(req: AntractRequest): number | undefined {
  return findContext(req)?.heldMs;
}

/** @param passes whether the request now goes to the backend. */
export function noteHeld(req: AntractRequest, ms: number, passes: boolean): void {
  contextOf(req).heldMs = ms;
  if (passes) req.headers[HELD_HEADER] = String(ms);
}

/** Removes the header in every spelling: CGI, WSGI and Rack turn each `-` into `_`. */
export function removeForgedHeader(req: AntractRequest): void {
  const { rawHeaders } = req;
  for (let i = rawHeaders.length - 2; i >= 0; i -= 2) {
    const name = rawHeaders[i] as string;
    // Few headers have this length, so most are not compared.
    if (name.length !== HELD_HEADER.length || !isHeldHeader(name)) continue;
    delete req.headers[name.toLowerCase()];
    rawHeaders.splice(i, 2);
  }
}

/** https://www.w3.org/TR/server-timing/ */
export function addServerTiming(req: AntractRequest, res: ServerResponse): void {
  const own = `antract;dur=${heldMs(req) ?? 0}`;
  // The backend may have sent one.
  const others = res.getHeader('Server-Timing');
  res.setHeader('Server-Timing', others === undefined ? own : `${String(others)}, ${own}`);
}

function isHeldHeader(name: string): boolean {
  return name.toLowerCase().replaceAll('_', '-') === HELD_HEADER;
}
