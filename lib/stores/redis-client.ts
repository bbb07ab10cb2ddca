/**
 * Connects to Redis through node-redis, ioredis, their cluster clients, or a URL. Declares only the members
 * that are used, so that users need the types of neither library.
 */
import type { Clock } from '../common/clock.ts';
import { AntractError } from '../common/errors.ts';
import { loadOptionalPackage } from '../common/optional-package.ts';
import type { RedisConnection } from './redis-connection.ts';
import { ioRedisConnection, type IoRedis } from './redis-ioredis.ts';
import { nodeRedisConnection, ownNodeRedisConnection, type NodeRedis } from './redis-node-redis.ts';

/** A client, or cluster client, of node-redis 5 or later or of ioredis 5 or later. */
export interface RedisClient {
  /** Runs a Lua script. */
  eval(...args: never[]): Promise<unknown>;
  /** Creates a client with the same configuration, for the subscription. */
  duplicate(...args: never[]): unknown;
}

/** @throws AntractError `ERR_ANTRACT_OPTION` */
export function connectTo(client: unknown): RedisConnection {
  // Only ioredis has `defineCommand`, and only node-redis has `destroy`.
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

/** Limits of a client that is made from a URL: for connecting, and for silence on the connection. */
const CONNECT_TIMEOUT_MS = 5000;
const SILENCE_MS = 30_000;
const PING_EVERY_MS = 10_000;
const MAX_QUEUE = 1000;
const MAX_BACKOFF_MS = 2000;

/** @throws AntractError `ERR_ANTRACT_OPTION`, and `ERR_ANTRACT_STORE` if `redis` is not installed. */
export function connectToUrl(url: string, clock: Clock): RedisConnection {
  const { createClient } = loadRedis();
  const options = {
    url,
    // RESP3 came with Redis 6.
    RESP: 2,
    socket: {
      connectTimeout: CONNECT_TIMEOUT_MS,
      // Without this limit, the loss of a server without power is detected after a quarter of an hour.
      socketTimeout: SILENCE_MS,
      reconnectStrategy: (retries: number) =>
        Math.floor(Math.min(50 * 2 ** retries, MAX_BACKOFF_MS) * (0.75 + clock.random() / 4)),
    },
    pingInterval: PING_EVERY_MS,
    // While the server is unreachable, commands fail at once instead of waiting in a queue.
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_QUEUE,
  };
  try {
    return ownNodeRedisConnection(createClient(options));
  } catch (cause) {
    // Without the original message, because it contains the URL, which may contain a password.
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
    subject: 'A Redis URL needs',
    code: 'ERR_ANTRACT_STORE',
    status: 500,
  }) as { createClient(options: object): NodeRedis };
}

function hasMethods(value: unknown, names: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function');
}
