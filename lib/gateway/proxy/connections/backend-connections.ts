/**
 * The connections to one backend.
 *
 * A request gets a connection only when it is established. Until then nothing of the request has been
 * written or read, so the request can be requeued when the connection can't be made.
 */
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { readDescriptorLimits } from '../../../common/descriptors.ts';
import { addressOf, connector, type ConnectorOptions } from '../../config/connector.ts';
import { AcceptCheck } from './accept-check.ts';
import { BackendAgent } from './backend-agent.ts';
import { whenUsable } from './connection-attempt.ts';
import { ConnectionPool, type OpenConnection, type WaitingRequest } from './connection-pool.ts';
import { keepReading } from './early-response.ts';
import { limitDescriptor, StarvedConnections } from './starved-connections.ts';

export interface BackendConnectionsDeps extends ConnectorOptions {
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
   * Makes a connection for a health check. Requests use it after the response, because the backend is known
   * to have accepted it.
   */
  connectForCheck(): Socket {
    const socket = this.#make();
    // Not earlier: `resumed` is emitted just after the check of the app has begun, and calls `retire()`.
    socket.once('connect', () => this.#prepare(socket, this.#generation));
    return socket;
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
    const socket = this.#make();
    const generation = this.#generation;
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

  #make(): Socket {
    const socket = this.#connect();
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }

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
