/** Finds the app for the host name of a request. */
import type { IncomingMessage } from 'node:http';
import type { Antract } from '../../antract.ts';
import { hostApp } from '../../common/request.ts';
import { DEFAULT_APP } from '../../options/app-name.ts';
import type { GatewaySettings } from '../config/config.ts';
import { AppRoute, type AppRouteDeps } from './app-route.ts';

export class Routes {
  readonly #routes: readonly AppRoute[];
  readonly #byHost = new Map<string, AppRoute>();
  readonly #fallback: AppRoute | undefined;

  constructor({ routes }: Pick<GatewaySettings, 'routes'>, deps: AppRouteDeps) {
    this.#routes = routes.map((settings) => new AppRoute(settings, deps));
    for (const [i, { hosts }] of routes.entries()) {
      for (const host of hosts) this.#byHost.set(host, this.#routes[i] as AppRoute);
    }
    this.#fallback = this.#routes.find(({ app }) => app === DEFAULT_APP);
    this.#listen(deps.antract);
  }

  /** Undefined if no app has the request's host. */
  find(req: IncomingMessage): AppRoute | undefined {
    if (this.#byHost.size === 0) return this.#fallback;
    return this.#byHost.get(hostApp(req) ?? '') ?? this.#fallback;
  }

  /** Closes all connections to backends. */
  close(): void {
    for (const route of this.#routes) route.close();
  }

  #listen(antract: Antract): void {
    const byApp = new Map(this.#routes.map((route) => [route.app, route]));
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
