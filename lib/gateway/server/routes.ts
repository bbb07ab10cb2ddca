/**
 * Host name to app, and from there through its pause to its proxy. Knows no server.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Antract } from '../../antract.ts';
import { isBackendError } from '../../http/gated-http-request.ts';
import { DEFAULT_APP } from '../../registry/pause-registry.ts';
import { hostApp } from '../../common/request.ts';
import { passageOf, GatedUpgrade } from '../../http/upgrade/gated-upgrade.ts';
import type { UpgradeListener } from '../../http/upgrade/upgrade.ts';
import type { GatewaySettings, RouteSettings } from '../config/config.ts';
import { prepareHeaders } from '../proxy/proxy-headers.ts';
import { createProxy, type Proxy, type ProxyHooks } from '../proxy/proxy.ts';

/** What takes a request. */
export interface Destination {
  /** Null where no app is responsible. */
  readonly app: string | null;
  readonly handle: (req: IncomingMessage, res: ServerResponse) => void;
}

export interface Route extends Destination {
  readonly app: string;
  readonly upgrade: Proxy['upgrade'];
}

export interface Routes {
  /** Undefined when no app answers for the request's host. */
  find(req: IncomingMessage): Route | undefined;
  /** Closes all connections to backends. */
  close(): void;
}

export function createRoutes(
  { routes, trustForwarded }: Pick<GatewaySettings, 'routes' | 'trustForwarded'>,
  antract: Antract,
  hooks: ProxyHooks,
): Routes {
  const byHost = new Map<string, Route>();
  const proxies = new Map<string, Proxy>();
  let fallback: Route | undefined;
  for (const settings of routes) {
    const { route, proxy } = createRoute(settings, antract, hooks, trustForwarded);
    proxies.set(route.app, proxy);
    for (const host of settings.hosts) byHost.set(host, route);
    if (route.app === DEFAULT_APP) fallback = route;
  }
  // Idle connections are dropped once drained and again at release: requests that bypass the pause
  // may have left some. And they lead nowhere when the backend takes no new ones.
  const dropIdle = ({ app }: { app: string }): void => proxies.get(app)?.dropIdle();
  for (const event of ['drained', 'resumed', 'unreachable', 'reachable'] as const) {
    antract.on(event, dropIdle);
  }
  // A drain must not wait for a body of which nothing has been sent. After the gate's own step, which
  // this event is part of.
  const requeueLate = ({ app }: { app: string }): void =>
    queueMicrotask(() => proxies.get(app)?.requeueLate());
  for (const event of ['paused', 'stopped'] as const) antract.on(event, requeueLate);
  return {
    find: (req) => byHost.get(hostApp(req) ?? '') ?? fallback,
    close: () => {
      for (const proxy of proxies.values()) proxy.close();
    },
  };
}

function createRoute(
  settings: RouteSettings,
  antract: Antract,
  hooks: ProxyHooks,
  trustForwarded: boolean,
): { route: Route; proxy: Proxy } {
  const { app } = settings;
  // Each app is named, rather than read off requests, so that a command for any other is refused.
  const pause = antract.pause({ app });
  const proxy: Proxy = createProxy(settings, hooks, {
    // Sent again as it is by then: its headers have been prepared, and only once.
    requeue: (req, res) =>
      pause.requeue(req, res, () => {
        hooks.note(req, { error: undefined });
        proxy.web(req, res);
      }),
    takeBackUpgrade: (req, socket, head) =>
      upgrade.requeue(req, socket, head, (_req, _socket, whole) => {
        hooks.note(req, { error: undefined });
        proxy.upgrade(req, socket, whole);
      }),
    answered: (req, status) => {
      const gate = antract.registry.gate(app);
      if (!isBackendError(status)) gate.noteAnswer(req);
      // A server that limits its load answers 503, and is there.
      else if (status !== 503) gate.noteFailure(req, `HTTP ${status}`);
    },
    failed: (req, reason) => antract.registry.gate(app).noteFailure(req, reason),
    dropped: (req) => antract.registry.gate(app).suspectBackend(req),
    wouldHold: (req) => antract.registry.gate(app).wouldHold(req),
    // A status counts all that is in flight, and this is asked for each new connection.
    isReleasing: () => {
      const gate = antract.registry.gate(app);
      return gate.isReleasing || gate.sharesPace;
    },
  });
  const upgrade = antract.upgrade(
    (req, socket, head) => {
      const { connection, upgrade } = req.headers;
      prepareHeaders(req, trustForwarded);
      Object.assign(req.headers, { connection, upgrade });
      // One that bypasses the pause has no passage yet, and a shutdown has to end it too.
      if (passageOf(socket)) return proxy.upgrade(req, socket as Socket, head);
      const passage = new GatedUpgrade(req, socket, { endable: true });
      return passage.handTo(proxy.upgrade as UpgradeListener, head);
    },
    { app },
  );
  const route: Route = {
    app,
    handle: (req, res) =>
      pause(req, res, () => {
        prepareHeaders(req, trustForwarded);
        proxy.web(req, res);
      }),
    upgrade,
  };
  return { route, proxy };
}
