/** Passes the requests and upgrades of one app on to its backend, with http-proxy-middleware. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { createProxyMiddleware, type Plugin, type RequestHandler } from 'http-proxy-middleware';
import { sendRejection } from '../../http/rejection-response.ts';
import type { RouteSettings } from '../config/config.ts';
import { BackendConnections } from './connections/backend-connections.ts';
import type { Exchanges } from './exchange.ts';
import { isBodyLate, LateBodies } from './late-bodies.ts';
import type { ProxyGate } from './proxy-gate.ts';
import { countListeners } from './proxy-listeners.ts';
import { BAD_TARGET } from './rejections.ts';
import { RequestEvents } from './request-events.ts';
import { looksLikeAuthority } from './request-target.ts';
import { UpgradeEvents } from './upgrade-events.ts';

export interface ProxyDeps {
  readonly gate: ProxyGate;
  readonly exchanges: Exchanges;
  /** How long a client may keep its connection idle: sent to clients that keep it. */
  readonly keepAliveSeconds: number;
}

export class AppProxy {
  readonly #gate: ProxyGate;
  readonly #exchanges: Exchanges;
  readonly #connections: BackendConnections;
  readonly #lateBodies: LateBodies;
  readonly #upgrades: UpgradeEvents;
  readonly #middleware: RequestHandler;
  readonly #serverOptions: ReturnType<typeof serverOptions>;
  #server!: Parameters<Plugin>[0];

  constructor(route: RouteSettings, { gate, exchanges, keepAliveSeconds }: ProxyDeps) {
    this.#gate = gate;
    this.#exchanges = exchanges;
    const connections = new BackendConnections({
      target: route.target,
      timeoutMs: route.proxyTimeout,
      needsAcceptCheck: () => gate.needsAcceptCheck(),
    });
    this.#connections = connections;
    this.#lateBodies = new LateBodies(exchanges);
    const deps = { gate, exchanges, connections };
    const requests = new RequestEvents({ ...deps, route, keepAliveSeconds });
    this.#upgrades = new UpgradeEvents(deps);
    this.#serverOptions = serverOptions(route, connections);
    this.#middleware = createProxyMiddleware({
      ...this.#serverOptions,
      pathRewrite: (_path, req) => exchanges.of(req).backendPath,
      // One of the default plugins answers each failure with 504, and one builds a URL for each response
      // to log it.
      ejectPlugins: true,
      plugins: [
        (server) => {
          this.#server = server;
          requests.listen(server);
          this.#upgrades.listen(server);
        },
      ],
    });
  }

  request(req: IncomingMessage, res: ServerResponse): void {
    if (isBodyLate(req)) this.#lateBodies.wait(req, res, () => this.#send(req, res));
    else this.#send(req, res);
  }

  upgrade(req: IncomingMessage, socket: Socket, head: Buffer): void {
    const waiting = this.#upgrades.wait(req, socket, head, (received) => {
      // Not by the middleware's `upgrade`, which makes its request only after this call.
      void this.#server.ws(req, socket, this.#serverOptions, received);
    });
    const { secure } = this.#serverOptions;
    this.#connections.withConnection(waiting, { rejectUnauthorized: secure });
  }

  /** Requeues requests of which nothing was sent because their body has not begun. */
  requeueLateBodies(): void {
    this.#lateBodies.requeue(
      (req, res) => this.#gate.wouldHold(req) && this.#gate.requeue(req, res),
    );
  }

  /** Closes the connections to the backend that no request uses. */
  closeIdle(): void {
    this.#connections.closeIdle();
  }

  close(): void {
    this.#lateBodies.close();
    this.#connections.close();
  }

  #send(req: IncomingMessage, res: ServerResponse): void {
    const exchange = this.#exchanges.of(req);
    if (req.url !== undefined && looksLikeAuthority(req.url)) {
      // http-proxy-middleware is shown a plain path until it has accepted the request. `pathRewrite` puts
      // the real one back.
      exchange.backendPath = req.url;
      req.url = '/';
    }
    exchange.listenerCounts = countListeners(req, res);
    void this.#middleware(req, res, (error) => {
      // An error has been handled already. Without one, http-proxy-middleware did not accept the request.
      if (error === undefined) sendRejection(req, res, BAD_TARGET);
    });
  }
}

function serverOptions(route: RouteSettings, { agent }: BackendConnections) {
  return {
    target: route.target,
    agent,
    changeOrigin: route.changeOrigin,
    secure: !route.insecure,
    upgradeTimeout: route.proxyTimeout,
  };
}
