/**
 * Decides which request gets which connection to a backend: the request that asked first gets the
 * first connection that becomes available, whether that is a new one or one that was freed.
 *
 * Node's agent ties a new connection to the request that caused it, and offers a freed connection only
 * to requests that come later. Under load, later requests then overtake all requests that wait for a new
 * connection.
 */
import { AsyncResource } from 'node:async_hooks';
import type { Agent, ClientRequest, ClientRequestArgs } from 'node:http';
import type { Socket } from 'node:net';
import { IdleConnections } from './idle-connections.ts';
import { SpareConnections } from './spare-connections.ts';

export type OpenConnection = (options: ClientRequestArgs, callback: OnConnection) => void;
export type OnConnection = (error: Error | null, socket?: Socket) => void;

/** A request, or an upgrade, that waits for a connection. */
export interface WaitingRequest {
  /** Sends the request at once, so that it takes an idle connection, or else the offered one. */
  readonly use: () => void;
  readonly fail: (error: Error) => void;
  /** Whether its client has disconnected. */
  readonly isGone: () => boolean;
}

/** What every agent has, and Node's types leave out. */
export interface AgentInternals {
  addRequest(req: ClientRequest, options: unknown): void;
}

export class ConnectionQueue {
  readonly #open: OpenConnection;
  /** First in, first out. Empty while there is an idle connection. */
  readonly #waiting: WaitingRequest[] = [];
  readonly #idle: IdleConnections;
  readonly #spare = new SpareConnections();
  /** How many connections are being made: at least one for each waiting request. */
  #connecting = 0;
  /** For the request that is sent in this turn. */
  #offered: Socket | undefined;

  /** Changes how the agent connects. @param open makes a connection and calls back when it is usable. */
  constructor(agent: Agent, open: OpenConnection) {
    this.#open = open;
    this.#idle = new IdleConnections(agent);
    this.#takeOver(agent);
  }

  /** For a request that is made only when there is a connection for it. */
  add(waiting: WaitingRequest, options: ClientRequestArgs): void {
    if (this.#idle.hasLive()) return waiting.use();
    const spare = this.#spare.take();
    if (!spare) return this.#wait(waiting, options);
    this.#waiting.push(waiting);
    this.#offer(spare);
  }

  /** Whether more connections are being made than requests wait. */
  get hasSurplus(): boolean {
    return this.#connecting > this.#waiting.length;
  }

  /** Closes the connections that no request uses. */
  closeIdle(): void {
    this.#idle.closeAll();
    this.closeSpare();
  }

  /** Closes the connections that no request has ever used. */
  closeSpare(): void {
    this.#spare.closeAll();
  }

  #takeOver(agent: Agent): void {
    const internals = agent as unknown as AgentInternals;
    const { addRequest } = internals;
    let latest: ClientRequest;
    let latestOptions: unknown;
    internals.addRequest = (req, options) => {
      this.#idle.closeDead();
      latest = req;
      latestOptions = options;
      addRequest.call(agent, req, options);
    };
    // Node's agent calls this from within `addRequest`, when it has no idle connection.
    agent.createConnection = (options, callback) => {
      const socket = this.#take();
      if (socket) callback?.(null, socket);
      else this.#wait(waitingRequest(latest, latestOptions, callback as OnConnection), options);
      return undefined;
    };
    const waitingRequest = (
      req: ClientRequest,
      options: unknown,
      callback: OnConnection,
    ): WaitingRequest => ({
      // In the request's own async context, not in that of the request that caused the connection.
      use: AsyncResource.bind(() => addRequest.call(agent, req, options)),
      fail: AsyncResource.bind(callback),
      isGone: () => req.destroyed,
    });
    // Runs after Node's own listener, which has kept the connection by then, or closed it.
    agent.on('free', (socket: Socket) => {
      this.#idle.onIdle(socket);
      if (this.#waiting.length > 0 && this.#idle.hasLive()) this.#useNext();
    });
  }

  #take(): Socket | undefined {
    const socket = this.#offered ?? this.#spare.take();
    this.#offered = undefined;
    return socket;
  }

  /** Makes a connection, unless more connections are being made already than requests wait. */
  #wait(waiting: WaitingRequest, options: ClientRequestArgs): void {
    this.#waiting.push(waiting);
    if (this.#connecting >= this.#waiting.length) return;
    this.#connecting++;
    this.#open(options, (error, socket) => {
      this.#connecting--;
      if (socket) this.#offer(socket);
      else if (error) this.#onFailure(error);
    });
  }

  #offer(socket: Socket): void {
    this.#offered = socket;
    this.#useNext();
    // No request has taken it.
    if (this.#offered) this.#spare.add(this.#offered);
    this.#offered = undefined;
  }

  #useNext(): void {
    let next = this.#waiting.shift();
    for (; next?.isGone(); next = this.#waiting.shift()) {
      next.fail(new Error('The client has disconnected.'));
    }
    next?.use();
  }

  /** One request fails for each connection that can't be made, unless it may still get another one. */
  #onFailure(error: Error): void {
    if (this.#waiting.length > this.#connecting) this.#waiting.shift()?.fail(error);
  }
}
