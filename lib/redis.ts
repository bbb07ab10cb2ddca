/// <reference types="node" preserve="true" />
/** What `antract/redis` exports, nothing else. */
export type { RedisClient } from './stores/redis-client.ts';
export { RedisStore, type RedisStoreOptions } from './stores/redis-store.ts';
