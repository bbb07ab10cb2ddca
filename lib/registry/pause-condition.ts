/**
 * Whether a command that names a pause finds that very pause. Pure: knows neither gate nor HTTP.
 *
 * Somebody's maintenance window may have ended, and another's begun, between two of its commands; a
 * command with a condition then changes nothing instead of ending what is not its own.
 */
import { AntractError } from '../common/errors.ts';
import type { DesiredState } from '../gate/desired-state.ts';

/** @throws AntractError `ERR_ANTRACT_ALREADY_PAUSED`, `ERR_ANTRACT_NOT_PAUSED`. */
export function checkPause(
  app: string,
  { kind, pauseId }: DesiredState,
  ifPause: string | undefined,
): void {
  if (ifPause === undefined) return;
  if (ifPause === 'none') {
    if (kind === 'running') return;
    throw new AntractError(
      'ERR_ANTRACT_ALREADY_PAUSED',
      `App \`${app}\` is ${kind} already; two maintenance windows can't share a backend.`,
      { status: 409 },
    );
  }
  if (ifPause === pauseId) return;
  throw new AntractError(
    'ERR_ANTRACT_NOT_PAUSED',
    `Expected the pause \`${ifPause}\` of app \`${app}\` to go on; it has ended, and the app is ${kind}.`,
    { status: 409 },
  );
}
