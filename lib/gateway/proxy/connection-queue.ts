/**
 * Decides which request gets which connection to a backend: the request that asked first gets the
 * first connection that becomes available, whether that is a new one or one that was freed.
 *
 * Node's agent ties a new connection to the request that caused it, and offers a freed connection
 * only to requests that come later. Under load, later requests then overtake all those that wait for
 * a connection to be made.
 */
import { AsyncResource } from 'node:async_hooks';
import type { Agent, ClientRequest, ClientRequestArgs } from 'node:http';
import type { Socket } from 'node:net';
import { endDead, hasIdle, noteIdle, SpareConnections } from './idle-sockets.ts';

export type Open = (options: ClientRequestArgs, ready: Ready) => void;
type Ready = (error: Error | null, socket?: Socket) => void;

/** A request, or an upgrade, that waits for a connection. */
export interface Waiting {
  /** Makes the request at once, so that it takes an idle connection or else the one at hand. */
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
  readonly #agent: Agent;
  readonly #open: Open;
  /** First in, first out. Empty while there is an idle connection. */
  readonly #waiting: Waiting[] = [];
  readonly #spare = new SpareConnections();
  /** How many connections are being made: never fewer than there are requests waiting. */
  #connecting = 0;
  #atHand: Socket | undefined;

  /** Takes over how this agent connects. @param open makes a connection and says when it is ready. */
  constructor(agent: Agent, open: Open) {
    this.#agent = agent;
    this.#open = open;
    const internals = agent as unknown as AgentInternals;
    const { addRequest } = internals;
    let asking: ClientRequest;
    let askingFor: unknown;
    internals.addRequest = (req, options) => {
      endDead(agent);
      asking = req;
      askingFor = options;
      addRequest.call(agent, req, options);
    };
    // Node's agent calls this from within `addRequest`, when it has no idle connection.
    agent.createConnection = (options, callback) => {
      const socket = this.#take();
      if (socket) callback?.(null, socket);
      else this.#wait(waitingRequest(asking, askingFor, callback as Ready), options);
      return undefined;
    };
    const waitingRequest = (req: ClientRequest, options: unknown, created: Ready): Waiting => ({
      // In the request's own async context, and not in that of whoever caused the connection.
      use: AsyncResource.bind(() => addRequest.call(agent, req, options)),
      fail: AsyncResource.bind(created),
      isGone: () => req.destroyed,
    });
    // After Node's own listener, which has kept the connection by then, or ended it.
    agent.on('free', (socket: Socket) => {
      noteIdle(socket);
      if (this.#waiting.length > 0 && hasIdle(agent)) this.#useNext();
    });
  }

  /** For a request that is made only when there is a connection for it. */
  add(waiting: Waiting, options: ClientRequestArgs): void {
    if (hasIdle(this.#agent)) return waiting.use();
    const spare = this.#spare.take();
    if (!spare) return this.#wait(waiting, options);
    this.#waiting.push(waiting);
    this.#offer(spare);
  }

  /** Whether more connections are being made than requests wait. */
  get isAhead(): boolean {
    return this.#connecting > this.#waiting.length;
  }

  /** Ends the connections that were made and never used. */
  dropSpare(): void {
    this.#spare.drop();
  }

  #take(): Socket | undefined {
    const socket = this.#atHand ?? this.#spare.take();
    this.#atHand = undefined;
    return socket;
  }

  /** Makes a connection, unless more are being made already than requests wait. */
  #wait(waiting: Waiting, options: ClientRequestArgs): void {
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
    this.#atHand = socket;
    this.#useNext();
    // Still there if nobody waits.
    if (this.#atHand) this.#spare.add(this.#atHand);
    this.#atHand = undefined;
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
