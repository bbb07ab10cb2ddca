/** Reads the addresses of sockets. */

/** Without the IPv6 prefix: a dual-stack socket shows an IPv4 client as `::ffff:192.0.2.1`. */
export function plainAddress(address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:(?=\d+\.)/, '');
}
