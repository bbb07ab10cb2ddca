/** Reads the JSON file of `--config`, with the options that a file writes differently from a program. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { UsageError } from '../cli-error.ts';
import { AntractError } from '../../common/errors.ts';
import { durationWithUnit } from '../../common/validate.ts';
import { FLAGS } from './flags.ts';
import { isRecord, type RawConfig } from './read-flags.ts';
import { readTextOrRegExp, TEXT_OR_REGEXP } from './text-or-regexp.ts';

export function readConfigFile(path: string): RawConfig {
  return interpretConfigFile(path, parseConfigFile(path));
}

/** The content of the file, as it is written. */
export function parseConfigFile(path: string): RawConfig {
  const config = parse(path, read(path));
  if (isRecord(config)) return config;
  throw new UsageError(`${path}: expected an object of options.`);
}

/** @param content of the file. `$schema` is for editors. */
export function interpretConfigFile(path: string, content: RawConfig): RawConfig {
  const { $schema: _forEditors, ...config } = content;
  if ('adminToken' in config) {
    throw new UsageError(
      `${path}: expected \`adminTokenFile\` instead of \`adminToken\`, which is a secret.`,
    );
  }
  checkDurations(path, config);
  // A path is relative to the file, so that the working directory does not matter.
  const result = resolvePaths(path, readRegExps(path, '', config));
  const { apps } = result;
  if (!isRecord(apps)) return result;
  const resolved = Object.entries(apps).map(([name, app]) => [
    name,
    isRecord(app) ? resolvePaths(path, app) : app,
  ]);
  return { ...result, apps: Object.fromEntries(resolved) as RawConfig };
}

function resolvePaths(path: string, config: RawConfig): RawConfig {
  const result = { ...config };
  for (const name of ['adminTokenFile', 'stateFile', 'errorPage']) {
    const value = config[name];
    if (typeof value !== 'string' || value.trim() === '') continue;
    result[name] = resolve(dirname(path), value);
  }
  return result;
}

/** JSON has no regular expressions, so a file writes them as `/text/`, like the command line. */
function readRegExps(path: string, prefix: string, config: RawConfig): RawConfig {
  const { privilegedUserAgent, apps } = config;
  const result = { ...config };
  if (typeof privilegedUserAgent === 'string') {
    const agent = readTextOrRegExp(privilegedUserAgent);
    if (agent === undefined) {
      const name = `${prefix}privilegedUserAgent`;
      throw new UsageError(`${path}: Expected \`${name}\` to be ${TEXT_OR_REGEXP}.`);
    }
    result['privilegedUserAgent'] = agent;
  }
  if (prefix === '' && isRecord(apps)) {
    result['apps'] = Object.fromEntries(
      Object.entries(apps).map(([name, app]) => [
        name,
        isRecord(app) ? readRegExps(path, `apps.${name}.`, app) : app,
      ]),
    );
  }
  return result;
}

/** In a program a number means milliseconds. In a file many people mean seconds, so require a unit. */
function checkDurations(path: string, config: RawConfig): void {
  const apps = isRecord(config['apps']) ? Object.entries(config['apps']) : [];
  const sections = [
    ['', config],
    ...apps.map(([name, app]) => [`apps.${name}.`, app] as const),
  ] as const;
  const durations = FLAGS.filter(({ isDuration }) => isDuration);
  for (const [prefix, options] of sections) {
    for (const { key } of durations) {
      const value = valueAt(options, key);
      if (typeof value === 'number') readDuration(path, prefix + key, value);
    }
  }
}

/** The value at a path such as `release.jitter`. */
function valueAt(options: unknown, key: string): unknown {
  return key
    .split('.')
    .reduce((at: unknown, name) => (isRecord(at) ? at[name] : undefined), options);
}

function readDuration(path: string, name: string, value: unknown): void {
  try {
    durationWithUnit()(name, value);
  } catch (error) {
    if (!(error instanceof AntractError)) throw error;
    throw new UsageError(`${path}: ${error.message}`, { cause: error });
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`Could not read the file of --config: ${(error as Error).message}`);
  }
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new UsageError(`${path}: expected JSON: ${(error as Error).message}`);
  }
}
