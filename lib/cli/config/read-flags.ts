/** Reads the flags and environment variables of `serve` into a configuration. */
import type { Command } from 'commander';
import { FLAGS } from './flags.ts';

/** A configuration as a file or the command line writes it; what it means is read later. */
export type RawConfig = Record<string, unknown>;

/** Where a value came from. */
export type Source = 'cli' | 'env' | 'file';

export function addFlags(command: Command): Command {
  for (const { option } of FLAGS) command.addOption(option);
  return command;
}

export interface Given {
  readonly config: RawConfig;
  /** The same by key. */
  readonly values: ReadonlyMap<string, unknown>;
  readonly sources: ReadonlyMap<string, Source>;
}

/** What the command line and the environment say, in the shape of a configuration. */
export function readFlags(command: Command): Given {
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

/** Puts what `over` has on top of `under`; neither is changed. */
export function merge(under: RawConfig, over: RawConfig): RawConfig {
  const merged = { ...under };
  for (const [name, value] of Object.entries(over)) {
    const below = merged[name];
    merged[name] = isRecord(value) && isRecord(below) ? merge(below, value) : value;
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
