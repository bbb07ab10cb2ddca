/** The page for a browser whose request was rejected. It needs no JavaScript and no other file. */
import { createHash } from 'node:crypto';
import { escapeHtml } from '../../common/escape-html.ts';

export interface PageContent {
  readonly language: string;
  readonly title: string;
  readonly message: string;
  /** The language of the operator's own message is not known. */
  readonly isOwnMessage: boolean;
  /** Lines such as "Expected end: in 3 minutes". */
  readonly times: readonly string[];
  readonly note: string | undefined;
}

const STYLE =
  ':root{color-scheme:light dark}' +
  'body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1.5rem}' +
  'h1{font-size:1.4rem}';

/** The Content-Security-Policy of the page. */
export const PAGE_POLICY =
  "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; " +
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`;

export function builtInPage(page: PageContent): string {
  const { language, title, message, isOwnMessage, times, note } = page;
  return (
    `<!doctype html><html lang="${language}"><meta charset="utf-8">` +
    '<meta name="viewport" content="width=device-width">' +
    // Otherwise the browser requests an icon, which would be held.
    '<link rel="icon" href="data:,">' +
    `<title>${escapeHtml(title)}</title><style>${STYLE}</style>` +
    `<main><h1>${escapeHtml(title)}</h1>` +
    `<p${isOwnMessage ? ' lang=""' : ''}>${escapeHtml(message)}</p>` +
    (times.length > 0 ? `<p>${times.map(escapeHtml).join('<br>')}</p>` : '') +
    (note === undefined ? '' : `<p>${escapeHtml(note)}</p>`) +
    '</main></html>\n'
  );
}
