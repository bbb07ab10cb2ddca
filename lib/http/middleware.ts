/**
 * `pause()`: what an admission and a verdict mean for a request and its response. Knows neither queue
 * nor pace.
 */
import type { ServerResponse } from 'node:http';
import onHeaders from 'on-headers';
import { createAdmission, heldMs, noteHeld, type PauseOptions } from './admission.ts';
import { isDisconnected, onDisconnect } from './disconnect.ts';
import { isWaiting, sendContinue, withholdContinue } from './expect-continue.ts';
import { Gate } from '../gate/gate.ts';
import { GatedHttpRequest, isBackendError } from './gated-http-request.ts';
import type { AntractRequest } from '../options/options.ts';
import type { RegistryCore } from '../registry/registry-core.ts';
import type { Rejection, Verdict } from '../gate/phase.ts';
import { beginHold, endHold, isConnectionFull } from './pipelined-holds.ts';
import {
  rejectionResponse,
  sendRejection,
  statusOf,
  type RejectionResponse,
} from './rejection-response.ts';
import type { Spool, Spooler } from '../spool/spooler.ts';
import { Ticket } from '../gate/ticket.ts';
import { warnOfHandshake, warnOfSetup } from './setup-warnings.ts';

/** Passes the request to the next handler, as in Express and Connect. */
export type NextFunction = (error?: unknown) => void;

/** What Express, Connect and their like mount, and `node:http` can call. */
export interface PauseMiddleware {
  (req: AntractRequest, res: ServerResponse, next: NextFunction): void;
  /**
   * For a proxy that could not connect to the backend: takes the request back, whose body must not
   * have been read by then, and calls `next` when the backend answers. False when there is nothing to
   * wait for, or nobody: then the proxy answers the failure itself. Never for a request that may have
   * been sent, were it only in part: the backend may have acted on it.
   */
  requeue(req: AntractRequest, res: ServerResponse, next: NextFunction): boolean;
}

export function createPauseMiddleware(
  core: RegistryCore,
  spooler: Spooler,
  options?: PauseOptions,
): PauseMiddleware {
  const admit = createAdmission(core, options);
  const { logger } = core.settings;

  function antractPause(req: AntractRequest, res: ServerResponse, next: NextFunction): void {
    const gate = admit(req);
    if (gate === 'bypass') return next();
    if (gate === 'answer') return answerHealthCheck(req, res);
    if (!(gate instanceof Gate)) return sendRejection(req, res, gate);
    // Left while an earlier handler took its time: there is nobody to run the next one for.
    if (isDisconnected(req, res)) return undefined;
    if (req.headers.upgrade !== undefined) warnOfHandshake(core, req);
    const passage = new GatedHttpRequest(req, res, gate.settings, logger);
    if (gate.tryEnter(passage)) {
      onDisconnect(req, res, () => depart(gate, req));
      return next();
    }
    const ticket = gate.hold(passage);
    if (ticket instanceof Ticket) onDisconnect(req, res, () => depart(gate, req));
    if (ticket instanceof Ticket) warnOfSetup(core, req);
    return holdOrRefuse({ gate, ticket, req, res, next, spooler });
  }

  function requeue(req: AntractRequest, res: ServerResponse, next: NextFunction): boolean {
    if (res.headersSent || isDisconnected(req, res) || isConnectionFull(req)) return false;
    const gate = admit(req);
    if (!(gate instanceof Gate)) return false;
    const ticket = gate.requeue(new GatedHttpRequest(req, res, gate.settings, logger));
    if (ticket) holdOrRefuse({ gate, ticket, req, res, next, spooler });
    return ticket !== undefined;
  }

  return Object.assign(antractPause, { requeue });
}

interface Hold {
  readonly gate: Gate;
  readonly ticket: Ticket;
  readonly req: AntractRequest;
  readonly res: ServerResponse;
  readonly next: NextFunction;
  readonly spooler: Spooler;
}

function holdOrRefuse({
  ticket,
  ...rest
}: Omit<Hold, 'ticket'> & { ticket: Ticket | Rejection }): void {
  if (ticket instanceof Ticket) void hold({ ...rest, ticket });
  else respondRejected(rest.req, rest.res, rejectionResponse(ticket));
}

/** What each request was held by last, by gate: one may be held by several, and by each again and again. */
const tickets = new WeakMap<Gate, WeakMap<AntractRequest, Ticket>>();

function noteTicket(gate: Gate, req: AntractRequest, ticket: Ticket): void {
  const ofGate = tickets.get(gate) ?? new WeakMap<AntractRequest, Ticket>();
  tickets.set(gate, ofGate.set(req, ticket));
}

/** Listened for once for each request, when it arrives: what is taken back would add to it each time. */
function depart(gate: Gate, req: AntractRequest): void {
  const ticket = tickets.get(gate)?.get(req);
  if (ticket) gate.onClientDisconnect(ticket);
  else gate.onResponseEnd(req);
}

async function hold({ gate, ticket, req, res, next, spooler }: Hold): Promise<void> {
  noteTicket(gate, req, ticket);
  withholdContinue(req);
  if (isConnectionFull(req)) gate.reject(ticket, 'full');
  beginHold(req, res);
  const spool = startSpool(gate, ticket, req, res, spooler);
  const verdict = await ticket.verdict;
  endHold(req);
  if (verdict.kind !== 'proceed' || !gate.pass(ticket)) {
    spool.discard();
    return answerRejected(req, res, verdict);
  }
  // Once for each response, however often its request is held.
  if (heldMs(req) === undefined) onHeaders(res, () => onAnswer(gate, req, res));
  noteHeld(req, verdict.heldMs, true);
  sendContinue(req);
  spool.release();
  return next();
}

/** Its headers are on their way: what it takes from here on is no sign of the backend's strength. */
function onAnswer(gate: Gate, req: AntractRequest, res: ServerResponse): void {
  addServerTiming(res, heldMs(req) ?? 0);
  gate.onResponseStart(req, !isBackendError(statusOf(req, res)));
}

function answerRejected(req: AntractRequest, res: ServerResponse, verdict: Verdict): void {
  noteHeld(req, verdict.heldMs, false);
  if (verdict.kind === 'reject') respondRejected(req, res, rejectionResponse(verdict.refusal));
}

/** Reads the body from now on, so that the client is seen to leave, and Node does not lose patience. */
function startSpool(
  gate: Gate,
  ticket: Ticket,
  req: AntractRequest,
  res: ServerResponse,
  spooler: Spooler,
): Spool {
  const check = (state: string): void => {
    if (state === 'too-large') gate.reject(ticket, 'too-large');
  };
  const spool = spooler.begin(req, { res, onOverflow: check });
  check(spool.state);
  return spool;
}

function respondRejected(
  req: AntractRequest,
  res: ServerResponse,
  refusal: RejectionResponse,
): void {
  // A client that waits to be told to go on may, or may not, send its body after a refusal.
  sendRejection(req, res, isWaiting(req) ? { ...refusal, close: true } : refusal);
}

function answerHealthCheck(req: AntractRequest, res: ServerResponse): void {
  res.setHeader('Content-Type', 'text/plain');
  res.setHeader('Cache-Control', 'no-store');
  res.end(req.method === 'HEAD' ? undefined : 'OK\n');
}

/** https://www.w3.org/TR/server-timing/ ; the backend may have written one of its own. */
function addServerTiming(res: ServerResponse, heldMs: number): void {
  const own = `antract;dur=${heldMs}`;
  const others = res.getHeader('Server-Timing');
  res.setHeader('Server-Timing', others === undefined ? own : `${String(others)}, ${own}`);
}
