/** The configuration of `serve`: arguments and environment, which stay, and a file, which a reload reads again. */
import { AntractError } from '../../common/errors.ts';
import { UsageError } from '../cli-error.ts';
import { interpretConfigFile, parseConfigFile } from './config-file.ts';
import { withOptionNames } from './option-names.ts';
import { merge, type FlagValues, type RawConfig } from './read-flags.ts';

/** These are about no option. */
const REFUSALS: ReadonlySet<string> = new Set(['ERR_ANTRACT_RELOADING', 'ERR_ANTRACT_CLOSED']);

export class ConfigSource {
  readonly values: FlagValues;
  readonly #flags: RawConfig;
  readonly #path: string | undefined;
  #file: RawConfig = {};

  /** @throws UsageError if the path of the file is empty. */
  constructor(values: FlagValues) {
    const { config, ...flags } = values.config;
    this.values = values;
    this.#flags = flags;
    this.#path = config as string | undefined;
    if (this.#path?.trim() !== '') return;
    const name = values.sources.get('config') === 'env' ? 'ANTRACT_CONFIG' : '--config';
    throw new UsageError(`Expected \`${name}\` to be a path.`);
  }

  /** The options that the file sets. */
  get file(): RawConfig {
    return this.#file;
  }

  /**
   * @param interpret replaced by a caller that continues after a mistake.
   * @throws UsageError if the file can't be used.
   */
  read(interpret = interpretConfigFile): RawConfig {
    const path = this.#path;
    this.#file = path === undefined ? {} : interpret(path, parseConfigFile(path));
    return merge(this.#file, this.#flags);
  }

  /** Replaces the names of options in an error by the flags, variables or file that set them. */
  explain(error: unknown): unknown {
    if (!(error instanceof AntractError) || REFUSALS.has(error.code)) return error;
    const context = { ...this.values, file: this.#file, path: this.#path };
    return new UsageError(withOptionNames(error.message, context), { cause: error });
  }
}
