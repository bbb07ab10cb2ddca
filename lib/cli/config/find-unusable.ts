/** Checks whether the state file and Redis can be used now. Changes nothing. */
import { AntractError } from '../../common/errors.ts';
import type { RedisStore } from '../../stores/redis-store.ts';
import { checkStateFile } from '../../stores/state-file.ts';

export interface NamedStores {
  /** The path of the state file, if there is one. */
  readonly stateFile: string | undefined;
  /** Undefined: Redis is not asked. */
  readonly redis: RedisStore | undefined;
}

export async function findUnusable({ stateFile, redis }: NamedStores): Promise<AntractError[]> {
  const errors = [
    stateFile === undefined ? undefined : await errorOf(() => checkStateFile(stateFile)),
    redis && (await errorOf(() => askRedis(redis))),
  ];
  return errors.filter((error) => error !== undefined);
}

/** At its start, antract reads the store and subscribes to it. Both need the password and the rights of its user. */
async function askRedis(store: RedisStore): Promise<void> {
  try {
    await store.load();
    const unsubscribe = await store.subscribe({ state: () => undefined });
    await unsubscribe();
  } catch (error) {
    if (!(error instanceof AntractError)) throw error;
    const reason = error.message.replace(/^Redis: |\.$/g, '');
    throw new AntractError(error.code, `The Redis server of \`redis\` can't be used: ${reason}.`);
  }
}

async function errorOf(check: () => void | Promise<void>): Promise<AntractError | undefined> {
  try {
    await check();
    return undefined;
  } catch (error) {
    if (error instanceof AntractError) return error;
    throw error;
  }
}
