/** `pause()`: what the gate's answers and verdicts mean for an HTTP response. */
import type { ServerResponse } from 'node:http';
import onHeaders from 'on-headers';
import { Gate } from '../gate/gate.ts';
import type { Rejection } from '../gate/phase.ts';
import { Ticket } from '../gate/gated-request.ts';
import type { AntractRequest } from '../options/options.ts';
import type { RegistryCore } from '../registry/registry-core.ts';
import type { Spool, Spooler } from '../spool/spooler.ts';
import { createGateChooser, type PauseOptions } from './choose-gate.ts';
import { isDisconnected, onDisconnect } from './disconnect.ts';
import { awaitsContinue, sendContinue, withholdContinue } from './expect-continue.ts';
import { GatedHttpRequest } from './gated-http-request.ts';
import { addServerTiming, heldMs } from './held-time.ts';
import { awaitVerdict, type HeldExchange } from './hold.ts';
import { MARKER, markerOf } from './marker.ts';
import { beginHold, endHold, isConnectionFull } from './pipelined-holds.ts';
import { isBackendError, rejectionResponse } from './rejection-response.ts';
import { sendRejection, statusOf } from './send-rejection.ts';
import { warnOfHandshake, warnOfSetup } from './setup-warnings.ts';

/** Calls the next handler, or the error handler. */
export type NextFunction = (error?: unknown) => void;

/**
 * The middleware for Express, Connect and similar frameworks. `node:http` can call it, too.
 *
 * @example
 * app.use(antract.pause());
 * app.use(createProxyMiddleware({ target: 'http://127.0.0.1:3000' }));
 */
export interface PauseMiddleware {
  (req: AntractRequest, res: ServerResponse, next: NextFunction): void;
  /**
   * For a proxy that could not connect to the backend: requeues the request, and calls `next` when the
   * backend answers. The body of the request must be unread. Never requeue a request that may have been
   * sent, even in part: the backend may have acted on it.
   *
   * @returns false if antract neither holds nor rejects the request, or the client has disconnected. Then
   *   the proxy responds with the failure.
   */
  requeue(req: AntractRequest, res: ServerResponse, next: NextFunction): boolean;
}

export function createPauseMiddleware(
  core: RegistryCore,
  spooler: Spooler,
  options?: PauseOptions,
): PauseMiddleware {
  const chooseGate = createGateChooser(core, options);
  const { logger } = core.settings;

  function antractPause(req: AntractRequest, res: ServerResponse, next: NextFunction): void {
    const gate = chooseGate(req);
    if (gate === 'bypass') return next();
    if (!(gate instanceof Gate)) {
      if ('answeredBy' in gate) return answerHealthCheck(req, res, gate.answeredBy);
      return sendRejection(req, res, gate, core);
    }
    // The client may have disconnected while an earlier handler was busy.
    if (isDisconnected(req, res)) return undefined;
    if (req.headers.upgrade !== undefined) warnOfHandshake(core, req);
    const gated = new GatedHttpRequest(req, res, gate, logger);
    const answer = gate.admit(gated);
    if (answer !== 'pass' && !(answer instanceof Ticket)) return reject(gate, req, res, answer);
    // Registered once, when the request arrives. A requeued request uses the same listener.
    onDisconnect(req, res, () => gate.onClientDisconnect(gated));
    if (answer === 'pass') return next();
    warnOfSetup(core, req);
    return hold({ gate, ticket: answer, req, res, next, spooler });
  }

  function requeue(req: AntractRequest, res: ServerResponse, next: NextFunction): boolean {
    if (res.headersSent || isDisconnected(req, res) || isConnectionFull(req)) return false;
    const gate = chooseGate(req);
    const answer = gate instanceof Gate ? gate.requeue(req) : undefined;
    if (!(gate instanceof Gate) || !answer) return false;
    if (answer instanceof Ticket) hold({ gate, ticket: answer, req, res, next, spooler });
    else reject(gate, req, res, answer);
    return true;
  }

  return Object.assign(antractPause, { requeue });
}

interface RequestHold {
  readonly gate: Gate;
  readonly ticket: Ticket;
  readonly req: AntractRequest;
  readonly res: ServerResponse;
  readonly next: NextFunction;
  readonly spooler: Spooler;
}

function hold(request: RequestHold): void {
  const { gate, ticket, req, res } = request;
  withholdContinue(req);
  if (isConnectionFull(req)) gate.reject(ticket, 'full');
  beginHold(req, res);
  void awaitVerdict(gate, ticket, new HeldHttpExchange(request, startSpool(request)));
}

class HeldHttpExchange implements HeldExchange {
  readonly #hold: RequestHold;
  readonly #spool: Spool;

  constructor(hold: RequestHold, spool: Spool) {
    this.#hold = hold;
    this.#spool = spool;
  }

  get req(): AntractRequest {
    return this.#hold.req;
  }

  end(passes: boolean): void {
    const { gate, req, res } = this.#hold;
    endHold(req);
    if (!passes) this.#spool.discard();
    // Once for each response, even if its request is held again.
    else if (heldMs(req) === undefined) onHeaders(res, () => onResponseStart(gate, req, res));
  }

  proceed(): void {
    sendContinue(this.req);
    this.#spool.release();
    this.#hold.next();
  }

  reject(rejection: Rejection): void {
    const { gate, req, res } = this.#hold;
    reject(gate, req, res, rejection);
  }
}

/** The backend has done its part: the time that the client needs says nothing about the backend. */
function onResponseStart(gate: Gate, req: AntractRequest, res: ServerResponse): void {
  addServerTiming(req, res);
  gate.onResponseStart(req, !isBackendError(statusOf(req, res)));
}

/** Reads the body from now on, to notice when the client disconnects, and to avoid Node's timeout. */
function startSpool({ gate, ticket, req, res, spooler }: RequestHold): Spool {
  const check = (state: string): void => {
    if (state === 'too-large') gate.reject(ticket, 'too-large');
  };
  const spool = spooler.begin(req, { res, onOverflow: check });
  ticket.spool = spool;
  check(spool.state);
  return spool;
}

function reject(gate: Gate, req: AntractRequest, res: ServerResponse, rejection: Rejection): void {
  const response = rejectionResponse(rejection);
  // A client that waits for `100 Continue` may or may not send its body after a rejection.
  sendRejection(req, res, awaitsContinue(req) ? { ...response, close: true } : response, gate);
}

function answerHealthCheck(req: AntractRequest, res: ServerResponse, { phase }: Gate): void {
  res.setHeader(MARKER, markerOf({ phase }));
  res.setHeader('Content-Type', 'text/plain');
  res.setHeader('Cache-Control', 'no-store');
  res.end(req.method === 'HEAD' ? undefined : 'OK\n');
}
