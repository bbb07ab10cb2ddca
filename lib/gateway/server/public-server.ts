/** The public server: takes requests and upgrades to their apps or to the admin endpoints. */
import { randomUUID } from 'node:crypto';
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import { REQUEST_ID, requestIdOf } from '../../http/request-id.ts';
import { afterEarlierResponses } from '../../http/upgrade/handshake-socket.ts';
import type { RejectionResponse } from '../../http/rejection-response.ts';
import { sendRejection, sendUpgradeRejection } from '../../http/send-rejection.ts';
import type { RegistryCore } from '../../registry/registry-core.ts';
import {
  BAD_TARGET,
  SHUTTING_DOWN,
  TOO_MANY_CONNECTIONS,
  UNKNOWN_HOST,
} from '../proxy/rejections.ts';
import { readRequestTarget } from '../proxy/request-target.ts';
import { emitsUpgrade, isWebSocketHandshake, withoutUpgrade } from '../proxy/upgrade-socket.ts';
import type { AccessRecorder } from './access-recorder.ts';
import type { Destination } from './app-route.ts';
import type { ClientOverflow } from './client-overflow.ts';
import type { ConnectionTracker } from './connection-tracker.ts';
import { PipelineTurns } from './pipeline-turns.ts';
import type { Routes } from './routes.ts';

export interface PublicServerDeps {
  readonly core: RegistryCore;
  readonly routes: Routes;
  readonly connections: ConnectionTracker;
  readonly recorder: AccessRecorder;
  readonly overflow: ClientOverflow;
  /** Undefined for a request that is not for the admin endpoints on this server. */
  readonly findAdmin: (req: IncomingMessage) => Destination | undefined;
}

export function createPublicServer(keepAliveTimeout: number): Server {
  const options: ServerOptions & { shouldUpgradeCallback: (req: IncomingMessage) => boolean } = {
    keepAliveTimeout,
    headersTimeout: keepAliveTimeout + 5_000,
    // No limit for the time in which a request arrives: Node would answer 408 to a request that is held
    // in the middle of its upload. `headersTimeout` limits clients that never finish their headers, and
    // `proxyTimeout` limits uploads that stall.
    requestTimeout: 0,
    // TCP keep-alive detects a held client whose machine has disappeared.
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    // Node 20 does not call it, see `withoutUpgrade()`.
    shouldUpgradeCallback: emitsUpgrade,
  };
  return createServer(options);
}

/** Starts to answer the requests of a server. */
export function servePublic(server: Server, deps: PublicServerDeps): void {
  const serve = (req: IncomingMessage, res: ServerResponse): void => {
    const destination = deps.overflow.has(req)
      ? overflowDestination(req, res, deps)
      : destinationOf(req, deps);
    ensureRequestId(req);
    deps.recorder.watch(req, res, destination);
    destination.handle(req, res);
  };
  const turns = new PipelineTurns(serve);
  server.on('request', (req, res) => {
    // A pipelined response has no socket before its turn.
    if (res.socket === null) turns.add(req, res);
    // No response could be sent on a connection that is being closed, so the request must not be processed.
    else if (!req.socket.writableEnded) serve(req, res);
  });
  server.on('upgrade', (req, socket, head) => {
    afterEarlierResponses(req, socket, head, (received) => {
      if (isWebSocketHandshake(req)) return serveUpgrade(req, socket as Socket, received, deps);
      socket.unshift(Buffer.concat([withoutUpgrade(req), received]));
      server.emit('connection', socket);
    });
  });
}

/** Takes the client's id if it is valid, so that a request keeps its id through several systems. */
function ensureRequestId(req: IncomingMessage): void {
  req.headers[REQUEST_ID] = requestIdOf(req) ?? randomUUID();
}

function destinationOf(req: IncomingMessage, deps: PublicServerDeps): Destination {
  const { core, findAdmin, routes } = deps;
  if (!readRequestTarget(req)) return rejecting(BAD_TARGET, core);
  return findAdmin(req) ?? routes.find(req) ?? rejecting(UNKNOWN_HOST, core);
}

/** The connection is closed after the response, because another client needs its descriptor. */
function overflowDestination(
  req: IncomingMessage,
  res: ServerResponse,
  { core, findAdmin, overflow }: PublicServerDeps,
): Destination {
  res.shouldKeepAlive = false;
  const admin = readRequestTarget(req) ? findAdmin(req) : undefined;
  if (admin) overflow.keep(req);
  return admin ?? rejecting(TOO_MANY_CONNECTIONS, core);
}

function rejecting(rejection: RejectionResponse, core: RegistryCore): Destination {
  return {
    app: null,
    target: null,
    isPoll: () => false,
    handle: (req, res) => sendRejection(req, res, rejection, core),
  };
}

function serveUpgrade(
  req: IncomingMessage,
  socket: Socket,
  head: Buffer,
  { core, routes, connections, recorder, overflow, findAdmin }: PublicServerDeps,
): void {
  // Before anything else: without a listener, an error ends the process.
  socket.on('error', () => socket.destroy());
  connections.trackUpgraded(socket);
  const route = readRequestTarget(req) && !findAdmin(req) ? routes.find(req) : undefined;
  ensureRequestId(req);
  recorder.watchUpgrade(req, socket, route ?? rejecting(UNKNOWN_HOST, core));
  if (overflow.has(req)) return sendUpgradeRejection(req, TOO_MANY_CONNECTIONS, core);
  if (route && !connections.isDraining) return route.upgrade(req, socket, head);
  sendUpgradeRejection(req, connections.isDraining ? SHUTTING_DOWN : UNKNOWN_HOST, core);
}
