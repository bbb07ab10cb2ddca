/** Reads and formats the address to listen on: a TCP address or a Unix socket. */
import { isLoopbackAddress } from '../../admin/access/loopback.ts';
import { readSocketPath } from '../../common/socket-path.ts';
import { expected, type Reader } from '../../common/validate.ts';

export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

export type ListenAddress = TcpAddress | { readonly path: string };

export const MAX_PORT = 65_535;

/** Reads `host:port`, `[ipv6]:port` or the absolute path of a Unix socket. */
export const readListenAddress: Reader<ListenAddress> = (name, value) => {
  const format = "'host:port' or the absolute path of a Unix socket";
  if (typeof value !== 'string') throw expected(name, format, value);
  if (value.startsWith('/')) return { path: readSocketPath(name, value) };
  const match = /^(?:\[(?<ipv6>[\da-f:.]+)\]|(?<name>[\w.-]+)):(?<port>\d{1,5})$/i.exec(value);
  const host = match?.groups?.['ipv6'] ?? match?.groups?.['name'];
  const port = Number(match?.groups?.['port']);
  if (host === undefined || port > MAX_PORT) throw expected(name, format, value);
  return { host, port };
};

/** False for any name but `localhost`, because the address of a name may change. */
export function isLoopback(host: string): boolean {
  return isLoopbackAddress(host) || host.toLowerCase() === 'localhost';
}

export function formatAddress({ host, port }: TcpAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
