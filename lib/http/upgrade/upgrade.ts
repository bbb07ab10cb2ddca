/**
 * `upgrade()`: what an admission and a verdict mean for a WebSocket's handshake and its raw socket,
 * which never pass through middleware. Knows neither queue nor pace.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { createAdmission, noteHeld, type PauseOptions } from '../admission.ts';
import { limitEnd } from '../end-socket.ts';
import { Gate } from '../../gate/gate.ts';
import { afterEarlierResponses, readEarlyDataOf } from './handshake-socket.ts';
import { isBackendError } from '../gated-http-request.ts';
import { isLingering } from '../lingering-close.ts';
import type { RegistryCore } from '../../registry/registry-core.ts';
import type { Rejection } from '../../gate/phase.ts';
import { rejectionResponse, rejectedWith, sendUpgradeRejection } from '../rejection-response.ts';
import { Ticket } from '../../gate/ticket.ts';
import { GatedUpgrade } from './gated-upgrade.ts';

/** What `server.on('upgrade', …)` takes. */
export type UpgradeListener = (req: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** The `upgrade` listener that holds WebSocket handshakes. */
export interface PauseUpgradeListener extends UpgradeListener {
  /**
   * For a proxy that could not connect to the backend, and has neither read nor written anything: takes
   * the handshake back, and calls `next` when the backend answers. As `requeue` of `pause()`.
   */
  requeue(req: IncomingMessage, socket: Duplex, head: Buffer, next: UpgradeListener): boolean;
}

export function createUpgradeListener(
  core: RegistryCore,
  handler: UpgradeListener,
  options?: PauseOptions,
): PauseUpgradeListener {
  const admit = createAdmission(core, options, 'upgrade');
  const passages = new WeakMap<IncomingMessage, GatedUpgrade>();
  core.hasUpgrade = true;

  function antractUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    afterEarlierResponses(req, socket, head, (whole) => admitUpgrade(req, socket, whole));
  }

  function admitUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    const gate = admit(req);
    if (gate === 'bypass' || gate === 'answer') return handler(req, socket, head);
    // Without a listener an error ends the process.
    socket.on('error', destroy);
    if (!(gate instanceof Gate)) return sendUpgradeRejection(req, gate);
    if (socket.destroyed) return undefined;
    // When one side has ended, the other one must follow: half-open is allowed on this socket, so it
    // would never close by itself, and stay in flight.
    socket.once('end', limit).once('finish', limit);
    const passage = new GatedUpgrade(req, socket, {
      endable: core.endsUpgrades || gate.settings.longLived === 'close',
    });
    passages.set(req, passage);
    if (gate.tryEnter(passage)) {
      onEnd(passage, () => depart(gate, passage));
      return passage.handTo(handler, head);
    }
    const ticket = gate.hold(passage);
    if (ticket instanceof Ticket) onEnd(passage, () => depart(gate, passage));
    return holdOrRefuse({ gate, passage, handler, head, ticket });
  }

  function requeue(
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    next: UpgradeListener,
  ): boolean {
    const passage = passages.get(req);
    const gate = admit(req);
    if (!passage || !(gate instanceof Gate) || socket.destroyed) return false;
    const ticket = gate.requeue(passage);
    if (!ticket) return false;
    passage.takeFrom();
    holdOrRefuse({ gate, passage, handler: next, head, ticket });
    return true;
  }

  return Object.assign(antractUpgrade, { requeue });
}

interface Hold {
  readonly gate: Gate;
  readonly passage: GatedUpgrade;
  readonly handler: UpgradeListener;
  readonly head: Buffer;
  readonly ticket: Ticket;
}

function holdOrRefuse({
  ticket,
  ...rest
}: Omit<Hold, 'ticket'> & { ticket: Ticket | Rejection }): void {
  if (ticket instanceof Ticket) void hold({ ...rest, ticket });
  else sendUpgradeRejection(rest.passage.request, rejectionResponse(ticket));
}

/** What each was held by last: it may be held again and again, and its socket is listened to once. */
const tickets = new WeakMap<GatedUpgrade, Ticket>();

function depart(gate: Gate, passage: GatedUpgrade): void {
  const ticket = tickets.get(passage);
  if (ticket) gate.onClientDisconnect(ticket);
  else gate.onResponseEnd(passage.request);
}

/** `listener` may be called twice. */
function onEnd({ request, socket }: GatedUpgrade, listener: () => void): void {
  socket.once('close', listener);
  // A refused handshake is over once it is answered, also if its connection lingers.
  socket.once('finish', () => {
    if (rejectedWith(request) !== undefined) listener();
  });
}

/** One for all: a listener stays for as long as its socket. */
function destroy(this: Duplex): void {
  this.destroy();
}

function limit(this: Duplex): void {
  if (!isLingering(this)) limitEnd(this);
}

async function hold({ gate, ticket, passage, handler, head }: Hold): Promise<void> {
  const { request: req, socket } = passage;
  tickets.set(passage, ticket);
  const leave = (): void => {
    gate.onClientDisconnect(ticket);
    // Half-open is allowed here, so that nobody else would.
    socket.destroy();
  };
  socket.on('end', leave);
  const early = readEarlyDataOf(req, socket, () => gate.reject(ticket, 'too-large'));
  const verdict = await ticket.verdict;
  socket.off('end', leave);
  const sent = early.stop();
  noteHeld(req, verdict.heldMs, verdict.kind === 'proceed');
  if (verdict.kind === 'reject') {
    return sendUpgradeRejection(req, rejectionResponse(verdict.refusal));
  }
  if (verdict.kind === 'gone' || !gate.pass(ticket)) return undefined;
  // What is answered is the handshake; a WebSocket must not keep a place in the pace.
  // One that is refused is no sign that the backend is well: a proxy may have done it.
  passage.onResponseStart(() =>
    gate.onResponseStart(req, !isBackendError(passage.status), passage.isLongLived()),
  );
  return passage.handTo(handler, sent.length > 0 ? Buffer.concat([head, ...sent]) : head);
}
