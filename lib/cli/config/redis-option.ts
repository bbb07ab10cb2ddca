/** Creates the store of `--redis`. No message shows the URL, because it may hold a password. */
import { AntractError } from '../../common/errors.ts';
import { RedisStore, type RedisStoreOptions } from '../../stores/redis-store.ts';
import { UsageError } from '../cli-error.ts';

export interface RedisSources {
  readonly redis: unknown;
  readonly redisPrefix: unknown;
}

/** @throws UsageError, or AntractError if the message names an option. */
export function openRedisStore(sources: RedisSources): RedisStore | undefined {
  const { redis, redisPrefix } = sources;
  if (redis === undefined) {
    if (redisPrefix === undefined) return undefined;
    throw new AntractError(
      'ERR_ANTRACT_OPTION',
      'Expected `redis` to be set, because `redisPrefix` is set.',
    );
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
    // The store has other names for these options.
    const message = error.message.replace('`prefix`', '`redisPrefix`').replace('`url`', '`redis`');
    if (error.code !== 'ERR_ANTRACT_OPTION') throw new UsageError(message, { cause: error });
    throw new AntractError(error.code, message);
  }
}
