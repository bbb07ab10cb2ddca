/**
 * Recognizes requests that a browser sends without the intent of its user: for a page of another site,
 * or as a prefetch. A valid token is no proof of intent, because browsers send remembered passwords, and
 * open loopback connections, for any page.
 *
 * `Host` is compared as it arrives. If a proxy rewrites it, a browser's POST looks like one of another
 * site and is refused, which is safe.
 */
import type { IncomingMessage } from 'node:http';
import { hostOf } from './request-headers.ts';

/** The headers of prefetches and prerenders: the standard one and its predecessors. */
const SPECULATIVE = ['sec-purpose', 'purpose', 'x-purpose', 'x-moz'];

/** Returns the reason to refuse the request, as a sentence; undefined accepts it. */
export type CrossSiteCheck = (req: IncomingMessage) => string | undefined;

/** For an endpoint that changes state. */
export const whyNotMeant: CrossSiteCheck = (req) =>
  whyForeign(req) ?? (isUnattributed(req) ? UNATTRIBUTED : undefined);

/**
 * For an event stream, because the number of open streams is limited. The dashboard sends this Accept
 * header. On a page of another site, a frame or a link can't set it, and EventSource adds an Origin. fetch()
 * can set it, but then `Cross-Origin-Resource-Policy` closes the connection.
 */
export const whyNotOwnStream: CrossSiteCheck = (req) =>
  whyForeign(req) ??
  (isUnattributed(req) && req.headers.accept !== 'text/event-stream' ? UNATTRIBUTED : undefined);

/** For an endpoint that changes nothing but is expensive: refuses only what certainly is cross-site. */
export const whyForeign: CrossSiteCheck = (req) => {
  if (SPECULATIVE.some((name) => req.headers[name] !== undefined)) {
    return 'A prefetch or prerender cannot use this endpoint.';
  }
  const site = req.headers['sec-fetch-site'];
  // `none` means that the user typed the address or used a bookmark.
  if (site !== undefined && site !== 'same-origin' && site !== 'none') {
    return 'A page of another site cannot use this endpoint (Sec-Fetch-Site).';
  }
  const { origin } = req.headers;
  if (origin !== undefined && !isOwnOrigin(origin, hostOf(req))) {
    return 'A page of another site cannot use this endpoint (Origin is not Host).';
  }
  return undefined;
};

const UNATTRIBUTED =
  'This browser does not say which page sent the request. Use HTTPS, POST or curl.';

// For plain HTTP to other machines, browsers omit Sec-Fetch-*, and a GET has no Origin. An image on a page
// of another site, fetched with a remembered password, looks like this. No page can change the User-Agent
// of its browser without adding an Origin.
function isUnattributed({ headers }: IncomingMessage): boolean {
  return (
    headers['sec-fetch-site'] === undefined &&
    headers.origin === undefined &&
    /^Mozilla\//i.test(headers['user-agent'] ?? '')
  );
}

// The scheme is not compared, because it is unknown behind a proxy that terminates TLS.
function isOwnOrigin(origin: string, host: string | undefined): boolean {
  if (host === undefined || !/^https?:\/\/[^/?#@\\\s]+$/i.test(origin)) return false;
  const scheme = origin.slice(0, origin.indexOf(':'));
  const own = `${scheme}://${host}`;
  return URL.canParse(origin) && URL.canParse(own) && new URL(origin).host === new URL(own).host;
}
