/**
 * What an operator asked for, in full: the intent, and on what terms. What a command makes of it, and
 * what is shared between processes. Pure: is given the time.
 */
import type { DesiredKind } from './phase.ts';

/** Times are on the clock of this process; `Infinity` for never. */
export interface DesiredState {
  readonly kind: DesiredKind;
  /** When that began. */
  readonly since: number;
  /** When a pause, or a stop, ends by itself. A stop has no end unless it was given one. */
  readonly until: number;
  /** When it ends unless its lease is renewed. */
  readonly leaseEnd: number;
  /** For how long a lease is renewed; 0 where there is none. */
  readonly leaseMs: number;
  /** Of a pause. Random, so that it outlives no restart. */
  readonly pauseId?: string | undefined;
  /** What a pause is limited to. */
  readonly only?: 'writes' | undefined;
  /** Why an app is paused. */
  readonly reason?: string | undefined;
  /** What clients of a stopped app are told. */
  readonly message?: string | undefined;
  /** Why the pause, or the stop, before has ended by itself. */
  readonly endedBy?: 'maxTime' | 'lease' | undefined;
}

export interface PauseTerms {
  /** `writes`: requests with a safe method pass, and a drain does not wait for them. */
  only?: 'writes' | undefined;
  maxTime?: number | undefined;
  /** 0 takes it off. */
  lease?: number | undefined;
  reason?: string | undefined;
}

export function running(since: number, endedBy?: 'maxTime' | 'lease'): DesiredState {
  return { ...plain('running', since), endedBy };
}

export interface StopTerms {
  maxTime?: number | undefined;
  message?: string | undefined;
}

/** On an app that is stopped already, only what was named is changed. */
export function stopped(
  current: DesiredState,
  { maxTime, message }: StopTerms,
  now: number,
): DesiredState {
  return {
    ...(current.kind === 'stopped' ? current : plain('stopped', now)),
    ...(maxTime !== undefined && { until: now + maxTime }),
    ...(message !== undefined && { message }),
  };
}

/** On an app that is paused already, only what was named is changed. */
export function paused(
  current: DesiredState,
  { maxTime, lease, only, reason }: PauseTerms,
  { now, maxTime: usual, pauseId }: { now: number; maxTime: number; pauseId: string },
): DesiredState {
  const begins = current.kind !== 'paused';
  const before = begins ? { ...plain('paused', now), until: now + usual, pauseId, only } : current;
  return {
    ...before,
    ...(maxTime !== undefined && { until: now + maxTime }),
    ...(lease !== undefined && { leaseEnd: lease > 0 ? now + lease : Infinity, leaseMs: lease }),
    ...(reason !== undefined && { reason }),
  };
}

/** Why it is over by now; undefined while it goes on. */
export function endOf(
  { until, leaseEnd }: DesiredState,
  now: number,
): 'maxTime' | 'lease' | undefined {
  if (until <= now) return 'maxTime';
  return leaseEnd <= now ? 'lease' : undefined;
}

function plain(kind: DesiredKind, since: number): DesiredState {
  return { kind, since, until: Infinity, leaseEnd: Infinity, leaseMs: 0 };
}
