/**
 * Checks the token of a request: Bearer, or the password of Basic, for which a browser asks its user.
 * Only digests of the tokens are kept in memory.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { AntractError } from '../../common/errors.ts';
import { isPlainObject, type Reader } from '../../common/validate.ts';
import { countHeader } from './request-headers.ts';

/** A token whose commands the status, the events and the log attribute to a name. */
export interface NamedToken {
  /** Such as `ci`. */
  readonly name: string;
  /** The secret. */
  readonly token: string;
}

/** A token for the admin endpoints. */
export type AdminToken = string | NamedToken;

/** The token that a request has. */
export interface TokenMatch {
  readonly name: string | undefined;
}

/**
 * Every request is compared with all tokens, so that timing reveals nothing.
 *
 * @returns a function that returns undefined for a request without a valid token.
 */
export function createTokenCheck(
  tokens: readonly AdminToken[],
): (req: IncomingMessage) => TokenMatch | undefined {
  const known = tokens.map((token) => ({
    name: typeof token === 'string' ? undefined : token.name,
    digest: digest(Buffer.from(secretOf(token))),
  }));
  return (req) => {
    const given = credential(req);
    if (given === undefined) return undefined;
    const givenDigest = digest(given);
    return known.filter((one) => timingSafeEqual(one.digest, givenDigest))[0];
  };
}

export function secretOf(token: AdminToken): string {
  return typeof token === 'string' ? token : token.token;
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
export const readTokens: Reader<readonly AdminToken[]> = (name, value) => {
  const tokens: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (tokens.length > 0 && tokens.every(isAdminToken)) return tokens;
  throw new AntractError(
    'ERR_ANTRACT_OPTION',
    `Expected \`${name}\` to be a string that is not empty and has neither white space at its ends ` +
      'nor control characters, an object { name, token } of two such strings, or an array of at least one of these.',
  );
};

function isAdminToken(value: unknown): value is AdminToken {
  if (!isPlainObject(value)) return isToken(value);
  return Object.keys(value).length === 2 && isToken(value['name']) && isToken(value['token']);
}

export function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[^\p{Cc}]+$/u.test(value) && value.trim() === value;
}
