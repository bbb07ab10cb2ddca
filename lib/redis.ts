/// <reference types="node" preserve="true" />
/** The public exports of `antract/redis`. */
export type { RedisClient } from './stores/redis-client.ts';
export { RedisStore, type RedisStoreOptions } from './stores/redis-store.ts';
