/** Creates the store of `--state-file`. */
import { join } from 'node:path';
import { AntractError } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';
import { expected } from '../../common/validate.ts';
import { FileStore } from '../../stores/file-store.ts';
import { CommandFailure } from '../cli-error.ts';

export interface StateFileSources {
  readonly stateFile: unknown;
  /** Whether Redis keeps the state. */
  readonly hasRedis: boolean;
  /** `$STATE_DIRECTORY`, which systemd sets. It may list several directories. */
  readonly directories: string | undefined;
}

/** @throws AntractError if the message names an option, CommandFailure if the file can't be used. */
export function openFileStore(sources: StateFileSources, logger: Logger): FileStore | undefined {
  const path = readStateFilePath(sources);
  return path === undefined ? undefined : open(path, logger);
}

/** @throws AntractError. */
export function readStateFilePath(sources: StateFileSources): string | undefined {
  const { stateFile, hasRedis, directories } = sources;
  if (stateFile === undefined) {
    const [directory] = (directories ?? '').split(':');
    return hasRedis || !directory ? undefined : join(directory, 'state.json');
  }
  if (typeof stateFile !== 'string' || stateFile.trim() === '') {
    throw expected('stateFile', 'a path', stateFile);
  }
  if (!hasRedis) return stateFile;
  throw new AntractError(
    'ERR_ANTRACT_OPTION',
    'Expected `stateFile` not to be set where `redis` is set, because Redis keeps the pauses.',
  );
}

function open(path: string, logger: Logger): FileStore {
  try {
    return new FileStore(path, { logger });
  } catch (error) {
    if (!(error instanceof AntractError)) throw error;
    // The configuration is valid, so this is no wrong usage.
    throw new CommandFailure(error.message, undefined, { code: error.code, cause: error });
  }
}
