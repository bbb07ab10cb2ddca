/**
 * Refuses to start with admin endpoints that strangers can reach and nobody guards. Reads settings
 * only.
 */
import { AntractError } from '../../common/errors.ts';
import type { GatewaySettings } from './config.ts';
import { formatAddress, isLoopback, type ListenAddress } from './listen-address.ts';

type Exposing = Pick<
  GatewaySettings,
  'host' | 'port' | 'adminListen' | 'adminPath' | 'adminToken' | 'authorize'
>;

export function assertNotExposed(settings: Exposing): void {
  const address = adminAddress(settings);
  const guarded = settings.adminToken.length > 0 || settings.authorize !== undefined;
  if (!address || guarded || 'path' in address || isLoopback(address.host)) return;
  throw new AntractError(
    'ERR_ANTRACT_ADMIN_EXPOSED',
    `Whoever can reach ${formatAddress(address)} could take the site down through its admin endpoints: ` +
      'set `adminToken`, or let `adminListen` be a loopback address or a Unix socket.',
  );
}

/** Where the admin endpoints can be reached; undefined when nowhere. */
function adminAddress(settings: Exposing): ListenAddress | undefined {
  if (settings.adminListen) return settings.adminListen;
  return settings.adminPath === false ? undefined : settings;
}
