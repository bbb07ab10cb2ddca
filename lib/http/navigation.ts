/** Which requests come from a browser that navigates to a page. */
import type { IncomingMessage } from 'node:http';

/** Browsers announce a navigation (Fetch Metadata). Older browsers accept HTML first. */
export function wantsPage(req: IncomingMessage): boolean {
  const mode = req.headers['sec-fetch-mode'];
  if (mode !== undefined) return mode === 'navigate';
  return /^\s*(text\/html|application\/xhtml\+xml)/i.test(req.headers.accept ?? '');
}
