/** Completes the configuration of a gateway with the logger and the access log of this process. */
import type { GatewayConfig } from '../../gateway/server/gateway.ts';
import type { Logger } from '../../options/options.ts';
import type { RawConfig } from './read-flags.ts';

export function toGatewayConfig(raw: RawConfig, logger: Logger): GatewayConfig {
  const { accessLog = 'auto', logFormat: _ofProcess, ...rest } = raw;
  return {
    ...(rest as unknown as GatewayConfig),
    logger,
    accessLog: accessLog === 'off' ? false : process.stdout,
    accessLogFormat:
      accessLog === 'off' ? undefined : (accessLog as GatewayConfig['accessLogFormat']),
  };
}
