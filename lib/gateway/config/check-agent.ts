/** Gives each health check of a backend a new connection, which the requests to the backend use afterwards. */
import { Agent, type ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { connector, type ConnectorOptions } from './connector.ts';

export class CheckAgent extends Agent {
  /** Checked by `http.request()`. */
  readonly protocol: string;
  /**
   * Makes a connection. The proxy replaces it, because it owns the connections to the backend. `antract check`
   * has no proxy, so there the connection is closed after the check.
   */
  connect: () => Socket;

  constructor(options: ConnectorOptions) {
    super({ keepAlive: true });
    this.protocol = options.target.protocol;
    const connect = connector(options);
    this.connect = () => {
      const socket = connect();
      return socket.once('free', () => socket.destroy());
    };
  }

  /** Called by Node for each request. */
  addRequest(req: ClientRequest): void {
    req.onSocket(this.connect());
  }
}
