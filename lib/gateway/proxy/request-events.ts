/** Handles the events of http-proxy-middleware for requests: sent, answered and failed. */
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Plugin } from 'http-proxy-middleware';
import { isDisconnected } from '../../http/disconnect.ts';
import type { RouteSettings } from '../config/config.ts';
import {
  badResponseError,
  isDrop,
  proxyTimeoutError,
  codeOf,
  rejectionForError,
  unframedBodyError,
} from './backend-error.ts';
import { responseHasBody, passInformation, prepareResponse } from './backend-response.ts';
import type { BackendConnections } from './connections/backend-connections.ts';
import { noteBackendTime, type Exchange, type Exchanges } from './exchange.ts';
import { withoutHopHeaders, isBodyFramed } from './proxy-headers.ts';
import { reportFailure, type ProxyGate } from './proxy-gate.ts';
import { removeAddedListeners } from './proxy-listeners.ts';
import { passTrailers } from './trailers.ts';

export interface RequestEventsDeps {
  readonly route: RouteSettings;
  readonly gate: ProxyGate;
  readonly exchanges: Exchanges;
  readonly connections: BackendConnections;
  readonly keepAliveSeconds: number;
}

export class RequestEvents {
  readonly #deps: RequestEventsDeps;
  /** The `Keep-Alive` header of a response. */
  readonly #keepAlive: string;

  constructor(deps: RequestEventsDeps) {
    this.#deps = deps;
    this.#keepAlive = `timeout=${deps.keepAliveSeconds}`;
  }

  listen(server: Parameters<Plugin>[0]): void {
    server.on('proxyReq', (proxyReq, req, res) => this.#onSend(proxyReq, req, res));
    server.on('proxyRes', (proxyRes, req, res) => this.#onResponse(proxyRes, req, res));
    server.on('error', (error, req, res) => {
      if (req && res && 'writeHead' in res) this.#onError(error, req, res);
    });
  }

  #onSend(proxyReq: ClientRequest, req: IncomingMessage, res: ServerResponse): void {
    const { exchanges, route } = this.#deps;
    limitSilence(proxyReq, route.proxyTimeout);
    proxyReq.on('upgrade', rejectUpgrade);
    proxyReq.on('information', (information) => passInformation(information, req, res));
    if (req.headers.trailer !== undefined) passTrailers(req, proxyReq);
    if (!isBodyFramed(req.headers)) proxyReq.write = rejectBody;
    if (exchanges.of(req).isBodyOverdue) proxyReq.flushHeaders();
  }

  #onResponse(proxyRes: IncomingMessage, req: IncomingMessage, res: ServerResponse): void {
    const { exchanges, gate } = this.#deps;
    const exchange = exchanges.of(req);
    (proxyRes as unknown as { req: ClientRequest }).req.setTimeout(0);
    if (!prepareResponse(proxyRes)) {
      proxyRes.destroy();
      const error = badResponseError();
      exchange.error = codeOf(error);
      reportFailure(gate, req, error);
      return this.#respondFailed(error, req, res);
    }
    gate.onResponse(req, proxyRes.statusCode ?? 0, noteBackendTime(exchange));
    exchange.backendResponse = proxyRes;
    proxyRes.headers = withoutHopHeaders(proxyRes.headers);
    this.#setConnection(proxyRes, req, res);
    if (proxyRes.headers.trailer !== undefined) passResponseTrailers(proxyRes, req, res);
    // The library sends the headers together with the first byte of the body, which may come much later
    // in an event stream. By now, a body that arrived with the headers has been sent with them.
    queueMicrotask(() => {
      if (!res.headersSent && !res.destroyed) res.flushHeaders();
    });
  }

  /** Decides whether the client's connection is kept after this response. */
  #setConnection(proxyRes: IncomingMessage, req: IncomingMessage, res: ServerResponse): void {
    const endsWithConnection = isEndedByConnection(req, proxyRes);
    const isKept = res.shouldKeepAlive && !endsWithConnection;
    // On both, because the library copies one of them, depending on the client's version of HTTP.
    const connection = isKept ? 'keep-alive' : 'close';
    proxyRes.headers.connection = connection;
    req.headers.connection = connection;
    if (isKept) proxyRes.headers['keep-alive'] = this.#keepAlive;
    if (endsWithConnection) proxyRes.once('error', () => reset(res));
  }

  #onError(error: Error, req: IncomingMessage, res: ServerResponse): void {
    const { exchanges, gate, connections } = this.#deps;
    const exchange = exchanges.of(req);
    exchange.error = codeOf(error);
    const response = exchange.backendResponse;
    // Neither a response that had begun nor a client that has disconnected is a failure of the backend.
    const isUnanswered = !response && !isDisconnected(req, res);
    if (isUnanswered) reportFailure(gate, req, error);
    if (connections.isRetryable(error) && this.#requeue(req, res, exchange)) return;
    // The backend has sent more bytes than the response has, such as a body where there can't be one. The
    // client gets the response, and Node has closed the connection to the backend.
    if (response?.complete) return;
    if (response && res.headersSent) return cutOff(response, req, res);
    if (isUnanswered && isDrop(error)) gate.noteDrop(req);
    this.#respondFailed(error, req, res);
  }

  #requeue(req: IncomingMessage, res: ServerResponse, exchange: Exchange): boolean {
    if (exchange.listenerCounts) removeAddedListeners(req, res, exchange.listenerCounts);
    return this.#deps.gate.requeue(req, res);
  }

  #respondFailed(error: Error, req: IncomingMessage, res: ServerResponse): void {
    // The headers of the backend may have been copied already, and its body be wrong from the first byte.
    if (!res.headersSent) removeCopiedHead(res);
    // Does nothing to a response that has begun, such as that of a backend that did not want the rest of an
    // upload.
    this.#deps.gate.reject(req, res, rejectionForError(error));
    // Read and discard the rest of an upload: unread, it would block the connection, and many clients read
    // the response only when they have sent everything.
    req.unpipe();
    req.resume();
  }
}

/** Handles a 101 that no client has asked for. Node would close the connection without any event. */
function rejectUpgrade(this: ClientRequest, _response: IncomingMessage, socket: Socket): void {
  socket.destroy();
  // An error of the socket no longer reaches the request.
  this.emit('error', badResponseError());
}

/** Removes what the library has copied from a response that is replaced by a rejection. */
function removeCopiedHead(res: ServerResponse): void {
  for (const name of res.getHeaderNames()) {
    // `Connection` is set by the gateway, and Node would not set it again.
    if (name !== 'connection') res.removeHeader(name);
  }
  res.statusMessage = '';
  res.sendDate = true;
}

function passResponseTrailers(
  proxyRes: IncomingMessage,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  // HTTP/1.0 has no chunks, and so no trailers.
  if (req.httpVersionMinor > 0 && responseHasBody(req, proxyRes)) passTrailers(proxyRes, res);
  else delete proxyRes.headers.trailer;
}

/**
 * Limits the silence from the connection until the response begins. `whenUsable()` limits the time
 * before. Uses the socket's own timer, which data in either direction restarts, so that a long upload is
 * no silence.
 */
function limitSilence(proxyReq: ClientRequest, timeoutMs: number): void {
  if (timeoutMs === 0) return;
  proxyReq.setTimeout(timeoutMs, () => proxyReq.destroy(proxyTimeoutError()));
}

/**
 * Replaces `write()` of a request without body headers. The backend would read its body as the next
 * request. Nothing of the request has been written before the first byte of its body.
 */
function rejectBody(this: ClientRequest): boolean {
  this.destroy(unframedBodyError());
  return false;
}

/** Whether only the end of the connection tells the client that the response is complete. */
function isEndedByConnection(req: IncomingMessage, proxyRes: IncomingMessage): boolean {
  return (
    req.httpVersionMinor === 0 &&
    proxyRes.headers['content-length'] === undefined &&
    responseHasBody(req, proxyRes)
  );
}

/**
 * The library also destroys an incomplete response. But if only the end of the connection tells the length,
 * Node takes the response for complete even when the connection was reset.
 */
function cutOff(response: IncomingMessage, req: IncomingMessage, res: ServerResponse): void {
  response.unpipe(res);
  if (isEndedByConnection(req, response)) reset(res);
  else res.destroy();
}

/** Ends a response so that the client can't take it for complete. */
function reset(res: ServerResponse): void {
  res.socket?.resetAndDestroy();
}
