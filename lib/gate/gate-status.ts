/** Makes the status of one app from the facts of its gate. */
import type { BackendFacts } from './backend.ts';
import { describeBackend } from './backend-status.ts';
import type { Straggler } from './in-flight.ts';
import type { DesiredState } from './desired-state.ts';
import { phaseOf } from './phase.ts';
import type { AppSettings } from '../options/settings.ts';
import { sumCounts, type Counts, type ProbeStatus, type StatusFields } from './status.ts';

export interface GateFacts extends Counts {
  readonly app: string;
  readonly now: number;
  readonly state: DesiredState;
  /** When the first request in the queue arrived. Undefined if the queue is empty. */
  readonly oldestSince: number | undefined;
  /** How many were held when the release began. */
  readonly heldAtResume: number;
  readonly isDrained: boolean;
  readonly isAwaitingBackend: boolean;
  readonly probe: ProbeStatus | null;
  readonly backend: BackendFacts;
  readonly settings: AppSettings;
  /** Called only during a drain. */
  readonly stragglers: () => Straggler[];
}

export function describeGate(facts: GateFacts): StatusFields {
  const { app, now, state, held, oldestSince, probe } = facts;
  const { kind, since, until, leaseEnd, expectedEnd } = state;
  const phase = phaseOf({ ...facts, desired: kind });
  const forMs = Math.round(now - since);
  return {
    app,
    phase,
    ...sumCounts([facts]),
    oldestHoldMs: oldestSince === undefined ? null : Math.round(now - oldestSince),
    heldDelta: phase === 'releasing' ? held - facts.heldAtResume : null,
    pausedForMs: kind === 'paused' ? forMs : null,
    stoppedForMs: kind === 'stopped' ? forMs : null,
    endsInMs: until < Infinity ? Math.max(0, Math.round(until - now)) : null,
    leaseEndsInMs: leaseEnd < Infinity ? Math.max(0, Math.round(leaseEnd - now)) : null,
    expectedEndInMs: expectedEnd < Infinity ? Math.round(expectedEnd - now) : null,
    pauseId: state.pauseId ?? null,
    only: state.only ?? null,
    reason: state.reason ?? null,
    message: state.message ?? null,
    probe,
    backend: describeBackend(facts.backend, { ...facts, phase }),
    ...(phase === 'pausing' && { stragglers: facts.stragglers() }),
  };
}
