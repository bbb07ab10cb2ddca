/**
 * Passes the requests of one app on to its backend, by http-proxy-middleware; the only room that
 * knows it. Knows neither pause nor route.
 */
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { createProxyMiddleware, type Plugin } from 'http-proxy-middleware';
import { isDisconnected } from '../../http/disconnect.ts';
import {
  closeAfterRefusal,
  readEarlyData,
  type EarlyData,
} from '../../http/upgrade/handshake-socket.ts';
import { sendRejection, sendUpgradeRejection } from '../../http/rejection-response.ts';
import { createAgent, isBroken, isUnsent } from './agent.ts';
import { hasBody, passInformation, prepareResponse } from './backend-response.ts';
import type { RouteSettings } from '../config/config.ts';
import type { Waiting } from './connection-queue.ts';
import {
  BAD_TARGET,
  badResponseError,
  isOwnFault,
  proxyTimeoutError,
  reasonOf,
  refusalForFailure,
  unframedBodyError,
} from './backend-error.ts';
import { dropHopHeaders, isBodyFramed } from './proxy-headers.ts';
import { isBodyLate, LateBodies } from './late-bodies.ts';
import type { Note } from '../server/recorder.ts';
import { looksLikeAuthority } from './request-target.ts';
import { passTrailers } from './trailers.ts';
import { AttemptCleanup } from './attempt-cleanup.ts';
import { joinSockets } from './upgrade-socket.ts';

export interface Proxy {
  readonly web: (req: IncomingMessage, res: ServerResponse) => void;
  readonly upgrade: (req: IncomingMessage, socket: Socket, head: Buffer) => void;
  /** Requeues requests of which nothing has been sent because their body has not begun. */
  readonly requeueLate: () => void;
  /** Closes the connections to the backend that nothing uses at the moment. */
  readonly dropIdle: () => void;
  readonly close: () => void;
}

export interface ProxyHooks {
  /** How long a client may keep its connection idle, in seconds: told to those who keep it. */
  readonly keepAliveSeconds: number;
  /** Is told what went wrong, and what an upgrade was answered with. */
  readonly note: (req: IncomingMessage, note: Note) => void;
}

/** What a proxy asks of the pause in front of it. */
export interface ProxyCalls {
  /**
   * Takes a request that no connection could be made for, and that is as whole as it came. True where
   * it will be sent again, by another call of {@link Proxy.web}.
   */
  readonly requeue: (req: IncomingMessage, res: ServerResponse) => boolean;
  /** The same for an upgrade, and {@link Proxy.upgrade}. */
  readonly takeBackUpgrade: (req: IncomingMessage, socket: Socket, head: Buffer) => boolean;
  /** The backend has begun to answer this request. */
  readonly answered: (req: IncomingMessage, status: number) => void;
  /** It has not, and its client still waits. Called before all that requeue a request. */
  readonly failed: (req: IncomingMessage, reason: string) => void;
  /** The backend dropped the connection of this request before it responded. */
  readonly dropped: (req: IncomingMessage) => void;
  /** Whether the pause would hold this request, which it let through, if it arrived now. */
  readonly wouldHold: (req: IncomingMessage) => boolean;
  /** Whether those held are being let go. */
  readonly isReleasing: () => boolean;
}

export function createProxy(route: RouteSettings, hooks: ProxyHooks, calls: ProxyCalls): Proxy {
  const { agent, withConnection, dropIdle, close } = createAgent(
    route.target,
    route.proxyTimeout,
    calls.isReleasing,
  );
  const tries = new AttemptCleanup();
  const failed = (req: IncomingMessage, error: Error): void => {
    if (!isOwnFault(error)) calls.failed(req, reasonOf(error));
  };
  const lateBodies = new LateBodies();
  const paths = new WeakMap<IncomingMessage, string>();
  const options = {
    target: route.target,
    agent,
    changeOrigin: route.changeOrigin,
    secure: !route.insecure,
    upgradeTimeout: route.proxyTimeout,
  };
  let proxyServer: Parameters<Plugin>[0];
  const proxy = createProxyMiddleware({
    ...options,
    pathRewrite: (_path, req) => paths.get(req),
    // Of the default plugins one answers every failure with 504, and one builds a URL for each
    // response to log it.
    ejectPlugins: true,
    plugins: [
      (server) => (proxyServer = server),
      createEvents(route, hooks, lateBodies, {
        requeue: (req, res) => {
          tries.undo(req, res);
          return calls.requeue(req, res);
        },
        dropped: calls.dropped,
        answered: calls.answered,
        failed,
      }),
    ],
  });
  const send = (req: IncomingMessage, res: ServerResponse): void => {
    maskPath(req, paths);
    tries.begin(req, res);
    void proxy(req, res, (error) => {
      // An error has been told already; without one the proxy says that this is not for it.
      if (error === undefined) sendRejection(req, res, BAD_TARGET);
    });
  };
  return {
    web: (req, res) => {
      if (isBodyLate(req)) lateBodies.wait(req, res, () => send(req, res));
      else send(req, res);
    },
    upgrade: (req, socket, head) => {
      const early = readEarly(socket);
      const stopReading = (): Buffer => Buffer.concat([head, ...early.stop()]);
      const waiting: Waiting = {
        isGone: () => socket.destroyed,
        // Not by the middleware's `upgrade`, which makes its request only after this call.
        use: () => void proxyServer.ws(req, socket, options, stopReading()),
        fail: (error) => {
          const sent = stopReading();
          socket.off('end', destroySocket);
          hooks.note(req, { error: reasonOf(error) });
          if (!socket.destroyed) failed(req, error);
          if (isUnsent(error) && calls.takeBackUpgrade(req, socket, sent)) return;
          sendUpgradeRejection(req, refusalForFailure(error));
        },
      };
      withConnection(waiting, { rejectUnauthorized: !route.insecure });
    },
    requeueLate: () =>
      lateBodies.requeue((req, res) => calls.wouldHold(req) && calls.requeue(req, res)),
    dropIdle,
    close: () => {
      lateBodies.close();
      close();
    },
  };
}

/** Shows the proxy a plain path until it has let the request in; `pathRewrite` puts the real one back. */
function maskPath(req: IncomingMessage, paths: WeakMap<IncomingMessage, string>): void {
  if (req.url === undefined || !looksLikeAuthority(req.url)) return;
  paths.set(req, req.url);
  req.url = '/';
}

/**
 * Until the backend answers a handshake nobody else reads the client's socket, and its end is the only
 * sign that the client left.
 */
function readEarly(socket: Socket): EarlyData {
  socket.off('end', destroySocket).on('end', destroySocket);
  return readEarlyData(socket, () => socket.pause());
}

function destroySocket(this: Socket): void {
  this.destroy();
}

interface EventCalls extends Pick<ProxyCalls, 'requeue' | 'dropped' | 'answered'> {
  readonly failed: (req: IncomingMessage, error: Error) => void;
}

function createEvents(
  { proxyTimeout }: RouteSettings,
  hooks: ProxyHooks,
  lateBodies: LateBodies,
  { requeue, dropped, answered: noteAnswer, failed }: EventCalls,
): Plugin {
  const keepAlive = `timeout=${hooks.keepAliveSeconds}`;
  /** Upgrades that the backend has answered. */
  const answered = new WeakSet<Socket>();
  const responses = new WeakMap<ServerResponse, IncomingMessage>();

  const fail = (error: Error, req: IncomingMessage, res: ServerResponse): void => {
    // The backend's head may have been copied already, and its body be wrong from the first byte on.
    if (!res.headersSent) removeCopiedHead(res);
    // Nothing happens to a response that has begun: the proxy destroys it if the backend's turns
    // out to be incomplete; a backend that did not want the rest of an upload may have sent all.
    sendRejection(req, res, refusalForFailure(error));
    // The rest of an upload is read and dropped: unread it would block the connection, and many
    // clients look for an answer only when they have sent everything.
    req.unpipe();
    req.resume();
  };

  return (proxy) => {
    proxy.on('proxyReq', (proxyReq, req, res) => {
      limitSilence(proxyReq, proxyTimeout);
      proxyReq.on('upgrade', rejectUpgrade);
      proxyReq.on('information', (information) => passInformation(information, req, res));
      if (req.headers.trailer !== undefined) passTrailers(req, proxyReq);
      if (!isBodyFramed(req.headers)) proxyReq.write = refuseBody;
      if (lateBodies.isOverdue(req)) proxyReq.flushHeaders();
    });

    proxy.on('proxyRes', (proxyRes, req, res) => {
      (proxyRes as unknown as { req: ClientRequest }).req.setTimeout(0);
      if (!prepareResponse(proxyRes)) {
        proxyRes.destroy();
        const error = badResponseError();
        hooks.note(req, { error: reasonOf(error) });
        failed(req, error);
        return fail(error, req, res);
      }
      noteAnswer(req, proxyRes.statusCode ?? 0);
      responses.set(res, proxyRes);
      dropHopHeaders(proxyRes.headers);
      const endsWithConnection = isEndedByConnection(req, proxyRes);
      const isKept = res.shouldKeepAlive && !endsWithConnection;
      // Both, as the proxy copies one of them, depending on the client's version of HTTP.
      const connection = isKept ? 'keep-alive' : 'close';
      proxyRes.headers.connection = connection;
      req.headers.connection = connection;
      if (isKept) proxyRes.headers['keep-alive'] = keepAlive;
      if (endsWithConnection) proxyRes.once('error', () => reset(res));
      if (proxyRes.headers.trailer !== undefined) passResponseTrailers(proxyRes, req, res);
      // The proxy lets the headers wait for the body's first byte, which an event stream may send
      // much later. By now a body that came along with them has gone out with them.
      queueMicrotask(() => {
        if (!res.headersSent && !res.destroyed) res.flushHeaders();
      });
    });

    proxy.on('proxyReqWs', (proxyReq, req, socket) => {
      const early = readEarly(socket);
      const note = (res: IncomingMessage): readonly Buffer[] => {
        answered.add(socket);
        hooks.note(req, { status: res.statusCode ?? 101 });
        noteAnswer(req, res.statusCode ?? 101);
        socket.off('end', destroySocket);
        return early.stop();
      };
      proxyReq.once('response', (res) => {
        answered.add(socket);
        // The proxy writes the backend's version, with chunks that HTTP/1.0 does not have.
        res.httpVersion = '1.1';
        if (prepareResponse(res)) {
          note(res);
          return closeAfterRefusal(socket);
        }
        res.destroy();
        const error = badResponseError();
        hooks.note(req, { error: reasonOf(error) });
        failed(req, error);
        sendUpgradeRejection(req, refusalForFailure(error));
        // The proxy writes no response to a socket that has been ended.
        socket.end();
      });
      proxyReq.once('upgrade', (res, backend: Socket) => {
        for (const chunk of note(res).toReversed()) socket.unshift(chunk);
        // What follows is no body (RFC 9110, 8.6).
        delete res.headers['content-length'];
        delete res.headers['transfer-encoding'];
        joinSockets(socket, backend);
      });
    });

    proxy.on('error', (error, req, res) => {
      if (!req || !res) return;
      hooks.note(req, { error: reasonOf(error) });
      if (!('writeHead' in res)) {
        if (answered.has(res)) return;
        if (!res.destroyed) failed(req, error);
        if (isBroken(error) && !res.destroyed) dropped(req);
        sendUpgradeRejection(req, refusalForFailure(error));
        return;
      }
      // A response that has begun was an answer; and not where it was the client that left.
      if (!responses.has(res) && !isDisconnected(req, res)) failed(req, error);
      if (isUnsent(error) && requeue(req, res)) return;
      // More bytes than the response has: a body where there can't be one, for example. The client gets
      // the response, and Node has closed that connection.
      if (responses.get(res)?.complete) return;
      // Unless it was the client that left.
      if (isBroken(error) && !responses.has(res) && !isDisconnected(req, res)) dropped(req);
      fail(error, req, res);
    });
  };
}

/** A 101 that no client has asked for. Node would close the connection, and tell nobody. */
function rejectUpgrade(this: ClientRequest, _response: IncomingMessage, socket: Socket): void {
  socket.destroy();
  // By now no error of the socket reaches the request.
  this.emit('error', badResponseError());
}

/** Removes what the proxy has copied from the backend's response, which is then answered otherwise. */
function removeCopiedHead(res: ServerResponse): void {
  for (const name of res.getHeaderNames()) {
    // It is ours, and Node would write none in its place.
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
  if (req.httpVersionMinor > 0 && hasBody(req, proxyRes)) passTrailers(proxyRes, res);
  else delete proxyRes.headers.trailer;
}

/**
 * Silence from when the connection is made until the answer begins; the agent sees to what comes
 * before. The socket's own timer, which data in either direction restarts, so that a long upload is
 * no silence.
 */
function limitSilence(proxyReq: ClientRequest, timeoutMs: number): void {
  if (timeoutMs === 0) return;
  proxyReq.setTimeout(timeoutMs, () => proxyReq.destroy(proxyTimeoutError()));
}

/**
 * In place of `write()` for a request without body headers. Its body would be the next request to the
 * backend. No byte of the request has been written before its first body byte.
 */
function refuseBody(this: ClientRequest): boolean {
  this.destroy(unframedBodyError());
  return false;
}

/** Whether only the end of the connection tells the client that the response is complete. */
function isEndedByConnection(req: IncomingMessage, proxyRes: IncomingMessage): boolean {
  return (
    req.httpVersionMinor === 0 &&
    proxyRes.headers['content-length'] === undefined &&
    hasBody(req, proxyRes)
  );
}

/** Ends a response so that it can't be taken for complete. */
function reset(res: ServerResponse): void {
  res.socket?.resetAndDestroy();
}
