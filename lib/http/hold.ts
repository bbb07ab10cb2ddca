/** The way of a held request to its verdict, the same for requests and for upgrades. */
import type { Gate } from '../gate/gate.ts';
import type { Rejection } from '../gate/phase.ts';
import type { Ticket } from '../gate/gated-request.ts';
import type { AntractRequest } from '../options/options.ts';
import { noteHeld } from './held-time.ts';

/** What a verdict means for a response, or for a raw socket. */
export interface HeldExchange {
  readonly req: AntractRequest;
  /** The hold is over, whatever follows. `passes` tells whether {@link proceed} follows. */
  end(passes: boolean): void;
  proceed(): void;
  reject(rejection: Rejection): void;
}

/** Awaits the verdict in the async context of the request, so that its handler runs in that context. */
export async function awaitVerdict(
  gate: Gate,
  ticket: Ticket,
  exchange: HeldExchange,
): Promise<void> {
  const verdict = await ticket.verdict;
  const passes = verdict.kind === 'proceed' && gate.pass(ticket);
  exchange.end(passes);
  noteHeld(exchange.req, verdict.heldMs, passes);
  if (passes) exchange.proceed();
  else if (verdict.kind === 'reject') exchange.reject(verdict.rejection);
}
