/** Handles the events of http-proxy-middleware for upgrades: sent, answered and failed. */
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Plugin } from 'http-proxy-middleware';
import {
  closeAfterRefusal,
  readEarlyData,
  type EarlyData,
} from '../../http/upgrade/handshake-socket.ts';
import { MARKER_IN_HEADERS } from '../../http/marker.ts';
import { badResponseError, isDrop, codeOf, rejectionForError } from './backend-error.ts';
import { prepareResponse } from './backend-response.ts';
import type { BackendConnections, WaitingUpgrade } from './connections/backend-connections.ts';
import { noteBackendTime, type Exchanges } from './exchange.ts';
import { reportFailure, type ProxyGate } from './proxy-gate.ts';
import { joinSockets } from './upgrade-socket.ts';

export interface UpgradeEventsDeps {
  readonly gate: ProxyGate;
  readonly exchanges: Exchanges;
  readonly connections: BackendConnections;
}

export class UpgradeEvents {
  readonly #deps: UpgradeEventsDeps;

  constructor(deps: UpgradeEventsDeps) {
    this.#deps = deps;
  }

  /**
   * For a handshake that waits for a connection to the backend.
   *
   * @param send sends it, with the bytes that the client has sent after it.
   */
  wait(
    req: IncomingMessage,
    socket: Socket,
    head: Buffer,
    send: (received: Buffer) => void,
  ): WaitingUpgrade {
    const early = readUntilAnswered(socket);
    const stopReading = (): Buffer => Buffer.concat([head, ...early.stop()]);
    return {
      isGone: () => socket.destroyed,
      use: () => send(stopReading()),
      fail: (error) => {
        const received = stopReading();
        socket.off('end', destroySocket);
        this.#onNoConnection(error, req, socket, received);
      },
    };
  }

  listen(server: Parameters<Plugin>[0]): void {
    server.on('proxyReqWs', (proxyReq, req, socket) => this.#onSend(proxyReq, req, socket));
    server.on('error', (error, req, res) => {
      if (req && res && !('writeHead' in res)) this.#onError(error, req, res);
    });
  }

  #onNoConnection(error: Error, req: IncomingMessage, socket: Socket, received: Buffer): void {
    const { gate, exchanges, connections } = this.#deps;
    exchanges.of(req).error = codeOf(error);
    if (!socket.destroyed) reportFailure(gate, req, error);
    if (connections.isRetryable(error) && gate.requeueUpgrade(req, socket, received)) return;
    gate.rejectUpgrade(req, rejectionForError(error));
  }

  #onSend(proxyReq: ClientRequest, req: IncomingMessage, socket: Socket): void {
    const early = readUntilAnswered(socket);
    const exchange = this.#deps.exchanges.of(req);
    const onAnswer = (res: IncomingMessage): readonly Buffer[] => {
      exchange.upgradeStatus = res.statusCode ?? 101;
      this.#deps.gate.onResponse(req, res.statusCode ?? 101, noteBackendTime(exchange));
      socket.off('end', destroySocket);
      // Only antract marks its responses.
      delete res.headers[MARKER_IN_HEADERS];
      return early.stop();
    };
    proxyReq.once('response', (res) => {
      exchange.backendResponse = res;
      // The library writes the backend's version, with chunks that HTTP/1.0 does not have.
      res.httpVersion = '1.1';
      if (!prepareResponse(res)) return this.#onBadResponse(res, req, socket);
      onAnswer(res);
      closeAfterRefusal(socket);
    });
    proxyReq.once('upgrade', (res, backend: Socket) => {
      exchange.backendResponse = res;
      for (const chunk of onAnswer(res).toReversed()) socket.unshift(chunk);
      // The bytes that follow are no body (RFC 9110, 8.6).
      delete res.headers['content-length'];
      delete res.headers['transfer-encoding'];
      joinSockets(socket, backend);
    });
  }

  #onBadResponse(res: IncomingMessage, req: IncomingMessage, socket: Socket): void {
    const { gate, exchanges } = this.#deps;
    res.destroy();
    const error = badResponseError();
    exchanges.of(req).error = codeOf(error);
    reportFailure(gate, req, error);
    gate.rejectUpgrade(req, rejectionForError(error));
    // The library writes no response to a socket that has been ended.
    socket.end();
  }

  #onError(error: Error, req: IncomingMessage, socket: Socket): void {
    const { gate, exchanges } = this.#deps;
    const exchange = exchanges.of(req);
    exchange.error = codeOf(error);
    if (exchange.backendResponse) return;
    if (!socket.destroyed) reportFailure(gate, req, error);
    if (isDrop(error) && !socket.destroyed) gate.noteDrop(req);
    gate.rejectUpgrade(req, rejectionForError(error));
  }
}

/**
 * Reads the client's socket until the backend answers the handshake. Nothing else reads it, and its end
 * is the only sign that the client has disconnected.
 */
function readUntilAnswered(socket: Socket): EarlyData {
  socket.off('end', destroySocket).on('end', destroySocket);
  return readEarlyData(socket, () => socket.pause());
}

function destroySocket(this: Socket): void {
  this.destroy();
}
