/**
 * Whether a request carries one of the tokens: as Bearer, or as the password of Basic, which is what
 * a browser can be made to ask for. Keeps digests only. Knows no rule and no answer.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { AntractError } from '../../common/errors.ts';
import type { Reader } from '../../common/validate.ts';
import { countHeader } from './request-headers.ts';

/** Returns the check. All tokens are always compared, so that time does not tell which is near. */
export function createTokenCheck(tokens: readonly string[]): (req: IncomingMessage) => boolean {
  const digests = tokens.map((token) => digest(Buffer.from(token)));
  return (req) => {
    const given = credential(req);
    if (given === undefined) return false;
    const givenDigest = digest(given);
    return digests.map((known) => timingSafeEqual(known, givenDigest)).includes(true);
  };
}

// Equal lengths, whatever was given: timingSafeEqual() throws on any other.
function digest(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

/** The bytes that stand where a token belongs. */
function credential(req: IncomingMessage): Buffer | undefined {
  // Node shows the first of several; a proxy in front may have checked another.
  if (countHeader(req, 'authorization') > 1) return undefined;
  const [, scheme, value] = /^(bearer|basic) +(\S.*)$/i.exec(req.headers.authorization ?? '') ?? [];
  if (scheme === undefined || value === undefined) return undefined;
  // Header values arrive as latin1, a character for each byte.
  return scheme.toLowerCase() === 'bearer' ? Buffer.from(value, 'latin1') : passwordOf(value);
}

function passwordOf(userAndPassword: string): Buffer | undefined {
  const bytes = Buffer.from(userAndPassword, 'base64');
  const colon = bytes.indexOf(':');
  return colon < 0 ? undefined : bytes.subarray(colon + 1);
}

/** Reads a token or several. Messages show no value: they end up in logs. */
export const readTokens: Reader<readonly string[]> = (name, value) => {
  const tokens: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (tokens.length > 0 && tokens.every(isToken)) return tokens;
  throw new AntractError(
    'ERR_ANTRACT_OPTION',
    `Expected \`${name}\` to be a string that is not empty and has neither white space at its ends ` +
      'nor control characters, or an array of at least one such string.',
  );
};

export function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[^\p{Cc}]+$/u.test(value) && value.trim() === value;
}
