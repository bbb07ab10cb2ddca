/**
 * Redis by whichever library: node-redis, ioredis, the cluster clients of both, or a URL. Describes the
 * little of them that is used, so that nobody needs the types of either. Knows no store.
 */
import type { Clock } from '../common/clock.ts';
import { AntractError } from '../common/errors.ts';
import { loadOptionalPackage } from '../common/optional-package.ts';
import type { RedisConnection } from './redis-connection.ts';
import { ioRedisConnection, type IoRedis } from './redis-ioredis.ts';
import { nodeRedisConnection, ownNodeRedisConnection, type NodeRedis } from './redis-node-redis.ts';

/** A client of node-redis 5 or later, or of ioredis 5 or later; of a cluster too. */
export interface RedisClient {
  /** Runs a Lua script. */
  eval(...args: never[]): Promise<unknown>;
  /** Creates a client with the same configuration, for the subscription. */
  duplicate(...args: never[]): unknown;
}

/** @throws AntractError `ERR_ANTRACT_OPTION` */
export function connectTo(client: unknown): RedisConnection {
  // What only one of them has.
  if (hasMethods(client, ['eval', 'duplicate', 'defineCommand', 'disconnect'])) {
    return ioRedisConnection(client as IoRedis);
  }
  if (hasMethods(client, ['eval', 'duplicate', 'connect', 'subscribe', 'destroy'])) {
    return nodeRedisConnection(client as NodeRedis);
  }
  throw new AntractError(
    'ERR_ANTRACT_OPTION',
    'Expected `client` to be one of the package `redis` 5 or later, or of `ioredis`.',
  );
}

/** How long a client that was made here waits for a connection, and for any sign of life over it. */
const CONNECT_TIMEOUT_MS = 5000;
const SILENCE_MS = 30_000;
const PING_EVERY_MS = 10_000;
const MAX_QUEUE = 1000;
const MAX_BACKOFF_MS = 2000;

/** @throws AntractError `ERR_ANTRACT_OPTION`, and `ERR_ANTRACT_STORE` where `redis` is not installed. */
export function connectToUrl(url: string, clock: Clock): RedisConnection {
  const { createClient } = loadRedis();
  const options = {
    url,
    // RESP3 came with Redis 6.
    RESP: 2,
    socket: {
      connectTimeout: CONNECT_TIMEOUT_MS,
      // A peer that lost its power says nothing more: without these it takes a quarter of an hour.
      socketTimeout: SILENCE_MS,
      reconnectStrategy: (retries: number) =>
        Math.floor(Math.min(50 * 2 ** retries, MAX_BACKOFF_MS) * (0.75 + clock.random() / 4)),
    },
    pingInterval: PING_EVERY_MS,
    // Who asks a server that is away should hear of it, and not wait in a queue.
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_QUEUE,
  };
  try {
    return ownNodeRedisConnection(createClient(options));
  } catch (cause) {
    // Not with what it says: that has the URL, and that a password.
    throw new AntractError(
      'ERR_ANTRACT_OPTION',
      'Expected `url` to be a redis:// or rediss:// URL.',
      {
        cause: cause instanceof Error ? cause.name : undefined,
      },
    );
  }
}

function loadRedis(): { createClient(options: object): NodeRedis } {
  return loadOptionalPackage({
    name: 'redis',
    neededBy: 'A Redis URL needs',
    code: 'ERR_ANTRACT_STORE',
    status: 500,
  }) as { createClient(options: object): NodeRedis };
}

function hasMethods(value: unknown, names: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function');
}
