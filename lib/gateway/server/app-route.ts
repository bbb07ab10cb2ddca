/** The path of one app's requests: through its pause to its proxy. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import type { Antract } from '../../antract.ts';
import { bypassPath, isHealthCheck } from '../../http/bypass.ts';
import { isBackendError } from '../../http/rejection-response.ts';
import { sendRejection, sendUpgradeRejection } from '../../http/send-rejection.ts';
import type { PauseMiddleware } from '../../http/middleware.ts';
import { GatedUpgrade, gatedUpgradeOf } from '../../http/upgrade/gated-upgrade.ts';
import type { PauseUpgradeListener, UpgradeListener } from '../../http/upgrade/upgrade.ts';
import type { RegistryCore } from '../../registry/registry-core.ts';
import type { RouteSettings } from '../config/config.ts';
import { formatTarget } from '../config/target.ts';
import { AppProxy } from '../proxy/app-proxy.ts';
import type { Exchanges } from '../proxy/exchange.ts';
import type { ProxyGate } from '../proxy/proxy-gate.ts';
import { prepareHeaders } from '../proxy/proxy-headers.ts';

/** Where a request goes. */
export interface Destination {
  /** Null if the request belongs to no app. */
  readonly app: string | null;
  /** The URL of the backend; null if there is none. */
  readonly target: string | null;
  /** Whether a program asks regularly, so that an ordinary answer is not logged. */
  isPoll(req: IncomingMessage): boolean;
  handle(req: IncomingMessage, res: ServerResponse): void;
}

export interface AppRouteDeps {
  readonly antract: Antract;
  readonly core: RegistryCore;
  readonly exchanges: Exchanges;
  readonly keepAliveSeconds: number;
  readonly trustForwarded: boolean;
}

export class AppRoute implements Destination {
  readonly app: string;
  readonly target: string;
  readonly #deps: AppRouteDeps;
  readonly #pause: PauseMiddleware;
  readonly #pauseUpgrade: PauseUpgradeListener;
  readonly #proxy: AppProxy;
  readonly #proxyUpgrade: UpgradeListener;

  constructor(settings: RouteSettings, deps: AppRouteDeps) {
    const { antract, exchanges, keepAliveSeconds } = deps;
    const { app } = settings;
    this.app = app;
    this.target = formatTarget(settings.target);
    this.#deps = deps;
    // The app is named, not read from requests, so that a command for an unknown app is rejected.
    this.#pause = antract.pause({ app });
    this.#proxy = new AppProxy(settings, { gate: this.#gate(), exchanges, keepAliveSeconds });
    this.#proxyUpgrade = (req, socket, head) => this.#proxy.upgrade(req, socket, head);
    this.#pauseUpgrade = antract.upgrade(
      (req, socket, head) => this.#passUpgrade(req, socket, head),
      { app },
    );
  }

  handle(req: IncomingMessage, res: ServerResponse): void {
    this.#pause(req, res, () => {
      this.#prepareHeaders(req);
      this.#proxy.request(req, res);
    });
  }

  isPoll(req: IncomingMessage): boolean {
    const path = bypassPath(req);
    return path !== undefined && isHealthCheck(this.#deps.core.gate(this.app).settings, req, path);
  }

  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#pauseUpgrade(req, socket, head);
  }

  requeueLateBodies(): void {
    this.#proxy.requeueLateBodies();
  }

  retireConnections(): void {
    this.#proxy.retireConnections();
  }

  close(): void {
    this.#proxy.close();
  }

  #passUpgrade(req: IncomingMessage, socket: Socket, head: Buffer): void {
    const { connection, upgrade } = req.headers;
    this.#prepareHeaders(req);
    Object.assign(req.headers, { connection, upgrade });
    if (gatedUpgradeOf(socket)) return this.#proxyUpgrade(req, socket, head);
    // The upgrade bypasses the pause, and a shutdown has to end it too.
    new GatedUpgrade(req, socket, { mayBeEnded: true }).handTo(this.#proxyUpgrade, head);
  }

  #prepareHeaders(req: IncomingMessage): void {
    const { exchanges, trustForwarded } = this.#deps;
    prepareHeaders(req, exchanges.of(req).peer, trustForwarded);
  }

  #gate(): ProxyGate {
    const { core, exchanges } = this.#deps;
    const gate = () => core.gate(this.app);
    return {
      // A requeued request is sent with its present headers, because they are prepared only once.
      requeue: (req, res) =>
        this.#pause.requeue(req, res, () => {
          exchanges.of(req).error = undefined;
          this.#proxy.request(req, res);
        }),
      requeueUpgrade: (req, socket, head) =>
        this.#pauseUpgrade.requeue(req, socket, head, (_req, _socket, received) => {
          exchanges.of(req).error = undefined;
          this.#proxy.upgrade(req, socket, received);
        }),
      reject: (req, res, rejection) => sendRejection(req, res, rejection, gate()),
      rejectUpgrade: (req, rejection) => sendUpgradeRejection(req, rejection, gate()),
      onResponse: (req, status, afterMs) => {
        const { backend, counts } = gate();
        counts.backend.observe(afterMs / 1000);
        if (!isBackendError(status)) backend.noteAnswer(req);
        // A server that limits its load responds 503 and is reachable.
        else if (status !== 503) backend.noteFailure(req, `HTTP ${status}`);
      },
      onFailure: (req, reason) => gate().backend.noteFailure(req, reason),
      noteDrop: (req) => gate().backend.noteDrop(req),
      wouldHold: (req) => gate().wouldHold(req),
      // Asked for each new connection. Not from the status, which counts everything in flight.
      needsAcceptCheck: () => {
        const { releaser } = gate();
        return releaser.isReleasing || releaser.sharesPace;
      },
    };
  }
}
