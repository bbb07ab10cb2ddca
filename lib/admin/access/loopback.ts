/**
 * Recognizes requests that come directly from a program on this machine.
 *
 * The address of the peer is not enough. Behind a reverse proxy on the same machine, every peer has a
 * loopback address. And a page in a browser reaches a loopback port by the name of its own site, if that
 * name resolves to 127.0.0.1 (DNS rebinding).
 */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv4 } from 'node:net';
import { hostOf } from './request-headers.ts';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');
loopback.addSubnet('::ffff:127.0.0.0', 104, 'ipv6');

/** The headers that proxies and tunnels add. */
const PROXY_HEADERS =
  /^(via|forwarded|x-forwarded(-.+)?|x-original-forwarded-for|x-real-ip|x-client-ip|x-cluster-client-ip|true-client-ip|(cf|fastly|fly)-(connecting|client)-ip|cdn-loop)$/;

/** Why a request is not a direct loopback one, as a clause for a log; undefined when it is one. */
export function whyNotDirectLoopback(req: IncomingMessage): string | undefined {
  if (!isLoopbackAddress(req.socket.remoteAddress)) return 'its peer is not a loopback address';
  const header = Object.keys(req.headers).find((name) => PROXY_HEADERS.test(name));
  if (header !== undefined) return `it came through a proxy (it has a ${header} header)`;
  // By default nginx adds no header, but up to 1.29 it speaks HTTP/1.0 to its backends.
  if (req.httpVersionMajor < 2 && req.httpVersion !== '1.1') {
    return `it speaks HTTP/${req.httpVersion}, as proxies do`;
  }
  // A common nginx configuration for WebSockets: `proxy_set_header Connection "upgrade"` for all requests.
  if (req.headers.upgrade === undefined && /\bupgrade\b/i.test(req.headers.connection ?? '')) {
    return 'it has `Connection: upgrade` without `Upgrade`, as proxies send it';
  }
  // Clients send the absolute form to proxies, and its host may differ from Host.
  if (!originalUrl(req).startsWith('/')) return 'it names a whole URL, as requests to proxies do';
  if (!isLoopbackHost(hostOf(req))) return 'its Host is not a loopback name';
  return undefined;
}

/** False for a Unix socket: its peer has no address and may be any local user. */
export function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined || isIP(address) === 0) return false;
  return loopback.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

export function isLoopbackHost(host: string | undefined): boolean {
  const name = /^(\[::1\]|[a-z0-9.-]+)(?::\d{1,5})?$/i.exec(host ?? '')?.[1]?.toLowerCase();
  if (name === undefined) return false;
  if (isIPv4(name)) return isLoopbackAddress(name);
  return (
    name === '[::1]' || name === 'localhost' || /^[a-z0-9-]+(\.[a-z0-9-]+)*\.localhost$/.test(name)
  );
}

function originalUrl(req: IncomingMessage & { originalUrl?: string }): string {
  return req.originalUrl ?? req.url ?? '';
}
