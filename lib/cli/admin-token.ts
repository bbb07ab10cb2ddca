/**
 * Where the admin token comes from: a file or the environment, and never the arguments, which any
 * user of the machine can see (`ps`). Knows no gateway.
 */
import { readFileSync, statSync } from 'node:fs';
import { UsageError } from './failure.ts';
import type { Source } from './flags.ts';

export interface TokenSources {
  readonly file: unknown;
  /** Where `file` was named. */
  readonly fileSource: Source | undefined;
  /** `ANTRACT_ADMIN_TOKEN`. */
  readonly variable: string | undefined;
  readonly warn: (message: string) => void;
}

/** A file named in the arguments comes first, then the variable, then a file named elsewhere. */
export function readAdminTokens({
  file,
  fileSource,
  variable,
  warn,
}: TokenSources): string[] | undefined {
  const useVariable = variable !== undefined && variable !== '' && fileSource !== 'cli';
  if (useVariable) return split(variable, /[\n,]/, 'ANTRACT_ADMIN_TOKEN');
  if (file === undefined) return undefined;
  if (typeof file !== 'string') throw new UsageError('Expected `adminTokenFile` to be a path.');
  return split(readTokenFile(file, warn), /\n/, file);
}

function split(text: string, separator: RegExp, where: string): string[] {
  const tokens = text
    .split(separator)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (tokens.length === 0) throw new UsageError(`Expected a token in ${where}, which is empty.`);
  return tokens;
}

function readTokenFile(path: string, warn: (message: string) => void): string {
  try {
    if ((statSync(path).mode & 0o077) !== 0) {
      warn(`WRN_ANTRACT_TOKEN_FILE: others can read ${path}; \`chmod 600\` it.`);
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`Could not read the admin token: ${(error as Error).message}`);
  }
}
