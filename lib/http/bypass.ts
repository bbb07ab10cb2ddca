/**
 * Which requests are never held: the admin path, the health check path, a privileged user agent,
 * whatever the user's own function says. Knows no gate.
 *
 * Such requests are not counted as in flight either: an operator who waits for the drain, or tries
 * the backend out before letting people in, must not be what the drain waits for.
 */
import { hasDotSegment, matchesPath, originPathOf } from '../common/request.ts';
import type { AntractRequest } from '../options/options.ts';
import type { AppSettings } from '../options/settings.ts';

/**
 * The path by which a request may be an admin request or a health check; undefined for one that can
 * be neither: any target but the origin form, and the handshake of a WebSocket, which would be a way
 * past the pause for all that is sent on it. Node hands a handshake to middleware where nothing
 * listens for `upgrade`; a wish for h2c is ignored there, as some clients send it with each request.
 */
export function bypassPath(req: AntractRequest): string | undefined {
  return asksForWebSocket(req) ? undefined : originPathOf(req);
}

function asksForWebSocket({ headers }: AntractRequest): boolean {
  return headers.upgrade !== undefined && /\bwebsocket\b/i.test(headers.upgrade);
}

/** Whether a path is the admin router's. */
export function isAdminPath(adminPath: string | false, path: string): boolean {
  return (
    adminPath !== false &&
    path.startsWith(adminPath) &&
    (path.length === adminPath.length || path[adminPath.length] === '/') &&
    // A backend that resolves them would be reached through the pause.
    !hasDotSegment(path)
  );
}

/** Whether a request asks how the backend is: GET or HEAD of exactly such a path. */
export function isHealthCheck(settings: AppSettings, req: AntractRequest, path: string): boolean {
  return (
    settings.healthCheckPath.length > 0 &&
    (req.method === 'GET' || req.method === 'HEAD') &&
    matchesPath(settings.healthCheckPath, path)
  );
}

/** Whether a request comes from somebody who is never held. */
export function isPrivileged(
  { privilegedUserAgent, bypass }: AppSettings,
  req: AntractRequest,
): boolean {
  // A promise, as of an async function, would be taken for a yes, and let everybody through.
  return matchesUserAgent(privilegedUserAgent, req) || bypass?.(req) === true;
}

function matchesUserAgent(wanted: string | RegExp | undefined, req: AntractRequest): boolean {
  if (wanted === undefined) return false;
  const agent = req.headers['user-agent'] ?? '';
  return typeof wanted === 'string' ? agent.includes(wanted) : wanted.test(agent);
}
