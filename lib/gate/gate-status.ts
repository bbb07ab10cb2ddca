/** Makes the status of one app from the parts of its gate. */
import type { Clock } from '../common/clock.ts';
import type { Backend } from './backend.ts';
import { describeBackend } from './backend-status.ts';
import type { BackendReadiness } from './backend-readiness.ts';
import type { Drain } from './drain.ts';
import type { GateState } from './gate-state.ts';
import type { HeldRequests } from './held-requests.ts';
import type { InFlight } from './in-flight.ts';
import { phaseOf, type Phase } from './phase.ts';
import type { Releaser } from './releaser.ts';
import type { AppSettings } from '../options/settings.ts';
import { trafficStatus } from './traffic-report.ts';
import type { TrafficStats } from './traffic-stats.ts';
import type { StatusFields } from './status.ts';

export interface DescribedGate {
  readonly app: string;
  readonly settings: AppSettings;
  readonly clock: Clock;
  readonly state: GateState;
  readonly held: HeldRequests;
  readonly inFlight: InFlight;
  readonly backend: Backend;
  readonly readiness: BackendReadiness;
  readonly drain: Drain;
  readonly releaser: Releaser;
  readonly traffic: TrafficStats;
}

export function phaseOfGate({ state, held, drain }: DescribedGate): Phase {
  const { kind: desired, isAwaitingBackend } = state;
  return phaseOf({ desired, held: held.size, isDrained: drain.isDrained, isAwaitingBackend });
}

export function describeGate(gate: DescribedGate): StatusFields {
  const { app, clock, settings, held, inFlight, readiness, drain, releaser } = gate;
  const state = gate.state.desired;
  const { kind, since, until, leaseEnd, expectedEnd } = state;
  const now = clock.now();
  const phase = phaseOfGate(gate);
  const forMs = Math.round(now - since);
  const probe = readiness.status(now);
  return {
    app,
    phase,
    held: held.size,
    inFlight: inFlight.size,
    longLived: inFlight.countLongLived(),
    spooledBytes: held.countSpooledBytes(),
    oldestHoldMs: held.head ? Math.round(now - held.head.since) : null,
    heldLimit: finite(settings.maxQueue),
    maxWaitMs: finite(settings.maxWait),
    onMaxWait: settings.onMaxWait,
    maxTimeMs: settings.maxTime,
    heldDelta: phase === 'releasing' ? held.size - releaser.heldAtStart : null,
    pausedForMs: kind === 'paused' ? forMs : null,
    stoppedForMs: kind === 'stopped' ? forMs : null,
    endsInMs: until < Infinity ? Math.max(0, Math.round(until - now)) : null,
    leaseEndsInMs: leaseEnd < Infinity ? Math.max(0, Math.round(leaseEnd - now)) : null,
    expectedEndInMs: expectedEnd < Infinity ? Math.round(expectedEnd - now) : null,
    pauseId: state.pauseId ?? null,
    only: state.only ?? null,
    reason: state.reason ?? null,
    message: state.message ?? null,
    by: kind === 'running' ? null : (state.by ?? null),
    probe,
    backend: describeBackend(gate.backend.facts, { now, phase, probe, settings }),
    traffic: trafficStatus([gate.traffic.lastMinute(now)]),
    ...(phase === 'pausing' && { stragglers: drain.stragglers() }),
  };
}

function finite(limit: number): number | null {
  return limit < Infinity ? limit : null;
}
