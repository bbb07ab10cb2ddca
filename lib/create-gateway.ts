/// <reference types="node" preserve="true" />
/** The public exports of `antract/gateway`. */
export {
  createGateway,
  type Gateway,
  type GatewayAddress,
  type GatewayPeers,
} from './gateway/server/gateway.ts';
export type { GatewaySockets } from './gateway/server/inherited-sockets.ts';
export type {
  AccessLogFormat,
  GatewayAppConfig,
  GatewayConfig,
  LineStream,
  ProxyOptions,
} from './gateway/config/config.ts';
