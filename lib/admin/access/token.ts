/**
 * Checks the token of a request: Bearer, or the password of Basic, for which a browser asks its user.
 * Only digests of the tokens are kept in memory.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { AntractError } from '../../common/errors.ts';
import type { Reader } from '../../common/validate.ts';
import { countHeader } from './request-headers.ts';

/** Every request is compared with all tokens, so that timing reveals nothing. */
export function createTokenCheck(tokens: readonly string[]): (req: IncomingMessage) => boolean {
  const digests = tokens.map((token) => digest(Buffer.from(token)));
  return (req) => {
    const given = credential(req);
    if (given === undefined) return false;
    const givenDigest = digest(given);
    return digests.map((known) => timingSafeEqual(known, givenDigest)).includes(true);
  };
}

// Digests have equal lengths. timingSafeEqual() throws for different ones.
function digest(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

/** The token that the client sent, as bytes. */
function credential(req: IncomingMessage): Buffer | undefined {
  // Of several headers Node shows the first, but a proxy in front may have checked another one.
  if (countHeader(req, 'authorization') > 1) return undefined;
  const [, scheme, value] = /^(bearer|basic) +(\S.*)$/i.exec(req.headers.authorization ?? '') ?? [];
  if (scheme === undefined || value === undefined) return undefined;
  // Node decodes header values as latin1, one character per byte.
  return scheme.toLowerCase() === 'bearer' ? Buffer.from(value, 'latin1') : passwordOf(value);
}

function passwordOf(userAndPassword: string): Buffer | undefined {
  const bytes = Buffer.from(userAndPassword, 'base64');
  const colon = bytes.indexOf(':');
  return colon < 0 ? undefined : bytes.subarray(colon + 1);
}

/** Reads one token or several. Messages must not show the value, because they are logged. */
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
