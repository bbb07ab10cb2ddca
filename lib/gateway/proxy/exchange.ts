/** What the gateway remembers about one request until its response has ended. */
import type { IncomingMessage } from 'node:http';
import type { ListenerCounts } from './proxy-listeners.ts';

export interface Exchange {
  /** For the access log: why the backend did not answer, such as `ECONNREFUSED`. */
  error: string | undefined;
  /** For the access log: the status of the response to an upgrade. */
  upgradeStatus: number | undefined;
  /** The path for the backend, where http-proxy-middleware is shown another one. */
  backendPath: string | undefined;
  /** The listeners before the latest attempt to send the request. */
  listenerCounts: ListenerCounts | undefined;
  /** The response of the backend, from its headers on. */
  backendResponse: IncomingMessage | undefined;
  /** The body did not begin in time, so the headers are sent without it. */
  isBodyOverdue: boolean;
}

/** The exchanges of one gateway. */
export class Exchanges {
  readonly #exchanges = new WeakMap<IncomingMessage, Exchange>();

  /** Undefined for a request that never reached a proxy, such as one for the admin endpoints. */
  find(req: IncomingMessage): Exchange | undefined {
    return this.#exchanges.get(req);
  }

  of(req: IncomingMessage): Exchange {
    const known = this.#exchanges.get(req);
    if (known) return known;
    const exchange: Exchange = {
      error: undefined,
      upgradeStatus: undefined,
      backendPath: undefined,
      listenerCounts: undefined,
      backendResponse: undefined,
      isBodyOverdue: false,
    };
    this.#exchanges.set(req, exchange);
    return exchange;
  }
}
