/** The warnings of one instance's spools. Each is logged once. */
import { UnsafeDirectory } from './spool-directory.ts';

export class SpoolWarnings {
  readonly #warn: (message: string) => void;
  readonly #given = new Set<string>();

  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  nodeChanged(): void {
    this.#warnOnce(
      'WRN_ANTRACT_SPOOL_NODE',
      'antract can not spool request bodies with this version of Node. Requests with large bodies are ' +
        'held unread, and disconnects of their clients are not noticed. Use a supported version of Node.',
    );
  }

  budgetExhausted(): void {
    this.#warnOnce(
      'WRN_ANTRACT_SPOOL_FULL',
      '`spool.maxTotal` is reached. Requests with bodies stay held, but are not read further until they ' +
        'are released, and disconnects of their clients are not noticed. Raise `spool.maxTotal`, or resume ' +
        'the app.',
    );
  }

  diskFailed(error: unknown): void {
    if (error instanceof UnsafeDirectory) return this.#directoryUnsafe(error);
    this.#warnOnce(
      'WRN_ANTRACT_SPOOL_DISK',
      `the body of a request could not be spooled: ${text(error)}. Requests with large bodies stay held, ` +
        'but disconnects of their clients are not noticed. Free disk space, set `spool.directory`, or raise ' +
        'the limit of open files.',
    );
  }

  sweepFailed(error: unknown): void {
    if (error instanceof UnsafeDirectory) return this.#directoryUnsafe(error);
    this.#warnOnce(
      'WRN_ANTRACT_SPOOL_SWEEP',
      `could not delete the files of an earlier process from the spool directory: ${text(error)}.`,
    );
  }

  #directoryUnsafe({ message }: UnsafeDirectory): void {
    this.#warnOnce(
      'WRN_ANTRACT_SPOOL_DIRECTORY',
      `${message}. Requests with large bodies stay held, but disconnects of their clients are not noticed. ` +
        'Remove it, or set `spool.directory` to a directory that only this user can write to.',
    );
  }

  #warnOnce(code: string, message: string): void {
    if (this.#given.has(code)) return;
    this.#given.add(code);
    this.#warn(`${code}: ${message}`);
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
