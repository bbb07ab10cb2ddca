/** Gateways that listen on free ports and log nothing; `closeGateways()` ends every one of them. */
import {
  createGateway,
  type Gateway,
  type GatewayAddress,
  type GatewayConfig,
} from '../../lib/gateway/server/gateway.ts';

export interface OpenGateway extends Gateway, GatewayAddress {
  port: number;
  warnings: string[];
}

const gateways = new Set<Gateway>();

export async function openGateway(config: GatewayConfig): Promise<OpenGateway> {
  const warnings: string[] = [];
  const logger = {
    info: () => undefined,
    warn: (message: string) => void warnings.push(message),
    error: (message: string) => void warnings.push(message),
  };
  const gateway = createGateway({ port: 0, logger, shutdownTimeout: 1, ...config });
  gateways.add(gateway);
  const address = await gateway.listen();
  return { ...gateway, ...address, port: Number(new URL(address.url).port), warnings };
}

export async function closeGateways(): Promise<void> {
  const all = [...gateways];
  gateways.clear();
  await Promise.all(all.map((gateway) => gateway.close()));
}
