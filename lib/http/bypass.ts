/**
 * Decides which requests are never held: the admin path, the health check path, a privileged user agent, and
 * the requests that the user's `bypass` function selects.
 *
 * These requests are not counted as in flight. Otherwise a drain would wait for the operator who waits for
 * the drain, or who tests the backend before the release.
 */
import { hasDotSegment, matchesPath, originPathOf } from '../common/request.ts';
import type { AntractRequest } from '../options/options.ts';
import type { AppSettings } from '../options/settings.ts';

/**
 * The path that decides whether a request is an admin request or a health check. Undefined for a request
 * that is neither: a target that is not in origin form, or a WebSocket handshake. A handshake that bypassed
 * the pause would let everything on its connection bypass the pause. Middleware gets handshakes if nothing
 * listens for `upgrade`. `Upgrade: h2c` is ignored, because some clients send it with every request.
 */
export function bypassPath(req: AntractRequest): string | undefined {
  return asksForWebSocket(req) ? undefined : originPathOf(req);
}

function asksForWebSocket({ headers }: AntractRequest): boolean {
  return headers.upgrade !== undefined && /\bwebsocket\b/i.test(headers.upgrade);
}

/** Whether a path belongs to the admin router. */
export function isAdminPath(adminPath: string | false, path: string): boolean {
  return (
    adminPath !== false &&
    path.startsWith(adminPath) &&
    (path.length === adminPath.length || path[adminPath.length] === '/') &&
    // A backend that resolves dot segments would be reached despite the pause.
    !hasDotSegment(path)
  );
}

/** Whether a request is a health check: GET or HEAD of exactly a configured path. */
export function isHealthCheck(settings: AppSettings, req: AntractRequest, path: string): boolean {
  return (
    settings.healthCheckPath.length > 0 &&
    (req.method === 'GET' || req.method === 'HEAD') &&
    matchesPath(settings.healthCheckPath, path)
  );
}

/** Whether the user's options exempt a request from every pause. */
export function isPrivileged(
  { privilegedUserAgent, bypass }: AppSettings,
  req: AntractRequest,
): boolean {
  // Only `true` counts: the promise of an async function would be truthy for every request.
  return matchesUserAgent(privilegedUserAgent, req) || bypass?.(req) === true;
}

function matchesUserAgent(wanted: string | RegExp | undefined, req: AntractRequest): boolean {
  if (wanted === undefined) return false;
  const agent = req.headers['user-agent'] ?? '';
  return typeof wanted === 'string' ? agent.includes(wanted) : wanted.test(agent);
}
