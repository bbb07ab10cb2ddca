/** The log messages about pauses and stops that a process finds in the store at its start. */
import { isoTime, type Clock } from '../common/clock.ts';
import type { DesiredState } from '../gate/desired-state.ts';

/** The pause or stop continues. */
export function foundText(app: string, state: DesiredState, clock: Clock): string {
  const { kind, until, leaseEnd } = state;
  const limit =
    until === Infinity ? 'until a command ends it' : `until ${dateOf(until, clock)} at the latest`;
  const lease =
    leaseEnd === Infinity
      ? ''
      : `. It ends at ${dateOf(leaseEnd, clock)} unless its lease is renewed`;
  return `${sinceText(app, state, clock)}. It stays ${kind} ${limit}${lease}.`;
}

/** The pause or stop ended while no process ran. */
export function foundEndedText(app: string, state: DesiredState, clock: Clock): string {
  const { until, leaseEnd } = state;
  const cause = leaseEnd < until ? 'The lease was not renewed' : '`maxTime` was over';
  const end = dateOf(Math.min(until, leaseEnd), clock);
  return (
    `WRN_ANTRACT_EXPIRED: ${sinceText(app, state, clock)}. ${cause} at ${end}, while antract was not ` +
    'running. So the app runs again.'
  );
}

function sinceText(app: string, state: DesiredState, clock: Clock): string {
  const { kind, since, reason, message } = state;
  const words = reason ?? message;
  const why = words === undefined ? '' : ` (${words})`;
  return `app '${app}' was ${kind} at ${dateOf(since, clock)}${why}`;
}

function dateOf(time: number, clock: Clock): string {
  return isoTime(clock.date() + time - clock.now());
}
