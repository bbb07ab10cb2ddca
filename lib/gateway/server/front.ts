/**
 * The public server: takes requests and upgrades to where they belong, and sees to their lines in
 * the access log. Knows neither when it listens nor when it ends.
 */
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import { afterEarlierResponses } from '../../http/upgrade/handshake-socket.ts';
import {
  sendRejection,
  sendUpgradeRejection,
  type RejectionResponse,
} from '../../http/rejection-response.ts';
import type { ClientOverflow } from './client-overflow.ts';
import {
  BAD_TARGET,
  SHUTTING_DOWN,
  TOO_MANY_CONNECTIONS,
  UNKNOWN_HOST,
} from '../proxy/backend-error.ts';
import { serveInTurn } from './pipeline-turns.ts';
import type { Recorder } from './recorder.ts';
import { readRequestTarget } from '../proxy/request-target.ts';
import type { Destination, Routes } from './routes.ts';
import type { ConnectionTracker } from './connection-tracker.ts';
import { isWebSocket, takesUpgrade, withoutUpgrade } from '../proxy/upgrade-socket.ts';

export interface FrontParts {
  readonly routes: Routes;
  readonly traffic: ConnectionTracker;
  readonly recorder: Recorder;
  readonly overflow: ClientOverflow;
  /** Undefined for a request that is not for the admin endpoints on this server. */
  readonly findAdmin: (req: IncomingMessage) => Destination | undefined;
}

export function createFrontServer(keepAliveTimeout: number): Server {
  const options: ServerOptions & { shouldUpgradeCallback: (req: IncomingMessage) => boolean } = {
    keepAliveTimeout,
    headersTimeout: keepAliveTimeout + 5_000,
    // How long a request may take to arrive in full. No limit: Node itself would answer 408 to one
    // that is held with its upload half way. `headersTimeout` stays, against clients that never
    // finish their headers; and `proxyTimeout`, against uploads that stand still.
    requestTimeout: 0,
    // So that a held client whose machine went without a word is found out.
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    // Node 20 does not ask, see `withoutUpgrade()`.
    shouldUpgradeCallback: takesUpgrade,
  };
  return createServer(options);
}

export function serveFront(server: Server, parts: FrontParts): void {
  const serve = (req: IncomingMessage, res: ServerResponse): void => {
    const destination = parts.overflow.has(req)
      ? overflowDestination(req, res, parts)
      : destinationOf(req, parts);
    parts.recorder.watch(req, res, destination.app);
    destination.handle(req, res);
  };
  server.on('request', (req, res) => {
    if (res.socket === null) serveInTurn(req, res, serve);
    else serve(req, res);
  });
  server.on('upgrade', (req, socket, head) => {
    afterEarlierResponses(req, socket, head, (whole) => {
      if (isWebSocket(req)) takeUpgrade(req, socket as Socket, whole, parts);
      else {
        socket.unshift(Buffer.concat([withoutUpgrade(req), whole]));
        server.emit('connection', socket);
      }
    });
  });
}

function destinationOf(req: IncomingMessage, { routes, findAdmin }: FrontParts): Destination {
  if (!readRequestTarget(req)) return refusing(BAD_TARGET);
  return findAdmin(req) ?? routes.find(req) ?? refusing(UNKNOWN_HOST);
}

/** The connection is closed with the answer, as others wait for its descriptor. */
function overflowDestination(
  req: IncomingMessage,
  res: ServerResponse,
  { findAdmin, overflow }: FrontParts,
): Destination {
  res.shouldKeepAlive = false;
  const admin = readRequestTarget(req) ? findAdmin(req) : undefined;
  if (admin) overflow.keep(req);
  return admin ?? refusing(TOO_MANY_CONNECTIONS);
}

function refusing(refusal: RejectionResponse): Destination {
  return { app: null, handle: (req, res) => sendRejection(req, res, refusal) };
}

function takeUpgrade(
  req: IncomingMessage,
  socket: Socket,
  head: Buffer,
  { routes, traffic, recorder, overflow, findAdmin }: FrontParts,
): void {
  // Before anything else: without a listener an error ends the process.
  socket.on('error', () => socket.destroy());
  traffic.trackUpgraded(socket);
  const route = readRequestTarget(req) && !findAdmin(req) ? routes.find(req) : undefined;
  recorder.watchUpgrade(req, socket, route?.app ?? null);
  if (overflow.has(req)) return sendUpgradeRejection(req, TOO_MANY_CONNECTIONS);
  if (route && !traffic.isDraining) return route.upgrade(req, socket, head);
  sendUpgradeRejection(req, traffic.isDraining ? SHUTTING_DOWN : UNKNOWN_HOST);
}
