// A CommonJS module in TypeScript.
import { AntractError, createAntract, type Antract, type AppStatus } from 'antract';
import gateway = require('antract/gateway');
import { RedisStore, type RedisStoreOptions } from 'antract/redis';
import contract = require('antract/store-contract');

const antract: Antract = createAntract();
antract.on('held', ({ path }) => path.length);
export const status: AppStatus = antract.status('default');
export const start: (config: gateway.GatewayConfig) => gateway.Gateway = gateway.createGateway;
export const make = (options: RedisStoreOptions): RedisStore => new RedisStore(options);
export const codeOf = (error: AntractError): string => error.code;
export const isOurs = (error: unknown): boolean => error instanceof AntractError;
export const run: typeof contract.storeContract = contract.storeContract;
export class OwnError extends AntractError {}
