/**
 * `upgrade()`: what an admission and a verdict mean for a WebSocket's handshake and its raw socket,
 * which never pass through middleware. Knows neither queue nor pace.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { createAdmission, noteHeld, type PauseOptions } from './admission.ts';
import { Gate } from './gate.ts';
import type { PauseRegistry } from './pause-registry.ts';
import { refusalFor, refuseUpgrade } from './refusal.ts';
import { Ticket } from './ticket.ts';
import { UpgradePassage } from './upgrade-passage.ts';

/** What `server.on('upgrade', …)` takes. */
export type UpgradeListener = (req: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** How many bytes a client may send ahead of the answer to its handshake, which most never do. */
const MAX_EARLY = 64 * 1024;

export function createUpgradeListener(
  registry: PauseRegistry,
  handler: UpgradeListener,
  options?: PauseOptions,
): UpgradeListener {
  const admit = createAdmission(registry, options);
  registry.hasUpgrade = true;

  return function antractUpgrade(req, socket, head) {
    const gate = admit(req);
    if (gate === 'bypass' || gate === 'answer') return handler(req, socket, head);
    // Without a listener an error ends the process.
    socket.on('error', destroy);
    if (!(gate instanceof Gate)) return refuseUpgrade(req, gate);
    if (socket.destroyed) return undefined;
    const passage = new UpgradePassage(req, socket, {
      endable: gate.settings.longLived === 'close',
    });
    if (gate.tryEnter(passage)) {
      socket.once('close', () => gate.leave(req));
      return passage.handTo(handler, head);
    }
    const ticket = gate.hold(passage);
    if (!(ticket instanceof Ticket)) return refuseUpgrade(req, refusalFor(ticket));
    return void hold(gate, ticket, passage, handler, head);
  };
}

/** One for all: a listener stays for as long as its socket. */
function destroy(this: Duplex): void {
  this.destroy();
}

async function hold(
  gate: Gate,
  ticket: Ticket,
  passage: UpgradePassage,
  handler: UpgradeListener,
  head: Buffer,
): Promise<void> {
  const { request: req, socket } = passage;
  const leave = (): void => {
    gate.depart(ticket);
    // Half-open is allowed here, so that nobody else would.
    socket.destroy();
  };
  socket.once('close', () => gate.depart(ticket));
  socket.on('end', leave);
  const early = readAhead(req, socket, () => gate.expel(ticket, 'too-large'));
  const verdict = await ticket.verdict;
  socket.off('end', leave);
  const sent = early.stop();
  noteHeld(req, verdict.heldMs, verdict.kind === 'proceed');
  if (verdict.kind === 'reject') {
    return refuseUpgrade(req, refusalFor(verdict.refusal));
  }
  if (verdict.kind === 'gone' || !gate.pass(ticket)) return undefined;
  // What is answered is the handshake; a WebSocket must not keep a place in the pace.
  // One that is refused is no trouble, and no sign that the backend is well: a proxy may have done it.
  passage.onAnswer(() => gate.answered(req, true, passage.isLongLived()));
  return passage.handTo(handler, sent.length > 0 ? Buffer.concat([head, ...sent]) : head);
}

/** Reads on, as only a socket that is read tells when its client leaves. */
function readAhead(
  req: IncomingMessage,
  socket: Duplex,
  onTooMuch: () => void,
): { stop(): readonly Buffer[] } {
  // Node 26 hands out a stream of its own where the request has a body, and reading that discards the
  // body. There the server goes on reading the socket, and tells when the client leaves.
  if (socket !== req.socket) return { stop: () => [] };
  const chunks: Buffer[] = [];
  let bytes = 0;
  const collect = (chunk: Buffer): void => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_EARLY) onTooMuch();
  };
  socket.on('data', collect);
  return {
    stop() {
      socket.off('data', collect);
      socket.pause();
      // As it came: whoever reads next decides how. Node's own server does the same at an upgrade.
      (socket as { readableFlowing: boolean | null }).readableFlowing = null;
      return chunks;
    },
  };
}
