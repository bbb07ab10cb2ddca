/** The admin endpoints of the gateway: under a path of the public server, or on a server of their own. */
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AdminOptions, AdminRouter } from '../../admin/router.ts';
import { readEveryHeader } from '../../common/header-limit.ts';
import { MARKER, markerOf } from '../../http/marker.ts';
import type { GatewaySettings } from '../config/config.ts';
import type { ListenAddress } from '../config/listen-address.ts';

type Handler = (req: IncomingMessage, res: ServerResponse) => void;

/** Access by token or function, if one is set. Otherwise the default rule of the core applies. */
export function adminOptions(settings: GatewaySettings): AdminOptions {
  const { adminListen, adminToken, authorize } = settings;
  if (adminToken.length > 0) return { token: adminToken, authorize };
  if (authorize) return { authorize };
  // The permissions of the socket's file control the access.
  return adminListen && 'path' in adminListen ? { authorize: () => true } : {};
}

export function isUnder(path: string, url: string): boolean {
  return (
    url.startsWith(path) && (url.length === path.length || /[/?]/.test(url[path.length] as string))
  );
}

/** Calls a router as `app.use(path, router)` does. */
export function mount(path: string, router: AdminRouter): Handler {
  return (req: IncomingMessage & { originalUrl?: string; baseUrl?: string }, res) => {
    const rest = (req.url as string).slice(path.length);
    req.originalUrl ??= req.url as string;
    req.baseUrl = path;
    req.url = rest.startsWith('/') ? rest : `/${rest}`;
    router(req, res);
  };
}

export function createAdminServer(path: string, router: AdminRouter): Server {
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

/** Rejects with the error of Node, such as `EADDRINUSE`. */
export async function listen(server: Server, address: ListenAddress): Promise<void> {
  if ('path' in address) await removeStaleSocket(address.path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, () => {
      server.off('error', reject);
      resolve();
    });
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
