/** Completes the configuration of a gateway with the logger and the access log of this process. */
import type { GatewayConfig } from '../../gateway/server/gateway.ts';
import type { Logger } from '../../options/options.ts';
import { oneOf } from '../../common/validate.ts';
import type { LogFormat } from '../log.ts';
import type { RawConfig } from './read-flags.ts';

/** @throws AntractError `ERR_ANTRACT_OPTION`. */
export function readLogFormat(format: unknown = 'auto'): LogFormat {
  return oneOf('auto', 'json', 'pretty')('logFormat', format);
}

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
