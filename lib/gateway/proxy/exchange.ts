/** What the gateway remembers about one request until its response has ended. */
import type { IncomingMessage } from 'node:http';
import { plainAddress } from '../../common/address.ts';
import { systemClock } from '../../common/clock.ts';
import type { ListenerCounts } from './proxy-listeners.ts';

export interface Exchange {
  /** The address of the client of this connection. Undefined once it is closed. */
  readonly peer: string | undefined;
  /** For the access log: why the backend did not answer, such as `ECONNREFUSED`. */
  error: string | undefined;
  /** For the access log: the status of the response to an upgrade. */
  upgradeStatus: number | undefined;
  /** When the latest attempt to send the request began. Undefined if there was none. */
  sentAt: number | undefined;
  /** How long the backend took until it began to respond. Undefined until then. */
  backendMs: number | undefined;
  /** The listeners before the latest attempt to send the request. */
  listenerCounts: ListenerCounts | undefined;
  /** The response of the backend, from its headers on. */
  backendResponse: IncomingMessage | undefined;
  /** The body did not begin in time, so the headers are sent without it. */
  isBodyOverdue: boolean;
}

/** The exchanges of one gateway. */
export class Exchanges {
  /**
   * A property of the request, because two gateways may serve one request. The entries of a WeakMap would
   * make garbage collection slower: each collection visits the whole map.
   */
  readonly #key = Symbol('exchange');

  /** Undefined for a request that never reached a proxy, such as one for the admin endpoints. */
  find(req: IncomingMessage): Exchange | undefined {
    return (req as WithExchange)[this.#key];
  }

  of(req: IncomingMessage): Exchange {
    return ((req as WithExchange)[this.#key] ??= {
      peer: plainAddress(req.socket.remoteAddress),
      error: undefined,
      upgradeStatus: undefined,
      sentAt: undefined,
      backendMs: undefined,
      listenerCounts: undefined,
      backendResponse: undefined,
      isBodyOverdue: false,
    });
  }
}

/** The backend has begun to respond. Returns how long it took. */
export function noteBackendTime(exchange: Exchange): number {
  const now = systemClock.now();
  return (exchange.backendMs = now - (exchange.sentAt ?? now));
}

type WithExchange = IncomingMessage & { [key: symbol]: Exchange | undefined };
