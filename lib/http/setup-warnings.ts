/** Warns once of each setup that can't work, when a request shows it. */
import type { IncomingMessage, Server } from 'node:http';
import { hasBody } from '../common/request.ts';
import type { RegistryCore } from '../registry/registry-core.ts';

/** Checks a held request. */
export function warnOfSetup(core: RegistryCore, req: IncomingMessage & { body?: unknown }): void {
  const { server } = req.socket as { server?: Partial<Server> };
  if (hasBody(req) && req.body !== undefined) {
    core.warnOnce(
      'WRN_ANTRACT_BODY_PARSED',
      'a body parser is mounted ahead of pause(). What it has read can no longer be proxied: put ' +
        'pause() first.',
    );
  }
  if (!req.complete && isShorter(server?.requestTimeout, core.settings.maxTime)) {
    core.warnOnce(
      'WRN_ANTRACT_REQUEST_TIMEOUT',
      `the server's requestTimeout (${server?.requestTimeout} ms) is shorter than a pause may last: ` +
        'Node answers 408 to an upload that is still arriving by then. Set server.requestTimeout = 0.',
    );
  }
  if (!core.hasUpgrade && (server?.listenerCount?.('upgrade') ?? 0) > 0) {
    core.warnOnce(
      'WRN_ANTRACT_UPGRADE',
      'the server takes upgrades (WebSockets), which never pass through middleware and so are not ' +
        'held: wrap the listener, server.on("upgrade", antract.upgrade(listener)).',
    );
  }
}

/**
 * Checks a request with an `Upgrade` header. Node treats a handshake as an ordinary request if the server
 * has no `upgrade` listener. A proxy then passes it on, and never sees the backend's 101.
 */
export function warnOfHandshake(core: RegistryCore, req: IncomingMessage): void {
  const { server } = req.socket as { server?: Partial<Server> };
  if (req.headers.upgrade?.toLowerCase() !== 'websocket') return;
  if (server?.listenerCount?.('upgrade') !== 0) return;
  core.warnOnce(
    'WRN_ANTRACT_HANDSHAKE',
    'a WebSocket handshake arrived as an ordinary request, because the server has no `upgrade` ' +
      'listener. Behind a proxy it may stay in flight until its client leaves. Add the listener before ' +
      'the first request: server.on("upgrade", antract.upgrade(listener)).',
  );
}

/** 0 means no limit. */
function isShorter(timeoutMs: number | undefined, pauseMs: number): boolean {
  return timeoutMs !== undefined && timeoutMs > 0 && timeoutMs < pauseMs;
}
