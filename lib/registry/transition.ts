/** A transition of an app, and how it is worded in the log, the admin endpoints and the command line. */
import { formatCount, formatMs } from '../common/format.js';
import { actorText, type Actor } from '../gate/actor.ts';
import { reasonInWords } from '../gate/backend-status.ts';
import type { AntractEvents } from '../gate/events.ts';

const NAMES = [
  'paused',
  'drained',
  'resumed',
  'stopped',
  'expired',
  'unhealthy',
  'backendDown',
  'backendUp',
] as const satisfies (keyof AntractEvents)[];

/** The name of a transition. */
export type TransitionName = (typeof NAMES)[number] | 'changed';

/** A change of an app that an operator should know of. Durations are whole milliseconds. */
export interface Transition {
  /** Grows with each transition that this process sees. */
  readonly id: number;
  /** When it happened, in milliseconds since 1970. */
  readonly at: number;
  /** The app. */
  readonly app: string;
  /**
   * What happened. A pause or a stop that ends by itself is `expired`, and no `resumed` follows. `changed`: a
   * command has changed the end or the reason of a pause or a stop; only the process that got it knows.
   */
  readonly event: TransitionName;
  /** Who gave the command; null if that is unknown, or if there was no command. */
  readonly by: Actor | null;
  /** Why: the operator's words, or what was seen of the backend, such as `ECONNREFUSED`. */
  readonly reason: string | null;
  /** What ended an `expired` pause or stop. */
  readonly cause: 'maxTime' | 'lease' | null;
  /** How long the pause, the stop, the drain or the outage took that has ended; null if none has. */
  readonly forMs: number | null;
  /** When a pause or stop that begins ends by itself; null for a stop without an end. */
  readonly endsInMs: number | null;
  /** Requests held then. For `stopped`: held requests that were rejected. */
  readonly held: number;
  /** Requests in flight then. */
  readonly inFlight: number;
  /** The same as a sentence. */
  readonly text: string;
}

export function isTransition(event: keyof AntractEvents): event is (typeof NAMES)[number] {
  return (NAMES as readonly string[]).includes(event);
}

type Facts = Omit<Transition, 'id' | 'at' | 'text'>;

interface Kind {
  /** What has expired. */
  readonly ended?: 'pause' | 'stop';
  /** What follows an unhealthy backend. */
  readonly action?: 'release' | 'stop';
}

export function transitionText(
  facts: Facts,
  { ended = 'pause', action = 'release' }: Kind,
): string {
  const { app, event, reason, forMs, held } = facts;
  switch (event) {
    case 'paused':
      return `App ${app} is paused${byText(facts)}: ${countText(facts)}${endText(facts)}.${reasonText(reason)}`;
    case 'changed':
      return `The terms of app ${app} were changed${byText(facts)}: ${countText(facts)}${endText(facts)}.${reasonText(reason)}`;
    case 'drained':
      return `App ${app} is drained${afterText(forMs)}: nothing is in flight that the drain waits for, ${formatCount(held, 'request')} held.`;
    case 'resumed':
      return `App ${app} is resumed${byText(facts)}${afterText(forMs)}: ${formatCount(held, 'held request')} to release.`;
    case 'stopped':
      return `App ${app} is stopped${byText(facts)}: requests get 503${rejectedText(held)}${endText(facts)}.${messageText(reason)}`;
    case 'expired':
      return `The ${ended} of app ${app} has ended by itself${afterText(forMs)}, ${causeText(facts)}: ${formatCount(held, 'held request')} to release.`;
    case 'unhealthy':
      return `The backend of app ${app} does not answer after the pause (${reason}): ${action === 'stop' ? 'the app is stopped' : `${formatCount(held, 'held request')} released without its answer`}.`;
    case 'backendDown':
      return `The backend of app ${app} is down: ${reasonInWords(reason ?? 'unknown')}. ${capital(countText(facts))}.`;
    case 'backendUp':
      return `The backend of app ${app} answers again${afterText(forMs)}: ${countText(facts)}.`;
    default:
      return event satisfies never;
  }
}

function byText({ by }: Facts): string {
  return by === null ? '' : ` by ${actorText(by)}`;
}

function countText({ held, inFlight }: Facts): string {
  return `${formatCount(held, 'request')} held, ${formatCount(inFlight, 'request')} in flight`;
}

function endText({ endsInMs }: Facts): string {
  return endsInMs === null ? '' : `, ends by itself in ${formatMs(endsInMs)}`;
}

function causeText({ cause }: Facts): string {
  return cause === 'lease' ? 'because its lease was not renewed' : 'because its `maxTime` is over';
}

function reasonText(reason: string | null): string {
  return reason === null ? '' : ` Reason: ${reason}`;
}

function rejectedText(held: number): string {
  return held === 0 ? '' : `, including ${formatCount(held, 'held request')}`;
}

/** The same words as in the status. */
function messageText(message: string | null): string {
  return message === null ? '' : ` Clients are told: ${message}`;
}

function afterText(ms: number | null): string {
  return ms === null ? '' : ` after ${formatMs(ms)}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
