/** Refuses to start with unprotected admin endpoints that other machines can reach. */
import { AntractError } from '../../common/errors.ts';
import type { GatewaySettings } from './config.ts';
import { formatAddress, isLoopback, type ListenAddress } from './listen-address.ts';

type AdminSettings = Pick<
  GatewaySettings,
  'host' | 'port' | 'adminListen' | 'adminPath' | 'adminToken' | 'authorize'
>;

export function assertNotExposed(settings: AdminSettings): void {
  const address = adminAddress(settings);
  const isProtected = settings.adminToken.length > 0 || settings.authorize !== undefined;
  if (!address || isProtected || 'path' in address || isLoopback(address.host)) return;
  throw new AntractError(
    'ERR_ANTRACT_ADMIN_EXPOSED',
    `Anyone who can reach ${formatAddress(address)} could take the site down through the admin endpoints. ` +
      'Set `adminToken`, or set `adminListen` to a loopback address or a Unix socket.',
  );
}

/** The address of the admin endpoints; undefined if there are none. */
function adminAddress(settings: AdminSettings): ListenAddress | undefined {
  if (settings.adminListen) return settings.adminListen;
  return settings.adminPath === false ? undefined : settings;
}
