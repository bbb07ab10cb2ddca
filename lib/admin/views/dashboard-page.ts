/**
 * Puts the files of the dashboard together to one page, with a Content-Security-Policy that lets
 * nothing else run.
 *
 * The code of the page is written as modules, so that it can be read, checked and tested. Joining them
 * needs no bundler, as long as top-level names are unique and imports start at the start of a line.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Page } from './rendered.ts';

/** A module comes before the modules that use it. */
const MODULES = [
  '../../common/format',
  'words',
  'figures',
  'commands',
  'history',
  'plots',
  'chart',
  'parts',
  'client',
  'connection',
  'dialog',
  'login',
  'card',
  'apps',
  'main',
];

export interface Dashboard {
  readonly page: () => Page;
  /** The same page, which asks for the token. */
  readonly login: () => Page;
}

/** The page is made at the first request for it, because most routers never get one. */
export function createDashboard(): Dashboard {
  let made: Page | undefined;
  const page = (): Page => (made ??= createPage());
  return { page, login: () => loginPage(page()) };
}

/** Without the scheme Basic, so that the browser shows the page's own form instead of asking by itself. */
function loginPage({ body, ...page }: Page): Page {
  return {
    ...page,
    body: body.replace('<html ', '<html data-access="token" '),
    headers: { ...page.headers, 'WWW-Authenticate': 'Bearer realm="antract"' },
  };
}

function createPage(): Page {
  const read = (file: string): string =>
    readFileSync(new URL(`../dashboard/${file}`, import.meta.url), 'utf8');

  const style = `${read('uplot/dist/uPlot.min.css').trim()}\n${read('page.css')}${read('app.css')}`;
  // A classic script, because the page's own module uses the global variable that it sets.
  const library = read('uplot/dist/uPlot.iife.min.js').trim();
  const script = MODULES.map((name) => join(read(`${name}.js`))).join('');
  // Functions, because `$` has a special meaning in a replacement string.
  const body = read('page.html')
    .replace('<!-- styles -->', () => `<style>${style}</style>`)
    .replace(
      '<!-- scripts -->',
      () => `<script>${library}</script>\n    <script type="module">${script}</script>`,
    );
  return {
    type: 'text/html; charset=utf-8',
    body,
    headers: {
      'Content-Security-Policy': policy([library, script], style),
      'Referrer-Policy': 'same-origin',
      'X-Frame-Options': 'DENY',
    },
  };
}

/** Removes imports and exports from a module. */
function join(module: string): string {
  return module
    .replace(/^import [^;]*;\n/gm, '')
    .replace(/^export (?=(class|const|(async )?function) )/gm, '');
}

/** https://www.w3.org/TR/CSP3/ */
function policy(scripts: readonly string[], style: string): string {
  return [
    "default-src 'none'",
    `script-src ${scripts.map(hash).join(' ')}`,
    `style-src ${hash(style)}`,
    "connect-src 'self'",
    // For the icon.
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

function hash(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
