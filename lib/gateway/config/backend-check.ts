/**
 * The default health check of a backend: a request to the health check path, or else a connection. Reads
 * options before the core validates them.
 */
import type { Socket } from 'node:net';
import { systemClock } from '../../common/clock.ts';
import {
  checkOnce,
  connectCheck,
  httpCheck,
  type BackendCheck,
} from '../../probe/backend-probe.ts';
import type { RouteSettings } from './config.ts';
import { addressOf, connector } from './connector.ts';
import { readTarget, type Target } from './target.ts';

/** Makes the connection for a request to the health check path. */
export type ConnectForCheck = (route: RouteSettings) => Socket;

/** Makes a connection that closes after one request. */
export const connectOnce: ConnectForCheck = ({ target, insecure }) => {
  const socket = connector({ target, rejectUnauthorized: !insecure })();
  // Node emits it when the request no longer uses the connection.
  return socket.once('free', () => socket.destroy());
};

/** @param healthCheckPath the option as the user gave it. */
export function backendCheck(
  route: RouteSettings,
  healthCheckPath: unknown,
  connect: ConnectForCheck,
): BackendCheck {
  const path = firstPath(healthCheckPath);
  return path === undefined ? connectionCheck(route.target) : pathCheck(route, path, connect);
}

/** Connects to a backend once. Resolves with why that failed, such as `ECONNREFUSED`, or with undefined. */
export function connectFailure(target: string): Promise<string | undefined> {
  const check = connectionCheck(readTarget('target', target));
  return checkOnce(check, systemClock, new AbortController().signal);
}

function connectionCheck(target: Target): BackendCheck {
  return connectCheck(addressOf(target));
}

/** A RegExp matches paths, but it doesn't name one to ask. */
function firstPath(healthCheckPath: unknown): string | undefined {
  const paths: unknown[] = Array.isArray(healthCheckPath) ? healthCheckPath : [healthCheckPath];
  return paths.find((path) => typeof path === 'string' && path.startsWith('/')) as
    | string
    | undefined;
}

function pathCheck(route: RouteSettings, path: string, connect: ConnectForCheck): BackendCheck {
  const { target, hosts, changeOrigin } = route;
  const { protocol, host } = target;
  // Not a URL: resolved as one, the path could name another host.
  return httpCheck({
    createConnection: () => connect(route),
    protocol,
    path,
    headers: {
      // The same name that a client of this app sends.
      Host: changeOrigin ? host : (hosts[0] ?? host),
      'User-Agent': 'antract',
      // Requests may use the connection afterwards.
      Connection: 'keep-alive',
    },
  });
}
