/** `upgrade()`: what the gate's answers and verdicts mean for a WebSocket handshake on its raw socket. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Gate } from '../../gate/gate.ts';
import type { Rejection } from '../../gate/phase.ts';
import { Ticket } from '../../gate/gated-request.ts';
import type { AntractRequest } from '../../options/options.ts';
import type { RegistryCore } from '../../registry/registry-core.ts';
import { createGateChooser, type PauseOptions } from '../choose-gate.ts';
import { limitEnd } from '../end-socket.ts';
import { awaitVerdict, type HeldExchange } from '../hold.ts';
import { isLingering } from '../lingering-close.ts';
import { isBackendError, rejectionResponse } from '../rejection-response.ts';
import { rejectionStatus, sendUpgradeRejection } from '../send-rejection.ts';
import { gatedUpgradeOf, GatedUpgrade } from './gated-upgrade.ts';
import { afterEarlierResponses, readEarlyDataOf, type EarlyData } from './handshake-socket.ts';

/**
 * Receives a handshake that antract passes on, such as the `upgrade` of http-proxy-middleware. Node types the
 * socket of a server's `upgrade` event as `Duplex`. It is a `Socket`, and proxies need one.
 */
export type UpgradeListener = (req: IncomingMessage, socket: Socket, head: Buffer) => void;

/**
 * An upgrade listener that holds handshakes during a pause. Middleware never sees them.
 *
 * @example
 * server.on('upgrade', antract.upgrade(proxy.upgrade));
 */
export interface PauseUpgradeListener {
  (req: IncomingMessage, socket: Duplex, head: Buffer): void;
  /**
   * For a proxy that could not connect to the backend, and has neither read from the socket nor written
   * to it: requeues the handshake, and calls `next` when the backend answers.
   *
   * @returns false if antract neither holds nor rejects the handshake, or the client has disconnected. Then
   *   the proxy responds with the failure.
   */
  requeue(req: IncomingMessage, socket: Duplex, head: Buffer, next: UpgradeListener): boolean;
}

export function createUpgradeListener(
  core: RegistryCore,
  handler: UpgradeListener,
  options?: PauseOptions,
): PauseUpgradeListener {
  const chooseGate = createGateChooser(core, options, 'upgrade');
  core.hasUpgrade = true;

  function antractUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    afterEarlierResponses(req, socket, head, (whole) => admit(req, socket, whole));
  }

  function admit(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    const gate = chooseGate(req);
    if (gate === 'bypass' || 'answeredBy' in gate) return handler(req, socket as Socket, head);
    // Without a listener an error ends the process.
    socket.on('error', destroy);
    if (!(gate instanceof Gate)) return sendUpgradeRejection(req, gate, core);
    if (socket.destroyed) return undefined;
    // Half-open is allowed on this socket. If only one side ended, it would stay in flight.
    socket.once('end', limitHalfOpen).once('finish', limitHalfOpen);
    const gated = new GatedUpgrade(req, socket, {
      mayBeEnded: core.endsUpgrades || gate.settings.longLived === 'close',
    });
    const answer = gate.admit(gated);
    if (answer !== 'pass' && !(answer instanceof Ticket)) return reject(gate, req, answer);
    // Registered once, when the request arrives. A requeued request uses the same listener.
    onEnd(gated, () => gate.onClientDisconnect(gated));
    if (answer === 'pass') return gated.handTo(handler, head);
    return hold({ gate, ticket: answer, gated, handler, head });
  }

  function requeue(
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    next: UpgradeListener,
  ): boolean {
    const gated = gatedUpgradeOf(socket);
    const gate = chooseGate(req);
    if (!gated || !(gate instanceof Gate) || socket.destroyed) return false;
    const answer = gate.requeue(req);
    if (!answer) return false;
    gated.takeBack();
    if (answer instanceof Ticket) hold({ gate, ticket: answer, gated, handler: next, head });
    else reject(gate, req, answer);
    return true;
  }

  return Object.assign(antractUpgrade, { requeue });
}

/** `listener` may be called twice. */
function onEnd({ request, socket }: GatedUpgrade, listener: () => void): void {
  socket.once('close', listener);
  // A rejected handshake ends with its response, even if the connection lingers.
  socket.once('finish', () => {
    if (rejectionStatus(request) !== undefined) listener();
  });
}

/** Shared by all sockets, because the listener stays as long as its socket. */
function destroy(this: Duplex): void {
  this.destroy();
}

function limitHalfOpen(this: Duplex): void {
  if (!isLingering(this)) limitEnd(this);
}

function reject(gate: Gate, req: IncomingMessage, rejection: Rejection): void {
  sendUpgradeRejection(req, rejectionResponse(rejection), gate);
}

interface UpgradeHold {
  readonly gate: Gate;
  readonly ticket: Ticket;
  readonly gated: GatedUpgrade;
  readonly handler: UpgradeListener;
  readonly head: Buffer;
}

function hold(request: UpgradeHold): void {
  void awaitVerdict(request.gate, request.ticket, new HeldUpgradeExchange(request));
}

class HeldUpgradeExchange implements HeldExchange {
  readonly #hold: UpgradeHold;
  readonly #early: EarlyData;
  #head: Buffer;

  constructor(hold: UpgradeHold) {
    const { gate, ticket, gated, head } = hold;
    this.#hold = hold;
    this.#head = head;
    gated.socket.on('end', this.#onClientEnd);
    this.#early = readEarlyDataOf(gated.request, gated.socket, () =>
      gate.reject(ticket, 'too-large'),
    );
  }

  get req(): AntractRequest {
    return this.#hold.gated.request;
  }

  end(): void {
    this.#hold.gated.socket.off('end', this.#onClientEnd);
    const sent = this.#early.stop();
    if (sent.length > 0) this.#head = Buffer.concat([this.#head, ...sent]);
  }

  proceed(): void {
    const { gate, gated, handler } = this.#hold;
    // The pace waits for the handshake, not for the end of the WebSocket. A rejected handshake does not
    // show that the backend works: a proxy may have rejected it.
    gated.onResponseStart(() =>
      gate.onResponseStart(this.req, !isBackendError(gated.status), gated.isLongLived()),
    );
    gated.handTo(handler, this.#head);
  }

  reject(rejection: Rejection): void {
    reject(this.#hold.gate, this.req, rejection);
  }

  readonly #onClientEnd = (): void => {
    const { gate, gated } = this.#hold;
    gate.onClientDisconnect(gated);
    // Half-open is allowed on this socket, so Node does not close it.
    gated.socket.destroy();
  };
}
