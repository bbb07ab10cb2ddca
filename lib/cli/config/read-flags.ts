/** Reads the flags and environment variables of `serve` into a configuration. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { FLAGS } from './flags.ts';
import type { Flag } from './flag.ts';

/** The configuration of a gateway before it is validated. */
export type RawConfig = Record<string, unknown>;

/** Where a value was set. */
export type Source = 'cli' | 'env' | 'file';

const INVALID = Symbol('invalid');

/** Told of a value that its flag can't parse. */
export type OnInvalid = (key: string, text: string, expected: string) => void;

/**
 * Also deletes the empty variables that count as unset, because Commander would read them.
 *
 * @param onInvalid default: the first invalid value ends the command.
 */
export function addFlags(command: Command, onInvalid?: OnInvalid): Command {
  for (const flag of FLAGS) {
    if (flag.mayBeEmpty && process.env[flag.env] === '') delete process.env[flag.env];
    command.addOption(onInvalid ? tolerant(flag, onInvalid) : flag.option);
  }
  return command;
}

function tolerant({ key, env, option }: Flag, onInvalid: OnInvalid): Option {
  const parse = (text: string, previous: unknown): unknown => {
    try {
      return option.parseArg?.(text, previous);
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      onInvalid(key, text, error.message);
      return INVALID;
    }
  };
  const copy = new Option(option.flags, option.description).env(env);
  if (option.argChoices) copy.choices(option.argChoices);
  return copy.argParser(parse);
}

export interface FlagValues {
  readonly config: RawConfig;
  /** The same values by the key of their flag, such as `release.concurrency`. */
  readonly values: ReadonlyMap<string, unknown>;
  readonly sources: ReadonlyMap<string, Source>;
}

/** Reads the arguments and the environment. */
export function readFlags(command: Command): FlagValues {
  const config: RawConfig = {};
  const values = new Map<string, unknown>();
  const sources = new Map<string, Source>();
  for (const { key, option } of FLAGS) {
    const name = option.attributeName();
    const source = command.getOptionValueSource(name) as Source | undefined;
    if (source !== 'cli' && source !== 'env') continue;
    const value: unknown = command.getOptionValue(name);
    sources.set(key, source);
    if (value === INVALID) continue;
    setAt(config, key, value);
    values.set(key, value);
  }
  return { config, values, sources };
}

/** Returns `base` with the values of `overrides`. Changes neither. */
export function merge(base: RawConfig, overrides: RawConfig): RawConfig {
  const merged = { ...base };
  for (const [name, value] of Object.entries(overrides)) {
    const existing = merged[name];
    merged[name] = isRecord(value) && isRecord(existing) ? merge(existing, value) : value;
  }
  return merged;
}

export function isRecord(value: unknown): value is RawConfig {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof RegExp)
  );
}

function setAt(config: RawConfig, key: string, value: unknown): void {
  const [name = key, ...rest] = key.split('.');
  if (rest.length === 0) {
    config[name] = value;
    return;
  }
  const inner = (config[name] ??= {}) as RawConfig;
  setAt(inner, rest.join('.'), value);
}
