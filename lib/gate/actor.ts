/** Who gave a command, as far as is known. Only shown: a client can claim any name. */
import { isPlainObject } from '../common/validate.ts';

/** Who gave a command. A client can claim any name, so trust only `token`, and `address` without a proxy. */
export interface Actor {
  /** The name that the client or the program gives itself, such as `ada@laptop`; null if it gives none. */
  readonly name: string | null;
  /** The address that the admin request came from, such as that of a proxy; null for a call in the program. */
  readonly address: string | null;
  /** The name of the token that the client sent; null if the token has no name. */
  readonly token: string | null;
}

/** Enough for a user and a host name. */
const MAX_ACTOR_TEXT = 100;

/** Shortens each text, and returns null if there is none. */
export function readActor(given: { readonly [name in keyof Actor]?: unknown }): Actor | null {
  const actor = {
    name: readText(given.name),
    address: readText(given.address),
    token: readText(given.token),
  };
  return Object.values(actor).some((text) => text !== null) ? actor : null;
}

/** From the text of another process, which may have another version. */
export function parseActor(value: unknown): Actor | null {
  return isPlainObject(value) ? readActor(value) : null;
}

/** Whether two commands came from the same operator. The address counts only without a name: it may change. */
export function isSameActor(a: Actor, b: Actor): boolean {
  const isSameName = a.name === b.name && a.token === b.token;
  return isSameName && (a.name !== null || a.address === b.address);
}

/** `ada@laptop (10.0.0.7, token ci)`; empty if nothing is known. */
export function actorText(actor: Actor | null): string {
  if (actor === null) return '';
  const { name, address, token } = actor;
  const origin = [address, token === null ? null : `token ${token}`].filter(
    (text) => text !== null,
  );
  if (name === null) return origin.join(', ');
  return origin.length === 0 ? name : `${name} (${origin.join(', ')})`;
}

function readText(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  const text = value.trim().slice(0, MAX_ACTOR_TEXT);
  return text === '' ? null : text;
}
