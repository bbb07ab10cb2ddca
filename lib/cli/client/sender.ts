/** Who runs this command. The server shows it, and never trusts it. */
import { hostname, userInfo } from 'node:os';
import { printable } from '../../common/printable.ts';

/** Such as `ada@laptop`. */
export function senderName(): string {
  return printable(`${userName()}@${hostname()}`);
}

/** The user of a container may have no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return process.getuid === undefined ? 'unknown' : `uid ${process.getuid()}`;
  }
}
