/**
 * The connections to one backend. Knows no request.
 *
 * A connection is handed over only when it stands: until then nothing of a request has been written
 * or read, and where it can't be made, the request is as whole as it came.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { isIP, type NetConnectOpts, type Socket } from 'node:net';
import { keepReading } from './early-response.ts';
import { readDescriptorLimits } from '../../common/descriptors.ts';
import { PROXY_TIMEOUT_CODE, proxyTimeoutError } from './backend-error.ts';
import { readEveryHeader } from '../../common/header-limit.ts';
import {
  ConnectionQueue,
  type AgentInternals,
  type Open,
  type Waiting,
} from './connection-queue.ts';
import { idleSockets } from './idle-sockets.ts';
import { AcceptCheck } from './accept-check.ts';
import { keepToDescriptors, StarvedConnections } from './starved-connections.ts';
import type { Target } from '../config/target.ts';

/**
 * As many connections as there are requests: a limit would be a second queue that nobody sees, behind
 * the one that holds requests.
 */
const LIMITS = {
  keepAlive: true,
  maxSockets: Infinity,
  maxFreeSockets: 256,
  // The one used last is the least likely to be closed by the backend any moment.
  scheduling: 'lifo',
} as const;

/**
 * How long a connection may take to be made. A machine that is gone without a word has to be noticed
 * while the clients of its requests are still there.
 */
const LONGEST_CONNECT_MS = 10_000;

export interface TlsOptions {
  readonly rejectUnauthorized: boolean;
}

export interface BackendAgent {
  readonly agent: HttpAgent;
  /**
   * For an upgrade, whose proxy gives up the client's socket with the connection that it could not make.
   * Calls `use` when one stands, for the request that is made within that call.
   */
  readonly withConnection: (upgrade: Waiting, options: TlsOptions) => void;
  /** Idle connections lead to a backend that may be about to go, or is gone. */
  readonly dropIdle: () => void;
  /** Ends all of them, and those that are just being made. */
  readonly close: () => void;
}

/**
 * @param timeoutMs the longest silence; 0 for no limit.
 * @param isUnconfirmed whether the backend may fall over any moment, as while those held are let go.
 */
export function createAgent(
  target: Target,
  timeoutMs: number,
  isUnconfirmed: () => boolean,
): BackendAgent {
  const agent = createNodeAgent(target);
  const ready = target.protocol === 'http:' ? 'connect' : 'secureConnect';
  const connect = agent.createConnection.bind(agent);
  const pending = new Set<Socket>();
  // With TLS nobody but the backend can say that a connection stands.
  const settling = target.protocol === 'http:' && new AcceptCheck(addressOf(target));
  const maxDescriptor = readDescriptorLimits().backends;
  const connectOnce: Open = (options, callback) => {
    const socket = connect(options) as Socket;
    pending.add(socket);
    keepToDescriptors(socket, maxDescriptor);
    whenReady(socket, { ready, timeoutMs, settling: isUnconfirmed() && settling }, (error) => {
      pending.delete(socket);
      if (!error) keepReading(socket);
      callback(error, error ? undefined : socket);
    });
  };
  const starved = new StarvedConnections(connectOnce, timeoutMs, () => queue.isAhead);
  const open: Open = (options, callback) => starved.open(options, callback);
  const queue: ConnectionQueue = new ConnectionQueue(agent, open);
  readAllResponseHeaders(agent);
  return {
    agent,
    withConnection: (waiting, tls) => queue.add(waiting, { ...addressOf(target), ...tls }),
    dropIdle: () => {
      for (const socket of idleSockets(agent)) socket.destroy();
      queue.dropSpare();
    },
    close: () => {
      agent.destroy();
      queue.dropSpare();
      if (settling) settling.close();
      for (const socket of pending) socket.destroy();
      starved.close();
    },
  };
}

/** Done by the agent because the proxy shows a request only when its parser has its limit already. */
function readAllResponseHeaders(agent: HttpAgent): void {
  const internals = agent as unknown as AgentInternals;
  const { addRequest } = internals;
  internals.addRequest = (req, options) => addRequest.call(agent, readEveryHeader(req), options);
}

function addressOf({ hostname, port, socketPath }: Target): NetConnectOpts {
  return socketPath === undefined ? { host: hostname, port } : { path: socketPath };
}

function createNodeAgent({ protocol, hostname }: Target): HttpAgent {
  if (protocol === 'http:') return new HttpAgent(LIMITS);
  return new HttpsAgent({ ...LIMITS, servername: serverName(hostname) });
}

/** The certificate has to be the target's: left alone, Node expects one for the client's `Host`. */
export function serverName(hostname: string): string {
  return isIP(hostname) === 0 ? hostname : '';
}

const unsent = new WeakSet<Error>();

/** Whether an error says that no connection to the backend could be made: its request never left. */
export function isUnsent(error: Error): boolean {
  return unsent.has(error);
}

interface Readiness {
  readonly ready: 'connect' | 'secureConnect';
  readonly timeoutMs: number;
  /** Where it has to settle then. */
  readonly settling: AcceptCheck | false;
}

/** Calls back once. */
function whenReady(
  socket: Socket,
  { ready, timeoutMs, settling }: Readiness,
  callback: (error: Error | null) => void,
): void {
  let isConnected = false;
  let leave: (() => void) | undefined;
  const settle = (error: Error | null): void => {
    leave?.();
    socket.off('connect', onConnect).off(ready, onReady).off('timeout', onTimeout);
    socket.off('error', settle).off('close', onClose);
    socket.setTimeout(0);
    if (error && isWorthWaiting(error, isConnected)) unsent.add(error);
    callback(error);
  };
  const onConnect = (): void => void (isConnected = true);
  const onReady = (): void => {
    // It is made; and is not silent because it waits here.
    socket.setTimeout(0);
    if (settling) leave = settling.begin(socket, () => settle(null));
    else settle(null);
  };
  const onTimeout = (): void => void socket.destroy(timeoutError(timeoutMs));
  const onClose = (): void => settle(connectError('ECONNRESET'));
  socket.once('connect', onConnect).once(ready, onReady).once('timeout', onTimeout);
  socket.once('error', settle).once('close', onClose);
  // By itself Node would start this timer only once connected.
  socket.setTimeout(Math.min(timeoutMs || Infinity, LONGEST_CONNECT_MS));
}

/**
 * Whether the backend may just be away. Not where a certificate is wrong, or TLS is not spoken there;
 * nor when `proxyTimeout` is over, the longest that a client is to wait for an answer.
 */
function isWorthWaiting(error: NodeJS.ErrnoException, isConnected: boolean): boolean {
  if (error.code === PROXY_TIMEOUT_CODE) return false;
  return !isConnected || isBroken(error);
}

/** Whether an error says that the connection to the backend was closed or lost. */
export function isBroken(error: NodeJS.ErrnoException): boolean {
  return AWAY.has(error.code ?? '');
}

const AWAY = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT']);

function timeoutError(timeoutMs: number): Error {
  const isOfClient = timeoutMs > 0 && timeoutMs <= LONGEST_CONNECT_MS;
  return isOfClient ? proxyTimeoutError() : connectError('ETIMEDOUT');
}

function connectError(code: string): Error {
  return Object.assign(new Error('No connection to the backend could be made.'), { code });
}
