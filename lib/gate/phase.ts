/**
 * Intent, phase and verdict: what was asked for, what is going on, and what a held request is told.
 * Pure; imports nothing.
 */

/** What an operator asked for. The only thing that processes share. */
export type DesiredKind = 'running' | 'paused' | 'stopped';

/** What is going on. Computed from the intent and the counts, never stored. */
export type Phase = 'running' | 'pausing' | 'paused' | 'releasing' | 'stopped';

/** Why a request is not let through. */
export type RejectReason =
  | 'timeout'
  | 'stopped'
  | 'full'
  | 'shutdown'
  | 'too-large'
  | 'unreachable'
  | 'long-poll';

/** What a held request is told. */
export type Verdict =
  | { readonly kind: 'proceed'; readonly heldMs: number }
  | { readonly kind: 'reject'; readonly heldMs: number; readonly refusal: Rejection }
  | { readonly kind: 'gone'; readonly heldMs: number };

export interface Rejection {
  readonly reason: RejectReason;
  /** What the operator wants the client to be told. Only `stopped` has one. */
  readonly message?: string | undefined;
  /** When asking again makes sense, as far as is known. */
  readonly retryAfterMs?: number | undefined;
}

export interface PhaseFacts {
  readonly desired: DesiredKind;
  readonly held: number;
  /** Nothing is in flight that a drain waits for. */
  readonly isDrained: boolean;
  /** Nobody knows yet that the backend answers. */
  readonly isAwaitingBackend: boolean;
}

export function phaseOf({ desired, held, isDrained, isAwaitingBackend }: PhaseFacts): Phase {
  switch (desired) {
    case 'running':
      return held > 0 || isAwaitingBackend ? 'releasing' : 'running';
    case 'paused':
      return isDrained ? 'paused' : 'pausing';
    case 'stopped':
      return 'stopped';
    default:
      return desired satisfies never;
  }
}
