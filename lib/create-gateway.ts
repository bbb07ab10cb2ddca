/// <reference types="node" preserve="true" />
/** What `antract/gateway` exports, nothing else. */
export {
  createGateway,
  type Gateway,
  type GatewayAddress,
  type GatewayPeers,
} from './gateway/server/gateway.ts';
export type {
  AccessLogFormat,
  GatewayAppConfig,
  GatewayConfig,
  LineStream,
  ProxyOptions,
} from './gateway/config/config.ts';
