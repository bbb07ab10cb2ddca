/**
 * The dashboard as one page that asks nobody else for anything: puts its files together, and says in
 * its Content-Security-Policy that nothing else is to run. Knows files and no state.
 *
 * The page's code is written as modules, so that it can be read, checked and tested. Joining them
 * needs no bundler, as long as names differ throughout and imports stand at the start of a line.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Page } from './status-text.ts';

/** What is used comes before what uses it. */
const MODULES = ['format', 'words', 'history', 'chart', 'connection', 'dialog', 'card', 'main'];

/** Returns what makes the page, at the first call: most routers are never asked for it. */
export function createDashboard(): () => Page {
  let page: Page | undefined;
  return () => (page ??= createPage());
}

function createPage(): Page {
  const own = (file: string): string =>
    readFileSync(new URL(`../dashboard/${file}`, import.meta.url), 'utf8');

  const style = `${own('uplot/dist/uPlot.min.css').trim()}\n${own('page.css')}`;
  // A classic script, as the variable that it makes is to be seen by the next one.
  const library = own('uplot/dist/uPlot.iife.min.js').trim();
  const script = MODULES.map((name) => join(own(`${name}.js`))).join('');
  // Functions, as `$` means something in a replacement that is a string.
  const body = own('page.html')
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

/** A module's text as a part of a larger one. */
function join(module: string): string {
  return module
    .replace(/^import [^;]*;\n/gm, '')
    .replace(/^export (?=(class|const|function) )/gm, '');
}

/** https://www.w3.org/TR/CSP3/ */
function policy(scripts: readonly string[], style: string): string {
  return [
    "default-src 'none'",
    `script-src ${scripts.map(hash).join(' ')}`,
    `style-src ${hash(style)}`,
    "connect-src 'self'",
    // The icon.
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

function hash(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
