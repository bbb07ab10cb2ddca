/**
 * The header of each response that antract makes itself, so that a monitor can tell maintenance from an outage
 * of the backend. A dictionary of RFC 9651, such as `phase=stopped, code=ERR_ANTRACT_STOPPED`.
 */
import type { AntractErrorCode } from '../common/errors.ts';
import type { Phase } from '../gate/phase.ts';

export const MARKER = 'Antract';

/** How Node spells {@link MARKER} in the headers of a backend. */
export const MARKER_IN_HEADERS = 'antract';

/**
 * The phase is that of this process. A response that belongs to no app has none, and a response to a health
 * check has no code. Never tells the app's name, the operator's reason or a count.
 */
export function markerOf({
  phase,
  code,
}: {
  phase?: Phase | undefined;
  code?: AntractErrorCode | undefined;
}): string {
  return [
    ...(phase === undefined ? [] : [`phase=${phase}`]),
    ...(code === undefined ? [] : [`code=${code}`]),
  ].join(', ');
}
