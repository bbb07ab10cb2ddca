/**
 * Where the admin token comes from: a file or the environment, and never the arguments, which any
 * user of the machine can see (`ps`).
 *
 * Messages name the source and the line, and never show a token.
 */
import { readFileSync, statSync } from 'node:fs';
import { isToken } from '../../admin/access/token.ts';
import { AntractError } from '../../common/errors.ts';
import { UsageError } from '../cli-error.ts';
import type { Source } from '../config/read-flags.ts';

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
  if (variable !== undefined && fileSource !== 'cli') {
    const tokens = parse(variable, 'ANTRACT_ADMIN_TOKEN', (line) => line.split(','));
    if (tokens.length > 0) return tokens;
    // Going on without a token would open what the variable was meant to guard.
    throw new UsageError(
      'Expected a token in ANTRACT_ADMIN_TOKEN, which is set but has none. Unset it to do without.',
    );
  }
  if (file === undefined) return undefined;
  // Whoever reads the message knows the option by the name that they gave it.
  if (isBlank(file)) {
    throw new AntractError('ERR_ANTRACT_OPTION', 'Expected `adminTokenFile` to be a path.');
  }
  return readTokenFile(file as string, warn);
}

/** One token a line. Blank lines, and lines that start with `#`, are skipped. */
export function readTokenFile(path: string, warn: (message: string) => void): string[] {
  const tokens = parse(readText(path, warn), path, (line) => [line]);
  if (tokens.length > 0) return tokens;
  throw new UsageError(`Expected a token in ${path}, which has only comments and blank lines.`);
}

function parse(text: string, where: string, split: (line: string) => string[]): string[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim().startsWith('#')) return [];
    const tokens = split(line)
      .map((token) => token.trim())
      .filter((token) => token !== '');
    if (tokens.every(isToken)) return tokens;
    throw new UsageError(
      `Expected the token on line ${index + 1} of ${where} to be without control characters.`,
    );
  });
}

function readText(path: string, warn: (message: string) => void): string {
  try {
    if ((statSync(path).mode & 0o077) !== 0) {
      warn(`WRN_ANTRACT_TOKEN_FILE: others can read ${path}; \`chmod 600\` it.`);
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`Could not read the admin token: ${(error as Error).message}`);
  }
}

export function isBlank(value: unknown): boolean {
  return typeof value !== 'string' || value.trim() === '';
}
