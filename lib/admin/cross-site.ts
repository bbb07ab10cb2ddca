/**
 * Whether a browser sent this request without its user meaning it: for a page of another site, or
 * ahead of a click that may never come. Knows no token: it is asked whoever is calling, as browsers
 * send loopback connections and remembered passwords along for any page.
 *
 * `Host` is compared as it arrives, so a proxy that rewrites it makes a browser's POST look foreign:
 * it is then refused, which is the safe side.
 */
import type { IncomingMessage } from 'node:http';
import { hostOf } from './headers.ts';

/** Sent with prefetches and prerenders, by the standard name and those that came before it. */
const SPECULATIVE = ['sec-purpose', 'purpose', 'x-purpose', 'x-moz'];

/** Why a state change is not taken from this request, as a sentence; undefined when it is. */
export function whyNotMeant(req: IncomingMessage): string | undefined {
  if (SPECULATIVE.some((name) => req.headers[name] !== undefined)) {
    return 'A prefetch or prerender cannot change state.';
  }
  const site = req.headers['sec-fetch-site'];
  // `none` is an address typed in, or a bookmark.
  if (site !== undefined && site !== 'same-origin' && site !== 'none') {
    return 'A page of another site cannot change state (Sec-Fetch-Site).';
  }
  const { origin } = req.headers;
  if (origin !== undefined && !isOwnOrigin(origin, hostOf(req))) {
    return 'A page of another site cannot change state (Origin is not Host).';
  }
  if (site === undefined && origin === undefined && isBrowser(req)) {
    return 'This browser does not say which page asks. Use HTTPS, POST or curl.';
  }
  return undefined;
}

// Towards plain HTTP on other machines browsers leave Sec-Fetch-* out, and a GET has no Origin: an
// image of another site, fetched with the password that the browser remembers, looks like this. No
// page can change its browser's User-Agent without adding an Origin.
function isBrowser(req: IncomingMessage): boolean {
  return /^Mozilla\//i.test(req.headers['user-agent'] ?? '');
}

// The scheme can't be compared: behind a proxy that ends TLS it is not known here.
function isOwnOrigin(origin: string, host: string | undefined): boolean {
  if (host === undefined || !/^https?:\/\/[^/?#@\\\s]+$/i.test(origin)) return false;
  const scheme = origin.slice(0, origin.indexOf(':'));
  const own = `${scheme}://${host}`;
  return URL.canParse(origin) && URL.canParse(own) && new URL(origin).host === new URL(own).host;
}
