/**
 * Reads the file of `--config`. Knows JSON and no option but those that only a command line has.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { UsageError } from './failure.ts';
import { isRecord, type RawConfig } from './flags.ts';

export function readConfigFile(path: string): RawConfig {
  const config = parse(path, read(path));
  if (!isRecord(config)) throw new UsageError(`${path}: expected an object of options.`);
  if ('adminToken' in config) {
    throw new UsageError(
      `${path}: expected \`adminTokenFile\` instead of \`adminToken\`, a secret.`,
    );
  }
  // Relative to the file, as it can be used from anywhere.
  const { adminTokenFile } = config;
  if (typeof adminTokenFile !== 'string') return config;
  return { ...config, adminTokenFile: resolve(dirname(path), adminTokenFile) };
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
