/** A gate on its own, requests with nothing behind them, and what becomes of both. */
import { newPauseId, type PauseTerms, type StopTerms } from '../../lib/gate/desired-state.ts';
import { Gate, type AdmitResult, type GateDeps } from '../../lib/gate/gate.ts';
import type { RequestLine } from '../../lib/common/request.ts';
import { GatedRequest, Ticket } from '../../lib/gate/gated-request.ts';
import { readOptions } from '../../lib/options/read-options.ts';
import type { AppOptions } from '../../lib/options/options.ts';

export type GateParts = Pick<GateDeps, 'clock'> & Partial<GateDeps>;

export function createGate(options: AppOptions, parts: GateParts): Gate {
  return new Gate({ app: 'shop', settings: readOptions(options), emit: () => undefined, ...parts });
}

class BareRequest extends GatedRequest {
  readonly request: RequestLine = { method: 'GET', url: '/' };

  isLongLived(): boolean {
    return false;
  }

  end(): void {}
}

/** An ordinary request unless `parts` says otherwise. */
export function gatedRequest(parts: Partial<GatedRequest> = {}): GatedRequest {
  return Object.defineProperties(new BareRequest(), Object.getOwnPropertyDescriptors(parts));
}

export const get = (url: string): GatedRequest => gatedRequest({ request: { method: 'GET', url } });

const gatedOf = new WeakMap<RequestLine, GatedRequest>();

function admit(gate: Gate, gated: GatedRequest): AdmitResult {
  gatedOf.set(gated.request, gated);
  return gate.admit(gated);
}

/** Sends a request that the gate has to pass. Returns it: from now on it is in flight. */
export function enter(gate: Gate, gated: GatedRequest = gatedRequest()): RequestLine {
  const answer = admit(gate, gated);
  if (answer === 'pass') return gated.request;
  throw new Error(answer instanceof Ticket ? 'held' : `rejected: ${answer.reason}`);
}

/** Sends a request that the gate has to hold. */
export function hold(gate: Gate, gated: GatedRequest = gatedRequest()): Ticket {
  const answer = admit(gate, gated);
  if (answer instanceof Ticket) return answer;
  throw new Error(answer === 'pass' ? 'passed' : `rejected: ${answer.reason}`);
}

/** Whether the gate passes a request, which is then in flight. A request that it holds disconnects. */
export function passes(gate: Gate, gated: GatedRequest = gatedRequest()): boolean {
  const answer = gate.admit(gated);
  if (answer instanceof Ticket) gate.onClientDisconnect(gated);
  return answer === 'pass';
}

/** Ends the response to a request that {@link enter} or {@link hold} sent. */
export function endResponse(gate: Gate, request: RequestLine): void {
  const gated = gatedOf.get(request);
  if (!gated) throw new Error('The request was not sent.');
  gate.onClientDisconnect(gated);
}

/** The kind of the verdict; undefined while there is none. */
export const verdictOf = (ticket: Ticket): Promise<unknown> =>
  Promise.race([ticket.verdict.then(({ kind }) => kind), Promise.resolve().then(() => undefined)]);

export const verdictsOf = (tickets: Ticket[]): Promise<unknown[]> =>
  Promise.all(tickets.map(verdictOf));

export function enable(gate: Gate, terms: PauseTerms = {}): boolean {
  return gate.apply({ type: 'enable', terms, pauseId: newPauseId(Math.random()) });
}

export function disable(gate: Gate): boolean {
  return gate.apply({ type: 'disable' });
}

export function stop(gate: Gate, terms: StopTerms = {}): boolean {
  return gate.apply({ type: 'stop', terms });
}
