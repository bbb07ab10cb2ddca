/**
 * `--redis` and what belongs to it become a store. Knows no gateway.
 *
 * The URL may hold a password: it is in no message.
 */
import { AntractError } from '../../common/errors.ts';
import { RedisStore, type RedisStoreOptions } from '../../stores/redis-store.ts';
import { UsageError } from '../cli-error.ts';

export interface RedisSources {
  readonly redis: unknown;
  readonly redisPrefix: unknown;
}

/** @throws UsageError, and AntractError that names options. */
export function openRedisStore(sources: RedisSources): RedisStore | undefined {
  const { redis, redisPrefix } = sources;
  if (redis === undefined) {
    if (redisPrefix === undefined) return undefined;
    throw new AntractError('ERR_ANTRACT_OPTION', 'Expected `redis` where `redisPrefix` is set.');
  }
  if (!isRedisUrl(redis)) {
    throw new AntractError(
      'ERR_ANTRACT_OPTION',
      'Expected `redis` to be a URL such as redis://host:6379 or rediss://host:6379.',
    );
  }
  const prefix = redisPrefix as string | undefined;
  return create({ url: redis, ...(prefix !== undefined && { prefix }) });
}

function isRedisUrl(value: unknown): value is string {
  return typeof value === 'string' && /^rediss?:\/\//i.test(value) && URL.canParse(value);
}

function create(options: RedisStoreOptions): RedisStore {
  try {
    return new RedisStore(options);
  } catch (error) {
    if (!(error instanceof AntractError)) throw error;
    // It is known there by other names.
    const message = error.message.replace('`prefix`', '`redisPrefix`').replace('`url`', '`redis`');
    if (error.code !== 'ERR_ANTRACT_OPTION') throw new UsageError(message, { cause: error });
    throw new AntractError(error.code, message);
  }
}
