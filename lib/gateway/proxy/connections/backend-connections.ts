/**
 * The connections to one backend.
 *
 * A request gets a connection only when it is established. Until then nothing of the request has been
 * written or read, so the request can be requeued when the connection can't be made.
 */
import type { ClientRequest } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { readDescriptorLimits } from '../../../common/descriptors.ts';
import { tlsServerName, type Target } from '../../config/target.ts';
import { AcceptCheck } from './accept-check.ts';
import { BackendAgent } from './backend-agent.ts';
import { whenUsable } from './connection-attempt.ts';
import { ConnectionPool, type OpenConnection, type WaitingRequest } from './connection-pool.ts';
import { keepReading } from './early-response.ts';
import { limitDescriptor, StarvedConnections } from './starved-connections.ts';

/** TCP keep-alive, from this long without data. As Node's agents do. */
const KEEP_ALIVE_MS = 1000;

export interface BackendConnectionsDeps {
  readonly target: Target;
  /** Whether the certificate of an https backend must be valid. */
  readonly rejectUnauthorized: boolean;
  /** The longest silence; 0 for no limit. */
  readonly timeoutMs: number;
  /** Whether the backend may fail at any moment, as during a release. */
  readonly needsAcceptCheck: () => boolean;
}

export interface WaitingUpgrade extends Omit<WaitingRequest, 'use'> {
  /** Makes the request, which gets the connection. */
  readonly use: () => void;
}

export class BackendConnections {
  readonly agent: BackendAgent;
  readonly #deps: BackendConnectionsDeps;
  readonly #connect: () => Socket;
  /** All connections, and those that are being made. */
  readonly #sockets = new Set<Socket>();
  /** Undefined for TLS, where only the backend can establish a connection. */
  readonly #acceptCheck: AcceptCheck | undefined;
  readonly #maxDescriptor = readDescriptorLimits().backends;
  readonly #starved: StarvedConnections;
  readonly #pool: ConnectionPool;
  readonly #retryable = new WeakSet<Error>();
  /** Grows when the backend process may be replaced. Earlier connections lead to the old process. */
  #generation = 0;

  constructor(deps: BackendConnectionsDeps) {
    const { target, timeoutMs } = deps;
    this.#deps = deps;
    this.#connect = connector(deps);
    if (target.protocol === 'http:') this.#acceptCheck = new AcceptCheck(addressOf(target));
    this.#starved = new StarvedConnections(this.#open, timeoutMs, () => this.#pool.hasSurplus);
    this.#pool = new ConnectionPool(
      (callback) => this.#starved.open(callback),
      deps.needsAcceptCheck,
    );
    this.agent = new BackendAgent(target.protocol, this.#pool);
  }

  /**
   * For an upgrade, because the proxy library destroys the client's socket when it can't connect. Calls
   * `use` when a connection is established, for the request that is made within that call.
   */
  withConnection({ use, fail, isGone }: WaitingUpgrade): void {
    const send = (socket: Socket): void => this.agent.offer(socket, use);
    const socket = this.#pool.take();
    if (socket) send(socket);
    else this.#pool.wait({ use: send, fail, isGone });
  }

  /** Whether no connection could be made for a request, so that it was not sent and may be requeued. */
  isRetryable(error: Error): boolean {
    return this.#retryable.has(error);
  }

  /**
   * Closes idle connections, and each other one after its response. They may lead to a backend that is about
   * to stop, and many backends stop only when they have no connection left.
   */
  retire(): void {
    this.#generation++;
    this.#pool.closeIdle();
  }

  /** Closes all connections, and those that are being made. */
  close(): void {
    this.#acceptCheck?.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#starved.close();
  }

  readonly #open: OpenConnection = (callback) => {
    const { target, timeoutMs, needsAcceptCheck } = this.#deps;
    const socket = this.#connect();
    const generation = this.#generation;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    limitDescriptor(socket, this.#maxDescriptor);
    const attempt = {
      readyEvent: target.protocol === 'http:' ? 'connect' : 'secureConnect',
      timeoutMs,
      acceptCheck: needsAcceptCheck() ? this.#acceptCheck : undefined,
    } as const;
    whenUsable(socket, attempt, (failure) => {
      if (!failure) {
        this.#prepare(socket, generation);
        return callback(null, socket);
      }
      if (failure.isRetryable) this.#retryable.add(failure.error);
      callback(failure.error);
    });
  };

  /** Adds the listeners of a connection once, instead of for each of its requests. */
  #prepare(socket: Socket, generation: number): void {
    keepReading(socket);
    // The close event follows and is handled.
    socket.on('error', ignore);
    socket.once('close', () => this.#pool.remove(socket));
    // Node emits it when a request no longer uses the connection, and the connection may be kept.
    socket.on('free', () => {
      const internals = socket as { _httpMessage?: ClientRequest | null };
      // Null until a request has been written to the connection.
      const isKept = internals._httpMessage?.shouldKeepAlive !== false;
      internals._httpMessage = null;
      if (isKept && generation === this.#generation && socket.writable) this.#pool.add(socket);
      else socket.destroy();
    });
  }
}

function ignore(): void {}

function addressOf({ hostname, port, socketPath }: Target): NetConnectOpts {
  return socketPath === undefined ? { host: hostname, port } : { path: socketPath };
}

function connector({ target, rejectUnauthorized }: BackendConnectionsDeps): () => Socket {
  const options = {
    ...addressOf(target),
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  };
  if (target.protocol === 'http:') return () => connect(options);
  const tlsOptions = {
    ...options,
    servername: tlsServerName(target.hostname),
    rejectUnauthorized,
    ALPNProtocols: ['http/1.1'],
    // The name under which the agent keeps the TLS session.
    _agentKey: target.hostname,
  };
  const agent = new HttpsAgent({ keepAlive: true });
  return () => agent.createConnection(tlsOptions) as Socket;
}
