/**
 * Whether a request came straight from a program on this machine. Knows no option and no answer.
 *
 * The peer's address alone does not say so. Behind a reverse proxy on the same machine every peer is
 * loopback; and a browser's page can reach a loopback port by the name of its own site, once that
 * name resolves to 127.0.0.1 (DNS rebinding).
 */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv4 } from 'node:net';
import { hostOf } from './request-headers.ts';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');
loopback.addSubnet('::ffff:127.0.0.0', 104, 'ipv6');

/** What proxies and tunnels put on requests that they pass on. */
const PASSED_ON =
  /^(via|forwarded|x-forwarded(-.+)?|x-original-forwarded-for|x-real-ip|x-client-ip|x-cluster-client-ip|true-client-ip|(cf|fastly|fly)-(connecting|client)-ip|cdn-loop)$/;

/** Why a request is not a direct loopback one, as a clause for a log; undefined when it is one. */
export function whyNotDirectLoopback(req: IncomingMessage): string | undefined {
  if (!isLoopbackAddress(req.socket.remoteAddress)) return 'its peer is not a loopback address';
  const passedOn = Object.keys(req.headers).find((name) => PASSED_ON.test(name));
  if (passedOn !== undefined) return `it came through a proxy (it has a ${passedOn} header)`;
  // nginx says nothing of itself unless told to, but up to 1.29 it speaks HTTP/1.0 to its backends.
  if (req.httpVersionMajor < 2 && req.httpVersion !== '1.1') {
    return `it speaks HTTP/${req.httpVersion}, as proxies do`;
  }
  // nginx as it is often set up for WebSockets: `proxy_set_header Connection "upgrade"` for all requests.
  if (req.headers.upgrade === undefined && /\bupgrade\b/i.test(req.headers.connection ?? '')) {
    return 'it has `Connection: upgrade` without `Upgrade`, as proxies send it';
  }
  // The absolute form is how one speaks to a proxy, and its host would not be the one in Host.
  if (!originalUrl(req).startsWith('/')) return 'it names a whole URL, as requests to proxies do';
  if (!isLoopbackHost(hostOf(req))) return 'its Host is not a loopback name';
  return undefined;
}

/** False for the peer of a Unix socket, which has no address: any local user may be behind it. */
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
