/** Finds the app for the host name of a request. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Antract } from '../../antract.ts';
import { hostApp } from '../../common/request.ts';
import { DEFAULT_APP } from '../../options/app-name.ts';
import type { GatewaySettings } from '../config/config.ts';
import { AppRoute, type AppRouteDeps } from './app-route.ts';

export class Routes {
  readonly #byApp = new Map<string, AppRoute>();
  readonly #byHost = new Map<string, AppRoute>();
  readonly #fallback: AppRoute | undefined;

  constructor({ routes }: Pick<GatewaySettings, 'routes'>, deps: AppRouteDeps) {
    for (const settings of routes) {
      const route = new AppRoute(settings, deps);
      this.#byApp.set(settings.app, route);
      for (const host of settings.hosts) this.#byHost.set(host, route);
    }
    this.#fallback = this.#byApp.get(DEFAULT_APP);
    this.#listen(deps.antract);
  }

  /** Undefined if no app has the request's host. */
  find(req: IncomingMessage): AppRoute | undefined {
    if (this.#byHost.size === 0) return this.#fallback;
    return this.#byHost.get(hostApp(req) ?? '') ?? this.#fallback;
  }

  /** Makes the connection for a health check of an app's backend. */
  connectForCheck(app: string): Socket {
    return (this.#byApp.get(app) as AppRoute).connectForCheck();
  }

  /** Closes all connections to backends. */
  close(): void {
    for (const route of this.#byApp.values()) route.close();
  }

  #listen(antract: Antract): void {
    const byApp = this.#byApp;
    // Open connections lead to a backend process that may be replaced. They are closed after a drain, and
    // again at release, because requests that bypass the pause may have left some.
    for (const event of ['drained', 'resumed', 'unreachable', 'reachable'] as const) {
      antract.on(event, ({ app }) => byApp.get(app)?.retireConnections());
    }
    // A drain must not wait for a body of which nothing was sent. In a microtask, because the gate is
    // still changing its state when it emits the event.
    for (const event of ['paused', 'stopped'] as const) {
      antract.on(event, ({ app }) => queueMicrotask(() => byApp.get(app)?.requeueLateBodies()));
    }
  }
}
