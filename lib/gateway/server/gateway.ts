/// <reference types="node" preserve="true" />
/**
 * `createGateway()`: pause, admin endpoints and proxy as servers that are ready to listen. Requests go from
 * `node:http` through the pause to the proxy, without Express.
 */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ReloadResult } from '../../admin/access/access-check.ts';
import type { MetricsPeers } from '../../admin/metrics/metrics-peers.ts';
import { assembleAntract, type Antract } from '../../antract.ts';
import { readDescriptorLimits, type DescriptorLimits } from '../../common/descriptors.ts';
import { AntractError } from '../../common/errors.ts';
import { RegistryCore } from '../../registry/registry-core.ts';
import { createAccessLog } from './access-log.ts';
import { ADMIN_ADVICE, createAdmin, listen } from './admin-server.ts';
import { ClientOverflow } from './client-overflow.ts';
import type { GatewayConfig, GatewaySettings } from '../config/config.ts';
import { formatAddress } from '../config/listen-address.ts';
import { readConfig } from '../config/read-config.ts';
import { formatTarget } from '../config/target.ts';
import { Exchanges } from '../proxy/exchange.ts';
import { AccessRecorder } from './access-recorder.ts';
import { ConnectionTracker } from './connection-tracker.ts';
import {
  assertPrivate,
  openSockets,
  type GatewaySockets,
  type OpenSockets,
} from './inherited-sockets.ts';
import { leavingText, untilReleased } from './until-released.ts';
import { createPublicServer, servePublic } from './public-server.ts';
import { Routes } from './routes.ts';
import { GatedHttpRequest } from '../../http/gated-http-request.ts';
import type { Logger } from '../../options/options.ts';

export type {
  AccessLogFormat,
  GatewayAppConfig,
  GatewayConfig,
  LineStream,
  ProxyOptions,
} from '../config/config.ts';

/** Where a gateway listens. */
export interface GatewayAddress {
  /** The URL of the public server, such as `http://127.0.0.1:8082`. */
  readonly url: string;
  /** The URL of the admin endpoints; `unix:` and a path for a socket; null if there are none. */
  readonly adminUrl: string | null;
}

/** A gateway: pause, admin endpoints and proxy in one server. */
export interface Gateway {
  /** Pauses and resumes apps, and emits events. */
  readonly antract: Antract;
  /** The public server. */
  readonly server: Server;
  /** The server of the admin endpoints; undefined unless `adminListen` is set. */
  readonly adminServer: Server | undefined;
  /**
   * Starts listening. With a store, waits first until the desired state of each app is known.
   *
   * @throws AntractError `ERR_ANTRACT_CLOSED` after `close()`. Any other error is Node's, such as
   * `EADDRINUSE`. Nothing listens then.
   */
  listen(): Promise<GatewayAddress>;
  /**
   * Shuts down. Stops accepting connections, rejects held requests, and lets requests in flight finish
   * within `shutdownTimeout`. Event streams, long polls and WebSockets are ended when nothing else is in
   * flight, at the latest one second before the end of that time, so that their clients reconnect. Then closes the remaining
   * connections. Resolves when everything is closed. A second call returns the same promise.
   */
  close(): Promise<void>;
  /**
   * Leaves its place to a gateway that listens on the same socket: stops accepting connections, closes idle
   * ones, and answers with `Connection: close`. Held requests stay held until they are released. When
   * nothing is held and only long-lived requests are left, or `shutdownTimeout` after nothing was held any
   * more, it closes as `close()` does. Resolves when everything is closed.
   *
   * @param generation of the gateways that leave one address and share a store, held requests of the lowest
   *   generation are released first, and then those of the gateways that stay. Default 0.
   */
  leave(generation?: number): Promise<void>;
}

/** For a group of gateways that run as one, such as the workers of `antract serve --workers`. */
export interface GatewayPeers {
  /**
   * The other gateways, whose metrics are added to the metrics of this one.
   *
   * @default none
   */
  metrics?: MetricsPeers;
  /**
   * Called by the admin endpoint `reload`: replaces this gateway and its group by new ones.
   *
   * @default none; the endpoint answers 501
   */
  reload?: (() => Promise<ReloadResult>) | undefined;
  /**
   * Sockets that listen already, such as those of systemd. Each gateway needs descriptors of its own.
   *
   * @default none
   */
  sockets?: GatewaySockets;
}

/**
 * Creates a gateway: a server that holds requests while a backend is down. Two gateways share nothing, unless they
 * use the same store.
 *
 * @example
 * ```js
 * const gateway = createGateway({ target: 'http://127.0.0.1:3000', port: 8082 });
 * const { url } = await gateway.listen();
 * ```
 * @throws AntractError `ERR_ANTRACT_OPTION`, `ERR_ANTRACT_APP_NAME`, `ERR_ANTRACT_ADMIN_EXPOSED`.
 */
export function createGateway(config: GatewayConfig, peers: GatewayPeers = {}): Gateway {
  const sockets = openSockets(peers.sockets ?? {});
  const settings = readConfig({ ...config, ...sockets.config });
  assertPrivate(settings, sockets);
  const core = new RegistryCore(settings.antract);
  const antract = assembleAntract(core);
  const server = createPublicServer(settings.keepAliveTimeout);
  core.endsUpgrades = true;
  core.adminAdvice = ADMIN_ADVICE;
  const targets = new Map(settings.routes.map(({ app, target }) => [app, formatTarget(target)]));
  core.targetOf = (app) => targets.get(app) ?? null;
  const connections = new ConnectionTracker(server, (req, res) => {
    const app = routes.find(req)?.app ?? '';
    return new GatedHttpRequest(req, res, core.gates.find(app) ?? core, core.settings.logger);
  });
  const log = settings.accessLog
    ? createAccessLog(settings.accessLog, settings.accessLogFormat)
    : undefined;
  const exchanges = new Exchanges();
  const recorder = new AccessRecorder({ connections, log, exchanges });
  const limits = readDescriptorLimits();
  warnOfLowLimit(core, limits, settings.logger);
  const overflow = new ClientOverflow(server, limits, () => {
    settings.logger.warn(
      'WRN_ANTRACT_DESCRIPTORS: client connections have reached the limit of open files ' +
        `(${limits.total}). Commands still work, and other new clients get 503. Raise the limit ` +
        '(ulimit -n, LimitNOFILE=).',
    );
  });
  const routes = new Routes(settings, {
    antract,
    core,
    exchanges,
    keepAliveSeconds: Math.floor(settings.keepAliveTimeout / 1000),
    trustForwarded: settings.trustForwarded,
  });
  // http-proxy-middleware adds one `close` listener for each app.
  server.setMaxListeners(server.getMaxListeners() + settings.routes.length);
  const shared = { metricsPeers: peers.metrics, reload: peers.reload };
  const admin = createAdmin(settings, { antract, core, log, exchanges, shared });
  antract.attach(server);
  servePublic(server, { core, routes, connections, recorder, overflow, findAdmin: admin.find });

  let opening: Promise<void> | undefined;
  let closing: Promise<void> | undefined;
  let leaving: Promise<void> | undefined;
  const all = [connections, ...(admin.connections ? [admin.connections] : [])];
  const shutDown = async (timeout = settings.shutdownTimeout): Promise<void> => {
    // A server that has not begun to listen can't be closed.
    await opening?.catch(() => undefined);
    const closed = [server, admin.server]
      .filter((each) => each?.listening)
      .map((each) => once(each as Server, 'close'));
    const drained = all.map((tracker) => tracker.drain(timeout));
    const antractClosed = antract.close();
    await Promise.all(drained);
    await Promise.all(all.map((tracker) => tracker.end()));
    await antractClosed;
    routes.close();
    await Promise.all(closed);
    log?.close();
  };

  const leave = async (generation: number): Promise<void> => {
    await opening?.catch(() => undefined);
    core.sharing?.onLeaving(generation);
    for (const tracker of all) tracker.retire();
    settings.logger.info(leavingText(core));
    const timeout = settings.shutdownTimeout;
    const left = await untilReleased({
      core,
      all,
      timeout,
      isClosing: () => closing !== undefined,
    });
    await (closing ??= shutDown(left));
  };

  return {
    antract,
    server,
    adminServer: admin.server,
    async listen() {
      if (closing) {
        throw new AntractError('ERR_ANTRACT_CLOSED', 'This gateway was closed. Create a new one.', {
          status: 503,
        });
      }
      // Listen only when the desired state of each app is known.
      opening = core.joined.then(() => listenOnAll(settings, sockets, server, admin.server));
      await opening;
      const address = addressOf(settings, server, admin.server);
      core.sharing?.listensOn(address.url);
      void core.checkBackends();
      return address;
    },
    close: () => (closing ??= shutDown()),
    leave: (generation = 0) => (leaving ??= leave(generation)),
  };
}

/** The descriptors of the process itself: its listeners, the event loop, standard output. */
const OWN_DESCRIPTORS = 32;

/** Each held request needs the descriptor of its client's connection. */
function warnOfLowLimit(
  { settings }: RegistryCore,
  { total, clients }: DescriptorLimits,
  logger: Logger,
): void {
  const ofApps = [...settings.apps.values()].map(({ maxQueue }) => maxQueue);
  const maxQueue = Math.max(settings.maxQueue, ...ofApps);
  const maxClients = Math.max(0, clients - OWN_DESCRIPTORS);
  if (maxQueue <= maxClients) return;
  logger.warn(
    `WRN_ANTRACT_DESCRIPTORS: the limit of open files (${total}) is too low for maxQueue (${maxQueue}): ` +
      `about ${maxClients} clients can be connected, and further ones get 503. Raise the limit ` +
      '(ulimit -n, LimitNOFILE=), or lower maxQueue.',
  );
}

/** The admin server first, so that commands work as soon as requests are accepted. */
async function listenOnAll(
  { host, port, adminListen }: GatewaySettings,
  sockets: OpenSockets,
  server: Server,
  adminServer: Server | undefined,
): Promise<void> {
  if (adminServer && adminListen) await listen(adminServer, sockets.admin ?? adminListen);
  try {
    await listen(server, sockets.public ?? { host, port });
  } catch (error) {
    adminServer?.close();
    throw error;
  }
}

function addressOf(
  { adminPath, adminListen }: GatewaySettings,
  server: Server,
  adminServer: Server | undefined,
): GatewayAddress {
  const url = urlOf(server);
  if (adminPath === false) return { url, adminUrl: null };
  if (adminListen && 'path' in adminListen) return { url, adminUrl: `unix:${adminListen.path}` };
  return { url, adminUrl: `${urlOf(adminServer ?? server)}${adminPath}` };
}

function urlOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return `http://${formatAddress({ host: address, port })}`;
}
