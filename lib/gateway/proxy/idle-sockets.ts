/**
 * Idle connections to a backend, any of which may have ended without anybody having looked yet. Knows
 * no request.
 *
 * When a process dies, the end of its connections is in this machine at once, but it is noticed only
 * when the event loop comes round to it. A request that is written until then is lost, and must not be
 * sent again, as it might have been processed: under load that would be most of those that arrive
 * within some 30 ms. So a connection is looked at in the very moment in which it is used again.
 */
import { readSync } from 'node:fs';
import type { Agent } from 'node:http';
import type { Socket } from 'node:net';
import { descriptorOf } from '../../common/descriptors.ts';

export function idleSockets(agent: Agent): Socket[] {
  return Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? []);
}

/** Ends idle connections that are dead, up to the one that an agent which uses the newest first takes next. */
export function endDead(agent: Agent): void {
  for (const sockets of Object.values(agent.freeSockets)) {
    if (sockets) endDeadOf(sockets);
  }
}

function endDeadOf(sockets: Socket[]): void {
  for (let left = sockets.length; left > 0; left--) {
    const newest = sockets.at(-1) as Socket;
    if (isLive(newest)) return;
    newest.destroy();
    // The agent forgets connections that have ended when they come first.
    sockets.unshift(sockets.pop() as Socket);
  }
}

/** How much each connection had received when it became idle. */
const received = new WeakMap<Socket, number>();

/**
 * A connection is idle from now on. Node reads what arrives meanwhile and drops it: the next response
 * would begin in the middle of what nobody asked for, such as the late body of a response to HEAD.
 */
export function noteIdle(socket: Socket): void {
  received.set(socket, socket.bytesRead);
}

/** Whether the agent has an idle connection that is alive. */
export function hasIdle(agent: Agent): boolean {
  endDead(agent);
  return idleSockets(agent).some((socket) => !socket.destroyed);
}

/** As many as Node's agent keeps of its own. */
const MAX_SPARE = 256;

/**
 * Connections that no request has used yet, because each request that waited for one got another.
 * Node's agent keeps only those that a request has used.
 */
export class SpareConnections {
  /** Each with what forgets it when it ends. */
  readonly #sockets = new Map<Socket, () => void>();

  add(socket: Socket): void {
    if (this.#sockets.size >= MAX_SPARE) return void socket.destroy();
    const forget = (): void => void this.#sockets.delete(socket);
    this.#sockets.set(socket, forget);
    socket.on('error', ignore).on('close', forget);
  }

  /** The newest one that is alive. */
  take(): Socket | undefined {
    for (const [socket, forget] of [...this.#sockets].toReversed()) {
      this.#sockets.delete(socket);
      if (isLive(socket)) return socket.off('error', ignore).off('close', forget);
      socket.destroy();
    }
    return undefined;
  }

  drop(): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
  }
}

/** The end of the connection follows and is what counts. */
function ignore(): void {}

const byte = Buffer.alloc(1);

/**
 * Reads, which on a socket of Node's never waits. Nothing is there to be read, unless the connection
 * has ended, or its backend has sent what nobody asked for; neither kind can be used.
 */
export function isLive(socket: Socket): boolean {
  if (socket.destroyed || socket.readableEnded || socket.readableLength > 0) return false;
  if (socket.bytesRead !== (received.get(socket) ?? 0)) return false;
  const fd = readableDescriptor(socket);
  if (fd === undefined) return true;
  try {
    withoutStackTrace(() => readSync(fd, byte, 0, 1, null));
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EAGAIN';
  }
}

/** Each request meets that error, whose stack trace costs several times what the look itself does. */
function withoutStackTrace(callback: () => void): void {
  const { stackTraceLimit } = Error;
  // By `Reflect`, as the property can't be set with `--frozen-intrinsics`.
  Reflect.set(Error, 'stackTraceLimit', 0);
  try {
    callback();
  } finally {
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  }
}

/**
 * Undefined where it can't be had, as on Windows; and with TLS, whose session may send messages of
 * its own at any time, which must not be taken away.
 */
function readableDescriptor(socket: Socket & { encrypted?: boolean }): number | undefined {
  return socket.encrypted ? undefined : descriptorOf(socket);
}
