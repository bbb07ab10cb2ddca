/**
 * Reads admin tokens from a file or the environment. Messages name the source and the line, and never
 * show a token, because messages end up in logs.
 */
import { readFileSync, statSync } from 'node:fs';
import { isToken, type AdminToken } from '../../admin/access/token.ts';
import { AntractError } from '../../common/errors.ts';
import { UsageError } from '../cli-error.ts';
import type { Source } from './read-flags.ts';

export interface TokenSources {
  readonly file: unknown;
  /** Where the path of the file was set. */
  readonly fileSource: Source | undefined;
  /** `ANTRACT_ADMIN_TOKEN`. */
  readonly variable: string | undefined;
  readonly warn: (message: string) => void;
}

/** The order: a file set by an argument, then the variable, then a file set elsewhere. */
export function readAdminTokens({
  file,
  fileSource,
  variable,
  warn,
}: TokenSources): AdminToken[] | undefined {
  if (variable !== undefined && fileSource !== 'cli') {
    const tokens = parse(variable, 'ANTRACT_ADMIN_TOKEN', (line) => line.split(','));
    if (tokens.length > 0) return tokens;
    // Without a token, the admin endpoints would be open to everyone.
    throw new UsageError(
      'Expected a token in ANTRACT_ADMIN_TOKEN, but it is empty. Unset it to run without a token.',
    );
  }
  if (file === undefined) return undefined;
  // `serve` replaces the option's name by the flag or variable that set it.
  if (isBlank(file)) {
    throw new AntractError('ERR_ANTRACT_OPTION', 'Expected `adminTokenFile` to be a path.');
  }
  return readTokenFile(file as string, warn);
}

/**
 * One token per line. Blank lines and lines that start with `#` are skipped, but `# name: ci` gives the token on
 * the next line a name.
 */
export function readTokenFile(path: string, warn: (message: string) => void): AdminToken[] {
  const tokens = parse(readText(path, warn), path, (line) => [line]);
  if (tokens.length > 0) return tokens;
  throw new UsageError(`Expected a token in ${path}, which has only comments and blank lines.`);
}

const NAME = /^\s*#\s*name:\s*(\S.*?)\s*$/;

function parse(text: string, where: string, split: (line: string) => string[]): AdminToken[] {
  return text.split('\n').flatMap((line, index, lines): AdminToken[] => {
    if (line.trim().startsWith('#')) return [];
    const tokens = split(line)
      .map((token) => token.trim())
      .filter((token) => token !== '');
    const name = NAME.exec(lines[index - 1] ?? '')?.[1];
    if (tokens.every(isToken)) return tokens.map((token) => (name ? { name, token } : token));
    throw new UsageError(
      `Expected the token on line ${index + 1} of ${where} to be without control characters.`,
    );
  });
}

function readText(path: string, warn: (message: string) => void): string {
  try {
    if ((statSync(path).mode & 0o077) !== 0) {
      warn(`WRN_ANTRACT_TOKEN_FILE: other users can read ${path}. Run \`chmod 600\` on it.`);
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`Could not read the admin token: ${(error as Error).message}`);
  }
}

export function isBlank(value: unknown): boolean {
  return typeof value !== 'string' || value.trim() === '';
}
