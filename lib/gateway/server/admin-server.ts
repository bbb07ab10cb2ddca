/** The admin endpoints of the gateway: under a path of the public server, or on a server of their own. */
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, Socket } from 'node:net';
import type { AdminOptions, AdminRouter } from '../../admin/router.ts';
import type { Antract } from '../../antract.ts';
import { GatedHttpRequest } from '../../http/gated-http-request.ts';
import type { RegistryCore } from '../../registry/registry-core.ts';
import type { Exchanges } from '../proxy/exchange.ts';
import type { AccessLog } from './access-log.ts';
import { AccessRecorder } from './access-recorder.ts';
import type { Destination } from './app-route.ts';
import { ConnectionTracker } from './connection-tracker.ts';
import { readEveryHeader } from '../../common/header-limit.ts';
import { MARKER, markerOf } from '../../http/marker.ts';
import type { GatewaySettings } from '../config/config.ts';
import type { ListenAddress } from '../config/listen-address.ts';
import { listenWithoutPrimary } from './inherited-sockets.ts';

type Handler = (req: IncomingMessage, res: ServerResponse) => void;

/** The dashboard, the command line and Prometheus ask every few seconds. Commands have log lines of their own. */
const ADMIN = { app: null, target: null, isPoll: () => true } as const;

/** How to protect the endpoints, see `loopback.ts`. */
export const ADMIN_ADVICE =
  'set `adminToken` (`--admin-token-file`), or a Unix socket as `adminListen` (`--admin-listen`)';

export interface Admin {
  /** Undefined if the endpoints are on the public server or disabled. */
  readonly server: Server | undefined;
  readonly connections: ConnectionTracker | undefined;
  readonly find: (req: { url?: string | undefined }) => Destination | undefined;
}

export interface AdminDeps {
  readonly antract: Antract;
  readonly core: RegistryCore;
  readonly log: AccessLog | undefined;
  readonly exchanges: Exchanges;
  /** Options for a group of gateways that run as one. */
  readonly shared: Pick<AdminOptions, 'metricsPeers' | 'reload'>;
}

export function createAdmin(
  settings: GatewaySettings,
  { antract, core, log, exchanges, shared }: AdminDeps,
): Admin {
  const { adminPath, adminListen } = settings;
  const none = { server: undefined, connections: undefined, find: () => undefined };
  if (adminPath === false) return none;
  const router = antract.admin({
    ...adminOptions(settings),
    ...shared,
  });
  if (!adminListen) {
    const destination = { ...ADMIN, handle: mount(adminPath, router) };
    const find: Admin['find'] = ({ url }) =>
      isUnder(adminPath, url ?? '') ? destination : undefined;
    return { ...none, find };
  }
  const server = createAdminServer(adminPath, router);
  const connections = new ConnectionTracker(
    server,
    (req, res) => new GatedHttpRequest(req, res, core, core.settings.logger),
  );
  const recorder = new AccessRecorder({ connections, log, exchanges });
  server.prependListener('request', (req, res) =>
    recorder.watch(req, res, { ...ADMIN, handle: router }),
  );
  return { ...none, server, connections };
}

/** Access by token or function, if one is set. Otherwise the default rule of the core applies. */
function adminOptions(settings: GatewaySettings): AdminOptions {
  const { adminListen, adminToken, authorize } = settings;
  if (adminToken.length > 0) return { token: adminToken, authorize };
  if (authorize) return { authorize };
  // The permissions of the socket's file control the access.
  return adminListen && 'path' in adminListen ? { authorize: () => true } : {};
}

function isUnder(path: string, url: string): boolean {
  return (
    url.startsWith(path) && (url.length === path.length || /[/?]/.test(url[path.length] as string))
  );
}

/** Calls a router as `app.use(path, router)` does. */
function mount(path: string, router: AdminRouter): Handler {
  return (req: IncomingMessage & { originalUrl?: string; baseUrl?: string }, res) => {
    const rest = (req.url as string).slice(path.length);
    req.originalUrl ??= req.url as string;
    req.baseUrl = path;
    req.url = rest.startsWith('/') ? rest : `/${rest}`;
    router(req, res);
  };
}

function createAdminServer(path: string, router: AdminRouter): Server {
  const admin = mount(path, router);
  const server = createServer((req, res) => {
    if (isUnder(path, req.url ?? '')) return admin(req, res);
    res.statusCode = 404;
    res.setHeader(MARKER, markerOf({ code: 'ERR_ANTRACT_ADMIN_PATH' }));
    res.setHeader('Content-Type', 'text/plain; charset=utf-8');
    res.end(`The admin endpoints are under ${path}/.\n`);
  });
  return readEveryHeader(server);
}

/**
 * Rejects with the error of Node, such as `EADDRINUSE`.
 *
 * @param address a socket listens already, and its file belongs to the process that has opened it.
 */
export async function listen(server: Server, address: ListenAddress | Socket): Promise<void> {
  if ('path' in address) await removeStaleSocket(address.path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const onListening = (): void => {
      server.off('error', reject);
      resolve();
    };
    if (address instanceof Socket) {
      listenWithoutPrimary(() => server.listen(address, onListening).ref());
      return;
    }
    server.listen(address, onListening);
    // In the same tick, so that no connection was accepted yet. Closing the server unlinks the file.
    if ('path' in address && server.listening) restrictToOwner(address.path);
  });
  // In a cluster worker the primary creates the file, with permissions from its umask until here.
  if ('path' in address) restrictToOwner(address.path);
}

function restrictToOwner(path: string): void {
  if ((lstatSync(path).mode & 0o777) !== 0o600) chmodSync(path, 0o600);
}

/** Removes the socket of a process that was killed. Keeps a socket in use, and any other file. */
async function removeStaleSocket(path: string): Promise<void> {
  const isSocket = lstatSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
  if (isSocket && (await isRefused(path))) rmSync(path, { force: true });
}

function isRefused(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}
