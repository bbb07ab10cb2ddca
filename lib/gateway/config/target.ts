/**
 * The address of a backend, read once from its URL into the shape that http-proxy-middleware uses, so that
 * no request parses a URL.
 */
import { isIP } from 'node:net';
import { readSocketPath } from '../../common/socket-path.ts';
import { expected, type Reader } from '../../common/validate.ts';

export interface Target {
  readonly protocol: 'http:' | 'https:';
  /** With the port, as in a `Host` header. */
  readonly host: string;
  /** Without the brackets of an IPv6 address. */
  readonly hostname: string;
  readonly port: number;
  /** The path of a Unix socket. `host` and `port` are then used only in headers. */
  readonly socketPath?: string;
}

const WANTED =
  "the backend's http: or https: URL without a path, such as 'http://127.0.0.1:3000', or 'unix:/path.sock'";

/**
 * Rejects a URL with a path, because clients could leave it with `..`. Rejects a user name, because
 * it would be ignored silently.
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

/** The URL of a backend. */
export function formatTarget({ protocol, host, socketPath }: Target): string {
  return socketPath === undefined ? `${protocol}//${host}` : `unix:${socketPath}`;
}

/**
 * The name that the certificate of an https backend must have. Without it Node expects the client's
 * `Host`.
 */
export function tlsServerName(hostname: string): string {
  return isIP(hostname) === 0 ? hostname : '';
}

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
