/**
 * The connections to one backend.
 *
 * A request gets a connection only when it is established. Until then nothing of the request has been
 * written or read, so the request can be requeued when the connection can't be made.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { NetConnectOpts, Socket } from 'node:net';
import { readDescriptorLimits } from '../../../common/descriptors.ts';
import { readEveryHeader } from '../../../common/header-limit.ts';
import { tlsServerName, type Target } from '../../config/target.ts';
import { AcceptCheck } from './accept-check.ts';
import { whenUsable } from './connection-attempt.ts';
import {
  ConnectionQueue,
  type AgentInternals,
  type OpenConnection,
  type WaitingRequest,
} from './connection-queue.ts';
import { keepReading } from './early-response.ts';
import { limitDescriptor, StarvedConnections } from './starved-connections.ts';

const AGENT_OPTIONS = {
  keepAlive: true,
  // A limit would be a second, invisible queue behind the one that holds requests.
  maxSockets: Infinity,
  maxFreeSockets: 256,
  // The backend is least likely to close the connection that was used last.
  scheduling: 'lifo',
} as const;

export interface TlsOptions {
  readonly rejectUnauthorized: boolean;
}

export interface BackendConnectionsDeps {
  readonly target: Target;
  /** The longest silence; 0 for no limit. */
  readonly timeoutMs: number;
  /** Whether the backend may fail at any moment, as during a release. */
  readonly needsAcceptCheck: () => boolean;
}

export class BackendConnections {
  readonly agent: HttpAgent;
  readonly #deps: BackendConnectionsDeps;
  readonly #connect: HttpAgent['createConnection'];
  /** Connections that are being made. */
  readonly #pending = new Set<Socket>();
  /** Undefined for TLS, where only the backend can establish a connection. */
  readonly #acceptCheck: AcceptCheck | undefined;
  readonly #maxDescriptor = readDescriptorLimits().backends;
  readonly #starved: StarvedConnections;
  readonly #queue: ConnectionQueue;
  readonly #retryable = new WeakSet<Error>();

  constructor(deps: BackendConnectionsDeps) {
    const { target, timeoutMs } = deps;
    this.#deps = deps;
    this.agent = createNodeAgent(target);
    this.#connect = this.agent.createConnection.bind(this.agent);
    if (target.protocol === 'http:') this.#acceptCheck = new AcceptCheck(addressOf(target));
    this.#starved = new StarvedConnections(this.#open, timeoutMs, () => this.#queue.hasSurplus);
    this.#queue = new ConnectionQueue(this.agent, (options, callback) =>
      this.#starved.open(options, callback),
    );
    readAllResponseHeaders(this.agent);
  }

  /**
   * For an upgrade, because the proxy library destroys the client's socket when it can't connect. Calls
   * `use` when a connection is established, for the request that is made within that call.
   */
  withConnection(waiting: WaitingRequest, tls: TlsOptions): void {
    this.#queue.add(waiting, { ...addressOf(this.#deps.target), ...tls });
  }

  /** Whether no connection could be made for a request, so that it was not sent and may be requeued. */
  isRetryable(error: Error): boolean {
    return this.#retryable.has(error);
  }

  /** Idle connections may lead to a backend that is about to stop or has stopped. */
  closeIdle(): void {
    this.#queue.closeIdle();
  }

  /** Closes all connections, and those that are being made. */
  close(): void {
    this.agent.destroy();
    this.#queue.closeSpare();
    this.#acceptCheck?.close();
    for (const socket of this.#pending) socket.destroy();
    this.#starved.close();
  }

  readonly #open: OpenConnection = (options, callback) => {
    const { target, timeoutMs, needsAcceptCheck } = this.#deps;
    const socket = this.#connect(options) as Socket;
    this.#pending.add(socket);
    limitDescriptor(socket, this.#maxDescriptor);
    const attempt = {
      readyEvent: target.protocol === 'http:' ? 'connect' : 'secureConnect',
      timeoutMs,
      acceptCheck: needsAcceptCheck() ? this.#acceptCheck : undefined,
    } as const;
    whenUsable(socket, attempt, (failure) => {
      this.#pending.delete(socket);
      if (!failure) {
        keepReading(socket);
        return callback(null, socket);
      }
      if (failure.isRetryable) this.#retryable.add(failure.error);
      callback(failure.error);
    });
  };
}

/** In the agent, because the parser has its limit before http-proxy-middleware shows a request. */
function readAllResponseHeaders(agent: HttpAgent): void {
  const internals = agent as unknown as AgentInternals;
  const { addRequest } = internals;
  internals.addRequest = (req, options) => addRequest.call(agent, readEveryHeader(req), options);
}

function addressOf({ hostname, port, socketPath }: Target): NetConnectOpts {
  return socketPath === undefined ? { host: hostname, port } : { path: socketPath };
}

function createNodeAgent({ protocol, hostname }: Target): HttpAgent {
  if (protocol === 'http:') return new HttpAgent(AGENT_OPTIONS);
  return new HttpsAgent({ ...AGENT_OPTIONS, servername: tlsServerName(hostname) });
}
