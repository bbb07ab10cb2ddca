/**
 * How the gateway sees that a backend answers, where its user has not said: by the health check path,
 * else by a connection. Reads options before they are validated, which the core does; asks nothing.
 */
import { connectCheck, httpCheck, type HealthCheck } from '../../probe/backend-probe.ts';
import { serverName } from './agent.ts';
import type { RouteSettings } from '../config/config.ts';

/** @param healthCheckPath the option as it was given. */
export function backendCheck(route: RouteSettings, healthCheckPath: unknown): HealthCheck {
  const { hostname: host, port, socketPath } = route.target;
  const path = firstPath(healthCheckPath);
  if (path !== undefined) return pathCheck(route, path);
  return connectCheck(socketPath === undefined ? { host, port } : { path: socketPath });
}

/** A RegExp says what is one, and not which there is. */
function firstPath(healthCheckPath: unknown): string | undefined {
  const paths: unknown[] = Array.isArray(healthCheckPath) ? healthCheckPath : [healthCheckPath];
  return paths.find((path) => typeof path === 'string' && path.startsWith('/')) as
    | string
    | undefined;
}

function pathCheck({ target, hosts, changeOrigin, insecure }: RouteSettings, path: string) {
  const { protocol, host, hostname, port, socketPath } = target;
  // The path is sent as it is. Resolved as a URL, it could name another host.
  return httpCheck({
    protocol,
    path,
    host: hostname,
    port,
    headers: {
      // As a client of this app would send it.
      Host: changeOrigin ? host : (hosts[0] ?? host),
      'User-Agent': 'antract',
    },
    servername: serverName(hostname),
    rejectUnauthorized: !insecure,
    ...(socketPath !== undefined && { socketPath }),
  });
}
