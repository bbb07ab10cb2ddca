/** Passes the requests and upgrades of one app on to its backend, with http-proxy-middleware. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { createProxyMiddleware, type Plugin } from 'http-proxy-middleware';
import { systemClock } from '../../common/clock.ts';
import type { RouteSettings } from '../config/config.ts';
import { BackendConnections } from './connections/backend-connections.ts';
import type { Exchanges } from './exchange.ts';
import { isBodyLate, LateBodies } from './late-bodies.ts';
import { isBodyFramed } from './proxy-headers.ts';
import type { ProxyGate } from './proxy-gate.ts';
import { countListeners } from './proxy-listeners.ts';
import { RequestEvents } from './request-events.ts';
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
  readonly #serverOptions: ReturnType<typeof serverOptions>;
  #server!: ProxyServer;

  constructor(route: RouteSettings, { gate, exchanges, keepAliveSeconds }: ProxyDeps) {
    this.#gate = gate;
    this.#exchanges = exchanges;
    const connections = new BackendConnections({
      target: route.target,
      rejectUnauthorized: !route.insecure,
      timeoutMs: route.proxyTimeout,
      needsAcceptCheck: () => gate.needsAcceptCheck(),
    });
    this.#connections = connections;
    this.#lateBodies = new LateBodies(exchanges);
    const deps = { gate, exchanges, connections };
    const requests = new RequestEvents({ ...deps, route, keepAliveSeconds });
    this.#upgrades = new UpgradeEvents(deps);
    this.#serverOptions = serverOptions(route, connections);
    createProxyMiddleware({
      ...this.#serverOptions,
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
    this.#exchanges.of(req).sentAt = systemClock.now();
    const waiting = this.#upgrades.wait(req, socket, head, (received) => {
      // Not by the middleware's `upgrade()`, which makes its request only after this call.
      void this.#server.ws(req, socket, this.#serverOptions, received);
    });
    this.#connections.withConnection(waiting);
  }

  /** Requeues requests of which nothing was sent because their body has not begun. */
  requeueLateBodies(): void {
    this.#lateBodies.requeue(
      (req, res) => this.#gate.wouldHold(req) && this.#gate.requeue(req, res),
    );
  }

  /** See {@link BackendConnections.retire}. */
  retireConnections(): void {
    this.#connections.retire();
  }

  close(): void {
    this.#lateBodies.close();
    this.#connections.close();
  }

  #send(req: IncomingMessage, res: ServerResponse): void {
    const exchange = this.#exchanges.of(req);
    exchange.sentAt = systemClock.now();
    exchange.listenerCounts = countListeners(req, res);
    // Not by the middleware itself. It matches the path against a filter, copies the options and waits for
    // three promises, which takes about as much time as everything that antract does for a request.
    const options = this.#serverOptions;
    const hasBody = isBodyFramed(req.headers);
    void this.#server.web(req, res, hasBody ? options : { ...options, buffer: emptyBody(req) });
  }
}

type ProxyServer = Parameters<Plugin>[0];

/**
 * In place of the stream of a request without a body, because piping an empty stream takes 5 % of the time of a
 * whole request.
 */
function emptyBody(req: IncomingMessage): Readable {
  const body: Pick<Readable, 'pipe'> = {
    pipe(proxyReq) {
      // There is a body although no header announces it. Sending it fails with a clear error.
      if (!req.complete || req.readableLength > 0) return req.pipe(proxyReq);
      proxyReq.end();
      return proxyReq;
    },
  };
  return body as Readable;
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
