/** Which requests come from a browser that navigates to a page. */
import type { IncomingMessage } from 'node:http';
import { hasBody } from '../common/request.ts';

/** Browsers announce a navigation (Fetch Metadata). Older browsers accept HTML first. */
export function wantsPage(req: IncomingMessage): boolean {
  const mode = req.headers['sec-fetch-mode'];
  if (mode !== undefined) return mode === 'navigate';
  return /^\s*(text\/html|application\/xhtml\+xml)/i.test(req.headers.accept ?? '');
}

/** Whether a page can answer the request, and the browser can repeat it. */
export function isNavigation(req: IncomingMessage): boolean {
  const { method, headers } = req;
  return method === 'GET' && headers.upgrade === undefined && wantsPage(req) && !hasBody(req);
}
