/** Waits until a new connection to a backend can be used. */
import type { Socket } from 'node:net';
import { connectError, isDrop, isProxyTimeout, proxyTimeoutError } from '../backend-error.ts';
import type { AcceptCheck } from './accept-check.ts';
import { isLive } from './socket-liveness.ts';

/**
 * The longest time to make a connection. An unreachable backend is detected before its clients give
 * up.
 */
const MAX_CONNECT_MS = 10_000;

export interface AttemptOptions {
  /** The event of a connection that is established. */
  readonly readyEvent: 'connect' | 'secureConnect';
  /** The longest silence; 0 for no limit. */
  readonly timeoutMs: number;
  /** Waits until the backend has accepted the connection; undefined where that is not needed. */
  readonly acceptCheck: AcceptCheck | undefined;
}

/** The outcome of an attempt. */
export interface AttemptFailure {
  readonly error: Error;
  /** Whether the backend may only be down for a while, so that the request may wait for it. */
  readonly isRetryable: boolean;
}

/** Calls back once. */
export function whenUsable(
  socket: Socket,
  { readyEvent, timeoutMs, acceptCheck }: AttemptOptions,
  callback: (failure: AttemptFailure | undefined) => void,
): void {
  let isConnected = false;
  let cancelCheck: (() => void) | undefined;
  const settle = (error?: Error): void => {
    cancelCheck?.();
    socket.off('connect', onConnect).off(readyEvent, onReady).off('timeout', onTimeout);
    socket.off('error', settle).off('close', onClose);
    socket.setTimeout(0);
    callback(error && { error, isRetryable: isRetryable(error, isConnected) });
  };
  const onConnect = (): void => void (isConnected = true);
  const onReady = (): void => {
    // It is connected, and waiting for the check is no silence of the backend.
    socket.setTimeout(0);
    if (acceptCheck) cancelCheck = acceptCheck.add(socket, () => settle());
    // The backend may have closed it before the event loop got to it, for example at a limit of its own.
    else if (isLive(socket, socket.bytesRead)) settle();
    else socket.destroy();
  };
  const onTimeout = (): void => void socket.destroy(timeoutError(timeoutMs));
  const onClose = (): void => settle(connectError('ECONNRESET'));
  socket.once('connect', onConnect).once(readyEvent, onReady).once('timeout', onTimeout);
  socket.once('error', settle).once('close', onClose);
  // Node itself starts this timer only when the connection is made.
  socket.setTimeout(Math.min(timeoutMs || Infinity, MAX_CONNECT_MS));
}

/**
 * False where a certificate is wrong or the backend does not speak TLS. False also after
 * `proxyTimeout`, which is the longest time that a client waits for a response.
 */
function isRetryable(error: Error, isConnected: boolean): boolean {
  if (isProxyTimeout(error)) return false;
  return !isConnected || isDrop(error);
}

function timeoutError(timeoutMs: number): Error {
  const isProxyTimeout = timeoutMs > 0 && timeoutMs <= MAX_CONNECT_MS;
  return isProxyTimeout ? proxyTimeoutError() : connectError('ETIMEDOUT');
}
