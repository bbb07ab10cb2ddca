/**
 * The default health check of a backend: a request to the health check path, or else a connection. Reads
 * options before the core validates them.
 */
import { systemClock } from '../../common/clock.ts';
import {
  checkOnce,
  connectCheck,
  httpCheck,
  type BackendCheck,
} from '../../probe/backend-probe.ts';
import type { RouteSettings } from './config.ts';
import { readTarget, tlsServerName, type Target } from './target.ts';

/** @param healthCheckPath the option as the user gave it. */
export function backendCheck(route: RouteSettings, healthCheckPath: unknown): BackendCheck {
  const path = firstPath(healthCheckPath);
  return path === undefined ? connectionCheck(route.target) : pathCheck(route, path);
}

/** Connects to a backend once. Resolves with why that failed, such as `ECONNREFUSED`, or with undefined. */
export function connectFailure(target: string): Promise<string | undefined> {
  const check = connectionCheck(readTarget('target', target));
  return checkOnce(check, systemClock, new AbortController().signal);
}

function connectionCheck({ hostname: host, port, socketPath }: Target): BackendCheck {
  return connectCheck(socketPath === undefined ? { host, port } : { path: socketPath });
}

/** A RegExp matches paths, but it doesn't name one to ask. */
function firstPath(healthCheckPath: unknown): string | undefined {
  const paths: unknown[] = Array.isArray(healthCheckPath) ? healthCheckPath : [healthCheckPath];
  return paths.find((path) => typeof path === 'string' && path.startsWith('/')) as
    | string
    | undefined;
}

function pathCheck({ target, hosts, changeOrigin, insecure }: RouteSettings, path: string) {
  const { protocol, host, hostname, port, socketPath } = target;
  // Not a URL: resolved as one, the path could name another host.
  return httpCheck({
    protocol,
    path,
    host: hostname,
    port,
    headers: {
      // The same name that a client of this app sends.
      Host: changeOrigin ? host : (hosts[0] ?? host),
      'User-Agent': 'antract',
    },
    servername: tlsServerName(hostname),
    rejectUnauthorized: !insecure,
    ...(socketPath !== undefined && { socketPath }),
  });
}
