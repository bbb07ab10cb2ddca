/** Reads the flags and environment variables of `serve` into a configuration. */
import type { Command } from 'commander';
import { FLAGS } from './flags.ts';

/** The configuration of a gateway before it is validated. */
export type RawConfig = Record<string, unknown>;

/** Where a value was set. */
export type Source = 'cli' | 'env' | 'file';

/** Also deletes the empty variables that count as unset, because Commander would read them. */
export function addFlags(command: Command): Command {
  for (const { option, env, mayBeEmpty } of FLAGS) {
    if (mayBeEmpty && process.env[env] === '') delete process.env[env];
    command.addOption(option);
  }
  return command;
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
    setAt(config, key, value);
    values.set(key, value);
    sources.set(key, source);
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
