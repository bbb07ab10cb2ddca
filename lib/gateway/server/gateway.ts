/// <reference types="node" preserve="true" />
/**
 * `createGateway()`: pause, admin endpoints and proxy, wired into servers that are ready to run.
 * Requests go from `node:http` to the pause to the proxy; Express is not on their way. Knows no
 * command line.
 */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { MetricsPeers } from '../../admin/metrics/metrics-peers.ts';
import { createAntract, type Antract } from '../../antract.ts';
import { readDescriptorLimits, type DescriptorLimits } from '../../common/descriptors.ts';
import { AntractError } from '../../common/errors.ts';
import { createAccessLog, type AccessLog } from './access-log.ts';
import { adminOptions, createAdminServer, isUnder, listen, mount } from './admin-server.ts';
import { ClientOverflow } from './client-overflow.ts';
import type { GatewayConfig, GatewaySettings } from '../config/config.ts';
import { createFrontServer, serveFront } from './front.ts';
import { formatAddress } from '../config/listen-address.ts';
import { readConfig } from '../config/read-config.ts';
import { createRecorder } from './recorder.ts';
import { createRoutes, type Destination } from './routes.ts';
import { ConnectionTracker } from './connection-tracker.ts';
import { GatedHttpRequest } from '../../http/gated-http-request.ts';
import type { Logger } from '../../options/options.ts';

export type {
  AccessLogFormat,
  GatewayAppConfig,
  GatewayConfig,
  LineStream,
  ProxyOptions,
} from '../config/config.ts';

export interface GatewayAddress {
  /** Such as `http://127.0.0.1:8082`. */
  readonly url: string;
  /** Where the admin endpoints are; `unix:` and a path for a socket; null where there are none. */
  readonly adminUrl: string | null;
}

export interface Gateway {
  /** To pause and resume by calls, and for its events. */
  readonly antract: Antract;
  readonly server: Server;
  /** Where `adminListen` is set. */
  readonly adminServer: Server | undefined;
  /** Starts listening. Rejects with what Node says, such as `EADDRINUSE`; nothing listens then. */
  listen(): Promise<GatewayAddress>;
  /**
   * Stops accepting, refuses held requests, and lets requests in flight finish within
   * `shutdownTimeout`. Event streams, long polls and WebSockets are ended in order when nothing else is
   * in flight, at the latest one second before that time is over. Then closes whatever is left. Resolves
   * when all is closed; the second call returns the same promise.
   */
  close(): Promise<void>;
}

/** For whoever runs several gateways as one. */
export interface GatewayPeers {
  /** Those whose metrics are added to its own. Default none. */
  metrics?: MetricsPeers;
}

/**
 * Two gateways share nothing.
 *
 * @throws AntractError `ERR_ANTRACT_OPTION`, `ERR_ANTRACT_APP_NAME`, `ERR_ANTRACT_ADMIN_EXPOSED`.
 */
export function createGateway(config: GatewayConfig, peers: GatewayPeers = {}): Gateway {
  const settings = readConfig(config);
  const antract = createAntract(settings.antract);
  const server = createFrontServer(settings.keepAliveTimeout);
  const { settings: core } = antract.registry;
  antract.registry.endsUpgrades = true;
  const traffic = new ConnectionTracker(server, (req, res) => {
    const app = routes.find(req)?.app ?? '';
    return new GatedHttpRequest(req, res, core.apps.get(app) ?? core, core.logger);
  });
  const log = settings.accessLog
    ? createAccessLog(settings.accessLog, settings.accessLogFormat)
    : undefined;
  const recorder = createRecorder(traffic, log);
  const limits = readDescriptorLimits();
  warnOfDescriptors(antract, limits, settings.logger);
  const overflow = new ClientOverflow(server, limits, () => {
    settings.logger.warn(
      'WRN_ANTRACT_DESCRIPTORS: clients have as many connections as the limit of open files ' +
        `(${limits.total}) allows. Commands still work; further clients get 503. Raise the limit ` +
        '(ulimit -n, LimitNOFILE=).',
    );
  });
  const routes = createRoutes(settings, antract, {
    keepAliveSeconds: Math.floor(settings.keepAliveTimeout / 1000),
    note: recorder.note,
  });
  // Each proxy listens for the server's end.
  server.setMaxListeners(server.getMaxListeners() + settings.routes.length);
  const admin = createAdmin(settings, antract, log, peers);
  antract.attach(server);
  serveFront(server, { routes, traffic, recorder, overflow, findAdmin: admin.find });

  let opening: Promise<void> | undefined;
  let closing: Promise<void> | undefined;
  const shutDown = async (): Promise<void> => {
    // What is about to listen could not be closed yet.
    await opening?.catch(() => undefined);
    const all = [traffic, ...(admin.traffic ? [admin.traffic] : [])];
    const closed = [server, admin.server]
      .filter((one) => one?.listening)
      .map((one) => once(one as Server, 'close'));
    const drained = all.map((one) => one.drain(settings.shutdownTimeout));
    const antractClosed = antract.close();
    await Promise.all(drained);
    await Promise.all(all.map((one) => one.end()));
    await antractClosed;
    routes.close();
    await Promise.all(closed);
    log?.close();
  };

  return {
    antract,
    server,
    adminServer: admin.server,
    async listen() {
      if (closing) {
        throw new AntractError('ERR_ANTRACT_CLOSED', 'This gateway has been closed.', {
          status: 503,
        });
      }
      // Requests are held until it is known which apps are paused.
      opening = antract.registry.joined.then(() => listenOnAll(settings, server, admin.server));
      await opening;
      const address = addressOf(settings, server, admin.server);
      antract.registry.listensOn(address.url);
      void antract.registry.checkBackends();
      return address;
    },
    close: () => (closing ??= shutDown()),
  };
}

/** What the process itself has open: its listeners, the event loop, standard output. */
const OWN_DESCRIPTORS = 32;

/** Each held request keeps the connection of its client. */
function warnOfDescriptors(
  { registry: { settings } }: Antract,
  { total, clients }: DescriptorLimits,
  logger: Logger,
): void {
  const ofApps = [...settings.apps.values()].map(({ maxQueue }) => maxQueue);
  const maxQueue = Math.max(settings.maxQueue, ...ofApps);
  const room = Math.max(0, clients - OWN_DESCRIPTORS);
  if (maxQueue <= room) return;
  logger.warn(
    `WRN_ANTRACT_DESCRIPTORS: the limit of open files (${total}) is below what maxQueue (${maxQueue}) ` +
      `needs: about ${room} clients can be connected, and further ones get 503. Raise the limit ` +
      '(ulimit -n, LimitNOFILE=), or lower maxQueue.',
  );
}

interface Admin {
  /** Undefined where the endpoints are on the public server, or nowhere. */
  readonly server: Server | undefined;
  readonly traffic: ConnectionTracker | undefined;
  readonly find: (req: { url?: string | undefined }) => Destination | undefined;
}

function createAdmin(
  settings: GatewaySettings,
  antract: Antract,
  log: AccessLog | undefined,
  peers: GatewayPeers,
): Admin {
  const { adminPath, adminListen } = settings;
  const nowhere = { server: undefined, traffic: undefined, find: () => undefined };
  if (adminPath === false) return nowhere;
  const router = antract.admin({ ...adminOptions(settings), metricsPeers: peers.metrics });
  if (!adminListen) {
    const destination = { app: null, handle: mount(adminPath, router) };
    const find: Admin['find'] = ({ url }) =>
      isUnder(adminPath, url ?? '') ? destination : undefined;
    return { ...nowhere, find };
  }
  const server = createAdminServer(adminPath, router);
  const { settings: core } = antract.registry;
  const traffic = new ConnectionTracker(
    server,
    (req, res) => new GatedHttpRequest(req, res, core, core.logger),
  );
  const recorder = createRecorder(traffic, log);
  server.prependListener('request', (req, res) => recorder.watch(req, res, null));
  return { ...nowhere, server, traffic };
}

/** The admin endpoints first: what takes requests should be within reach from its first one. */
async function listenOnAll(
  { host, port, adminListen }: GatewaySettings,
  server: Server,
  adminServer: Server | undefined,
): Promise<void> {
  if (adminServer && adminListen) await listen(adminServer, adminListen);
  try {
    await listen(server, { host, port });
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
