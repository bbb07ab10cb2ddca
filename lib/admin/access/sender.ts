/** Who sent an admin request, as far as it says. Only shown, never trusted: a client can claim any name. */
import type { IncomingMessage } from 'node:http';
import { plainAddress } from '../../common/address.ts';
import { printable } from '../../common/printable.ts';
import { readActor, type Actor } from '../../gate/actor.ts';

/** Set by the command line, such as `ada@laptop`. */
export const SENDER_HEADER = 'X-Antract-By';

/** @param token the name of the token that the client sent, if it has one. */
export function senderOf(req: IncomingMessage, token?: string): Actor | null {
  const name = headerText(req.headers[SENDER_HEADER.toLowerCase()]) ?? basicUser(req);
  return readActor({
    name: name && printable(name),
    address: plainAddress(req.socket.remoteAddress),
    token,
  });
}

/** The user of Basic, who may have any name. */
function basicUser({ headers }: IncomingMessage): string | undefined {
  const [, value = ''] = /^basic +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
  const [user] = Buffer.from(value, 'base64').toString().split(':');
  return user === '' ? undefined : user;
}

// Node decodes header values as latin1, one character per byte.
function headerText(value: string | string[] | undefined): string | undefined {
  const text = typeof value === 'string' ? Buffer.from(value, 'latin1').toString() : '';
  return text === '' ? undefined : text;
}
