/** Listens on sockets that another process has opened, such as systemd. */
import cluster from 'node:cluster';
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { Socket, type AddressInfo } from 'node:net';
import { AntractError } from '../../common/errors.ts';
import type { GatewayConfig, GatewaySettings } from '../config/config.ts';
import { formatAddress } from '../config/listen-address.ts';

/** Descriptors of sockets that listen already. */
export interface GatewaySockets {
  /**
   * A TCP socket for the public server. It replaces `host` and `port`.
   *
   * @default none
   */
  public?: number | undefined;
  /**
   * A TCP or Unix socket for the admin endpoints. It replaces `adminListen`.
   *
   * @default none
   */
  admin?: number | undefined;
}

export interface OpenSockets {
  readonly public: Socket | undefined;
  readonly admin: Socket | undefined;
  /** The addresses of the sockets, as options. */
  readonly config: Pick<GatewayConfig, 'host' | 'port' | 'adminListen'>;
}

/** @throws AntractError `ERR_ANTRACT_OPTION` for a descriptor that is not a suitable socket. */
export function openSockets(sockets: GatewaySockets): OpenSockets {
  const open = openSocket('sockets.public', sockets.public);
  const admin = openSocket('sockets.admin', sockets.admin);
  return {
    public: open,
    admin,
    config: {
      ...(open && publicAddress(open)),
      ...(admin && { adminListen: adminAddress(admin, sockets.admin) }),
    },
  };
}

/**
 * Calls `listen()` of a server for an inherited socket. In a worker, Node would ask the primary to open the
 * descriptor of this number, which is another socket there. The option `exclusive` does not change that.
 */
export function listenWithoutPrimary(listen: () => void): void {
  if (!cluster.isWorker) return listen();
  const switchable = cluster as { isPrimary: boolean };
  switchable.isPrimary = true;
  try {
    listen();
  } finally {
    switchable.isPrimary = false;
  }
}

/** Anyone who may write to the file of a Unix socket can connect to it. */
export function assertPrivate(settings: GatewaySettings, { admin }: OpenSockets): void {
  const { adminListen, adminToken, authorize } = settings;
  if (!admin || !adminListen || !('path' in adminListen)) return;
  if (adminToken.length > 0 || authorize || !isOpenToAll(adminListen.path)) return;
  throw new AntractError(
    'ERR_ANTRACT_ADMIN_EXPOSED',
    `Every user of this machine can connect to ${adminListen.path}, and could take the site down through the ` +
      'admin endpoints. Set SocketMode=0600 in the unit of the socket, or set `adminToken`.',
  );
}

function isOpenToAll(path: string): boolean {
  return ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0o777) & 0o002) !== 0;
}

function openSocket(name: string, fd: number | undefined): Socket | undefined {
  if (fd === undefined) return undefined;
  let socket: Socket;
  try {
    // Node would destroy a socket that is neither readable nor writable, and would read from a readable one.
    socket = new Socket({ fd, readable: false, writable: true });
  } catch {
    throw unsuitable(name, LISTENING, 'another descriptor');
  }
  // A gateway that never listens does not keep its process alive.
  socket.unref();
  if (socket.remoteAddress === undefined) return socket;
  throw unsuitable(name, LISTENING, 'a connection');
}

function publicAddress(socket: Socket): { host: string; port: number } {
  const { address, port } = socket.address() as Partial<AddressInfo>;
  if (address !== undefined && port !== undefined) return { host: address, port };
  throw unsuitable('sockets.public', 'a TCP socket', 'a Unix socket');
}

function adminAddress(socket: Socket, fd: number | undefined): string {
  const { address, port } = socket.address() as Partial<AddressInfo>;
  if (address !== undefined && port !== undefined) return formatAddress({ host: address, port });
  const path = pathOf(fd as number);
  if (path?.startsWith('/')) return path;
  throw unsuitable(
    'sockets.admin',
    'a TCP socket or a Unix socket with a path',
    path ?? 'another socket',
  );
}

const LISTENING = 'a socket that listens (ListenStream=, Accept=no)';

function unsuitable(name: string, wanted: string, got: string): AntractError {
  return new AntractError(
    'ERR_ANTRACT_OPTION',
    `Expected \`${name}\` to be ${wanted}, got ${got}.`,
  );
}

/** Node does not tell the path of a Unix socket that it has not opened. See proc_net_unix(5). */
function pathOf(fd: number): string | undefined {
  const [, inode = ''] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`)) ?? [];
  const lines = readFileSync('/proc/self/net/unix', 'utf8').split('\n');
  const fields = lines.map((line) => /^\S+: (?:\S+ +){5}(\d+) (.*)$/.exec(line));
  return fields.find((match) => match?.[1] === inode)?.[2];
}
