/** The page for a browser whose request was rejected. It needs no JavaScript and no other file. */
import { createHash } from 'node:crypto';

export interface PageContent {
  readonly title: string;
  readonly detail: string;
  /** Seconds until the page reloads itself; undefined if it does not. */
  readonly reloadAfter: number | undefined;
  /** The request has sent something, such as a form, that was not processed. */
  readonly wasSent: boolean;
}

const STYLE =
  ':root{color-scheme:light dark}' +
  'body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1.5rem}' +
  'h1{font-size:1.4rem}';

/** The Content-Security-Policy of the page. */
export const PAGE_POLICY =
  "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; " +
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`;

export function builtInPage({ title, detail, reloadAfter, wasSent }: PageContent): string {
  const reloads = reloadAfter !== undefined;
  return (
    '<!doctype html><html lang="en"><meta charset="utf-8">' +
    '<meta name="viewport" content="width=device-width">' +
    (reloads ? `<meta http-equiv="refresh" content="${reloadAfter}">` : '') +
    `<title>${escapeHtml(title)}</title><style>${STYLE}</style>` +
    `<h1>${escapeHtml(title)}</h1><p>${escapeHtml(detail)}</p>` +
    (reloads ? '<p>This page reloads by itself.</p>' : '') +
    (wasSent ? '<p>What you sent was not processed. Please go back and send it again.</p>' : '') +
    '</html>\n'
  );
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
