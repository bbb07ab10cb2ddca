/**
 * Checks at the moment of use whether a connection to a backend is still alive.
 *
 * When a process dies, the kernel closes its connections at once, but Node notices only when the event
 * loop gets to them. A request that is written until then is lost. It must not be sent again, because
 * the backend might have processed it. Under load, most requests that arrive within some 30 ms would
 * be lost.
 */
import { readSync } from 'node:fs';
import type { Socket } from 'node:net';
import { descriptorOf } from '../../../common/descriptors.ts';

const byte = Buffer.alloc(1);

/**
 * Reads from the socket, which never blocks on a socket of Node. There is something to read only if the
 * connection has ended or the backend has sent unrequested bytes. Neither connection can be used.
 *
 * @param bytesRead what the connection had received when it became idle.
 */
export function isLive(socket: Socket, bytesRead = 0): boolean {
  if (socket.destroyed || socket.readableEnded || socket.readableLength > 0) return false;
  if (socket.bytesRead !== bytesRead) return false;
  const fd = readableDescriptor(socket);
  if (fd === undefined) return true;
  try {
    withoutStackTrace(() => readSync(fd, byte, 0, 1, null));
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EAGAIN';
  }
}

/** Each request causes this error, and its stack trace costs several times as much as the read. */
function withoutStackTrace(callback: () => void): void {
  const { stackTraceLimit } = Error;
  // By `Reflect`, because an assignment throws with `--frozen-intrinsics`.
  Reflect.set(Error, 'stackTraceLimit', 0);
  try {
    callback();
  } finally {
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  }
}

/**
 * Undefined where Node has none, as on Windows. Also for TLS: the session may receive messages of its
 * own at any time, and reading here would lose them.
 */
function readableDescriptor(socket: Socket & { encrypted?: boolean }): number | undefined {
  return socket.encrypted ? undefined : descriptorOf(socket);
}
