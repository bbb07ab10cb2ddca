/**
 * Finds every mistake of a configuration. Validation ends at the first one, so validate again without the option
 * that its message names.
 */
import { AntractError } from '../../common/errors.ts';
import { UsageError } from '../cli-error.ts';
import { optionsIn } from './option-names.ts';
import { isRecord, type RawConfig } from './read-flags.ts';

/** Valid values for options that must not be left out. */
const PLACEHOLDERS: Readonly<Record<string, string>> = {
  target: 'http://127.0.0.1:1',
  adminToken: 'placeholder',
};

/**
 * @param onMistake told of each mistake.
 * @returns what `validate` returned in the end, or undefined if a mistake hides the rest.
 */
export function validateAll<T>(
  config: RawConfig,
  validate: (config: RawConfig) => T,
  onMistake: (error: Error) => void,
): T | undefined {
  const done = new Set<string>();
  for (let rest: RawConfig | undefined = config; rest;) {
    try {
      return validate(rest);
    } catch (error) {
      if (!isMistake(error)) throw error;
      onMistake(error);
      rest = withoutMistake(rest, optionsIn(error.message), done);
    }
  }
  return undefined;
}

export function isMistake(error: unknown): error is AntractError | UsageError {
  return error instanceof AntractError || error instanceof UsageError;
}

/** @param done the options that were replaced already, so that no mistake is repeated without end. */
function withoutMistake(
  config: RawConfig,
  names: readonly string[],
  done: Set<string>,
): RawConfig | undefined {
  for (const name of names) {
    const placeholder = PLACEHOLDERS[name.split('.').at(-1) ?? ''];
    if (placeholder === undefined || done.has(name)) continue;
    done.add(name);
    return replaceAt(config, name, placeholder) ?? { ...config, [name]: placeholder };
  }
  for (const name of names) {
    const replaced = replaceAt(config, name, undefined);
    if (replaced) return replaced;
  }
  return undefined;
}

/**
 * The configuration with another value at a path such as `apps.shop.maxTime`. If nothing is set there, an object
 * on the way is left out, or gets the value. Undefined if nothing on the way is set.
 */
function replaceAt(
  config: RawConfig,
  path: string,
  value: string | undefined,
): RawConfig | undefined {
  // The name of an app may contain a dot.
  const key = Object.keys(config).find(
    (name) => config[name] !== undefined && (path === name || path.startsWith(`${name}.`)),
  );
  if (key === undefined) return undefined;
  const { [key]: inner, ...others } = config;
  const rest = path.slice(key.length + 1);
  const replaced = rest === '' ? value : replaceIn(inner, rest, value);
  return replaced === undefined ? others : { ...others, [key]: replaced };
}

function replaceIn(inner: unknown, path: string, value: string | undefined): RawConfig | undefined {
  if (!isRecord(inner)) return undefined;
  const added = value === undefined ? undefined : { ...inner, [path]: value };
  return replaceAt(inner, path, value) ?? added;
}
