/**
 * Reads the sockets that systemd, or another service manager, has opened for `antract serve`. The protocol is
 * that of sd_listen_fds(3).
 */
import { fstatSync } from 'node:fs';
import type { GatewaySockets } from '../../gateway/server/inherited-sockets.ts';
import { UsageError } from '../cli-error.ts';

/** A socket that this process has inherited. */
export interface InheritedSocket {
  readonly use: 'public' | 'admin';
  readonly fd: number;
}

/** The first inherited socket. The others follow without a gap. */
const FIRST_FD = 3;

/** The `FileDescriptorName=` of the socket for the admin endpoints. Sockets with any other name are public. */
const ADMIN_NAME = 'admin';

const VARIABLES = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'] as const;

/**
 * Reads the variables and deletes them from `env`, because they are not for the children of this process.
 *
 * @throws UsageError if a variable is wrong, or if there is more than one socket for the same use.
 */
export function takeInheritedSockets(
  env: NodeJS.ProcessEnv,
  pid: number,
  warn: (message: string) => void,
): InheritedSocket[] {
  const [receiver, count, names] = VARIABLES.map((name) => env[name]);
  for (const name of VARIABLES) delete env[name];
  if (!count) return [];
  if (readNumber('LISTEN_PID', receiver, 'the id of the process that inherits sockets') !== pid) {
    warn(
      `WRN_ANTRACT_LISTEN_PID: LISTEN_PID is ${receiver}, but the process id of antract is ${pid}, so antract ` +
        'ignores the inherited sockets. Start antract itself with them, not npx or a shell that starts antract.',
    );
    return [];
  }
  const length = readNumber('LISTEN_FDS', count, 'the number of inherited sockets');
  const sockets = readNames(names, length).map((name, index): InheritedSocket => {
    return { use: name === ADMIN_NAME ? 'admin' : 'public', fd: FIRST_FD + index };
  });
  for (const { fd } of sockets) assertSocket(fd, length);
  for (const use of ['public', 'admin'] as const) assertAtMostOne(sockets, use);
  return sockets;
}

/** @param firstFd the descriptor of the first socket in a worker that inherits all of them. */
export function socketsOfWorker(
  sockets: readonly InheritedSocket[],
  firstFd: number,
): GatewaySockets {
  return Object.fromEntries(sockets.map(({ use }, index) => [use, firstFd + index]));
}

function readNumber(name: string, text: string | undefined, meaning: string): number {
  if (text !== undefined && /^\d{1,7}$/.test(text)) return Number(text);
  throw new UsageError(`Expected \`${name}\` to be ${meaning}, got ${quoted(text)}.`);
}

function readNames(text: string | undefined, length: number): string[] {
  if (text === undefined) return Array.from({ length }, () => '');
  const names = text.split(':');
  if (names.length === length) return names;
  throw new UsageError(
    `Expected \`LISTEN_FDNAMES\` to have one name for each of the ${length} sockets of \`LISTEN_FDS\`, ` +
      `separated by colons, got ${quoted(text)}.`,
  );
}

function assertSocket(fd: number, length: number): void {
  const what = kindOf(fd);
  if (what === 'socket') return;
  throw new UsageError(
    `Expected \`LISTEN_FDS\` to be the number of inherited sockets, got ${length}, but descriptor ${fd} is ${what}.`,
  );
}

function kindOf(fd: number): 'socket' | 'not a socket' | 'not open' {
  try {
    return fstatSync(fd).isSocket() ? 'socket' : 'not a socket';
  } catch {
    return 'not open';
  }
}

function assertAtMostOne(sockets: readonly InheritedSocket[], use: InheritedSocket['use']): void {
  const count = sockets.filter((socket) => socket.use === use).length;
  if (count <= 1) return;
  throw new UsageError(
    use === 'admin'
      ? `Expected \`LISTEN_FDNAMES\` to name one socket ${ADMIN_NAME}, got ${count} sockets of this name.`
      : `Expected \`LISTEN_FDS\` to pass one public socket, got ${count}. For a socket for the admin endpoints, ` +
          `set FileDescriptorName=${ADMIN_NAME} in its unit (\`LISTEN_FDNAMES\`).`,
  );
}

function quoted(text: string | undefined): string {
  return text === undefined ? 'nothing' : `'${text}'`;
}
