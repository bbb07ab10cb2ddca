/** Refuses what a process of an incompatible version has written to the store. */
import { AntractError } from '../common/errors.ts';
import { isPlainObject } from '../common/validate.ts';
import { PROTOCOL, type StoredState } from '../stores/store.ts';

/** The version of the messages that a process writes. Version 0.1.0 writes none. */
export function protocolOf(text: string): number {
  try {
    const written: unknown = JSON.parse(text);
    if (!isPlainObject(written)) return PROTOCOL;
    return typeof written['protocol'] === 'number' ? written['protocol'] : 1;
  } catch {
    // Not the text of a report or state.
    return PROTOCOL;
  }
}

/** @throws AntractError `ERR_ANTRACT_PROTOCOL`. */
export function checkStates(snapshot: ReadonlyMap<string, StoredState>): void {
  for (const [app, { value }] of snapshot) {
    const protocol = protocolOf(value);
    if (protocol !== PROTOCOL) throw incompatible(`The state of app \`${app}\``, protocol);
  }
}

/** @param subject what was read, as the beginning of a sentence. */
export function incompatible(subject: string, protocol: number): AntractError {
  return new AntractError(
    'ERR_ANTRACT_PROTOCOL',
    `${subject} uses version ${protocol} of the messages in the store, and this process version ${PROTOCOL}. ` +
      'Stop all processes that share the store before you start the other version of antract.',
    { status: 503 },
  );
}
