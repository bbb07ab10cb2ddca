/**
 * Whether a browser sent this request without its user meaning it: for a page of another site, or
 * ahead of a click that may never come. Knows no token: it is asked whoever is calling, as browsers
 * send loopback connections and remembered passwords along for any page.
 *
 * `Host` is compared as it arrives, so a proxy that rewrites it makes a browser's POST look foreign:
 * it is then refused, which is the safe side.
 */
import type { IncomingMessage } from 'node:http';
import { hostOf } from './request-headers.ts';

/** Sent with prefetches and prerenders, by the standard name and those that came before it. */
const SPECULATIVE = ['sec-purpose', 'purpose', 'x-purpose', 'x-moz'];

/** Decides whether to refuse a request; returns the reason as a sentence, or undefined to accept it. */
export type CrossSiteCheck = (req: IncomingMessage) => string | undefined;

/** For an endpoint that changes state. */
export const whyNotMeant: CrossSiteCheck = (req) =>
  whyForeign(req) ?? (isUnattributed(req) ? UNATTRIBUTED : undefined);

/**
 * For an event stream, which takes a place as long as it is open. The dashboard opens it with
 * EventSource, which always sends this Accept header, and adds an Origin on another site's page. A
 * frame or a link can't set Accept; fetch() can, and then `Cross-Origin-Resource-Policy` closes the
 * connection.
 */
export const whyNotOwnStream: CrossSiteCheck = (req) =>
  whyForeign(req) ??
  (isUnattributed(req) && req.headers.accept !== 'text/event-stream' ? UNATTRIBUTED : undefined);

/** For an endpoint that changes nothing but costs something: refuses what is known to be foreign. */
export const whyForeign: CrossSiteCheck = (req) => {
  if (SPECULATIVE.some((name) => req.headers[name] !== undefined)) {
    return 'A prefetch or prerender cannot use this endpoint.';
  }
  const site = req.headers['sec-fetch-site'];
  // `none` is an address typed in, or a bookmark.
  if (site !== undefined && site !== 'same-origin' && site !== 'none') {
    return 'A page of another site cannot use this endpoint (Sec-Fetch-Site).';
  }
  const { origin } = req.headers;
  if (origin !== undefined && !isOwnOrigin(origin, hostOf(req))) {
    return 'A page of another site cannot use this endpoint (Origin is not Host).';
  }
  return undefined;
};

const UNATTRIBUTED = 'This browser does not say which page asks. Use HTTPS, POST or curl.';

// Towards plain HTTP on other machines browsers leave Sec-Fetch-* out, and a GET has no Origin: an
// image of another site, fetched with the password that the browser remembers, looks like this. No
// page can change its browser's User-Agent without adding an Origin.
function isUnattributed({ headers }: IncomingMessage): boolean {
  return (
    headers['sec-fetch-site'] === undefined &&
    headers.origin === undefined &&
    /^Mozilla\//i.test(headers['user-agent'] ?? '')
  );
}

// The scheme can't be compared: behind a proxy that ends TLS it is not known here.
function isOwnOrigin(origin: string, host: string | undefined): boolean {
  if (host === undefined || !/^https?:\/\/[^/?#@\\\s]+$/i.test(origin)) return false;
  const scheme = origin.slice(0, origin.indexOf(':'));
  const own = `${scheme}://${host}`;
  return URL.canParse(origin) && URL.canParse(own) && new URL(origin).host === new URL(own).host;
}
