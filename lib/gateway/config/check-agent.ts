/** Gives each health check of a backend a new connection, which the requests to the backend use afterwards. */
import { Agent, type ClientRequest } from 'node:http';
import type { Socket } from 'node:net';

export class CheckAgent extends Agent {
  /** Checked by `http.request()`. */
  readonly protocol: string;
  /** Makes a connection. Set by the proxy, which owns the connections to the backend. */
  connect!: () => Socket;

  constructor(protocol: string) {
    super({ keepAlive: true });
    this.protocol = protocol;
  }

  /** Called by Node for each request. */
  addRequest(req: ClientRequest): void {
    req.onSocket(this.connect());
  }
}
