/**
 * Where a backend is: read once from its URL, in the shape that the proxy takes as it is, so that no
 * request parses it again. Opens no connection.
 */
import { readSocketPath } from '../../common/socket-path.ts';
import { expected, type Reader } from '../../common/validate.ts';

export interface Target {
  readonly protocol: 'http:' | 'https:';
  /** With the port, as in a `Host` header. */
  readonly host: string;
  /** Without the brackets of an IPv6 address. */
  readonly hostname: string;
  readonly port: number;
  /** Of a Unix socket; then host and port only serve as a name. */
  readonly socketPath?: string;
}

const WANTED =
  "the backend's http: or https: URL without a path, such as 'http://127.0.0.1:3000', or 'unix:/path.sock'";

/**
 * A path is refused: joined with what clients send, `..` would lead out of it again. So is a user
 * name, as it would be left out without a word.
 */
export const readTarget: Reader<Target> = (name, value) => {
  if (typeof value !== 'string') throw expected(name, WANTED, value);
  if (value.startsWith('unix:/'))
    return unixTarget(readSocketPath(name, value.slice('unix:'.length)));
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !isOrigin(url)) throw expected(name, WANTED, value);
  const protocol = url.protocol as Target['protocol'];
  return {
    protocol,
    host: url.host,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || (protocol === 'https:' ? 443 : 80),
  };
};

function isOrigin(url: URL): boolean {
  return (
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.pathname === '/' &&
    url.href === `${url.origin}/`
  );
}

function unixTarget(socketPath: string): Target {
  return { protocol: 'http:', host: 'localhost', hostname: 'localhost', port: 80, socketPath };
}
