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
import type { Agent, ClientRequest } from 'node:http';
import type { Socket } from 'node:net';

/** What every agent has, and Node's types leave out. */
interface AgentInternals {
  addRequest(req: ClientRequest, ...rest: unknown[]): void;
}

export function idleSockets(agent: Agent): Socket[] {
  return Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? []);
}

/** Has the agent look at an idle connection before it uses it. Of one that takes the last one first. */
export function useOnlyLive(agent: Agent): void {
  const internals = agent as unknown as AgentInternals;
  const { addRequest } = internals;
  internals.addRequest = (req, ...rest) => {
    for (const sockets of Object.values(agent.freeSockets)) skipDead(sockets ?? []);
    addRequest.call(agent, req, ...rest);
  };
}

/** The agent forgets those that are destroyed, as long as they come first. */
function skipDead(sockets: Socket[]): void {
  for (let left = sockets.length; left > 0; left--) {
    const last = sockets.at(-1) as Socket;
    if (isLive(last)) return;
    last.destroy();
    sockets.unshift(sockets.pop() as Socket);
  }
}

const byte = Buffer.alloc(1);

/**
 * Reads, which on a socket of Node's never waits. Nothing is there to be read, unless the connection
 * has ended, or its backend has sent what nobody asked for; neither kind can be used.
 */
export function isLive(socket: Socket): boolean {
  if (socket.destroyed || socket.readableEnded) return false;
  const fd = descriptorOf(socket);
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
function descriptorOf(socket: Socket & { encrypted?: boolean }): number | undefined {
  const { _handle: handle } = socket as { _handle?: { fd?: unknown } | null };
  const fd = handle?.fd;
  return !socket.encrypted && typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
