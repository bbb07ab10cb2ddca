/** The status of an app that runs and has no requests, without its sentences. */
import type { StatusFields } from '../../lib/gate/status.ts';
import { UNKNOWN_BACKEND } from './unknown-backend.ts';

export const statusFields = (given: Partial<StatusFields>): StatusFields => ({
  app: 'default',
  phase: 'running',
  held: 0,
  inFlight: 0,
  longLived: 0,
  spooledBytes: 0,
  oldestHoldMs: null,
  heldLimit: 10_000,
  maxWaitMs: null,
  maxTimeMs: 300_000,
  heldDelta: null,
  pausedForMs: null,
  stoppedForMs: null,
  endsInMs: null,
  leaseEndsInMs: null,
  expectedEndInMs: null,
  pauseId: null,
  only: null,
  reason: null,
  message: null,
  by: null,
  probe: null,
  backend: UNKNOWN_BACKEND,
  traffic: {
    windowMs: 60_000,
    requestsPerSecond: 0,
    p50Ms: null,
    p95Ms: null,
    errorShare: null,
    latestPerSecond: 0,
    latestErrorsPerSecond: 0,
  },
  ...given,
});
