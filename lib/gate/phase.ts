/** Desired state, phase and verdict, as words. */

/** What the operator asked for. The only thing that processes share. */
export type DesiredKind = 'running' | 'paused' | 'stopped';

export const PHASES = ['running', 'pausing', 'paused', 'releasing', 'stopped'] as const;

/** What happens now. Computed from the desired state and the counts, never stored. */
export type Phase = (typeof PHASES)[number];

/** Why a request is rejected. */
export type RejectReason =
  | 'timeout'
  | 'stopped'
  | 'full'
  | 'shutdown'
  | 'too-large'
  | 'unreachable'
  | 'long-poll'
  | 'waiting-page';

/** The outcome for a held request. `gone`: its client has disconnected. */
export type Verdict =
  | { readonly kind: 'proceed'; readonly heldMs: number }
  | { readonly kind: 'reject'; readonly heldMs: number; readonly rejection: Rejection }
  | { readonly kind: 'gone'; readonly heldMs: number };

export interface Rejection {
  readonly reason: RejectReason;
  /** The operator's message for the client. Only `stopped` has one. */
  readonly message?: string | undefined;
  /** When a retry makes sense, see {@link retryAfterMs}. */
  readonly retryAfterMs: number;
  /** Undefined while the app runs. */
  readonly times?: PauseTimes | undefined;
}

/** How long a pause or stop has lasted, and how much longer it lasts, in milliseconds. `Infinity` means no end. */
export interface PauseTimes {
  readonly sinceMs: number;
  /** 0 or less if the expected end is over. */
  readonly expectedEndInMs: number;
  readonly endsInMs: number;
}

export interface PhaseFacts {
  readonly desired: DesiredKind;
  readonly held: number;
  /** Nothing is in flight that a drain waits for. */
  readonly isDrained: boolean;
  /** Requests wait because the backend is not known to answer. */
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
