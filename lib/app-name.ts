/**
 * What an app may be called.
 */
import { AntractError } from './errors.ts';
import type { AppOf } from './options.ts';
import { isPrintable } from './printable.ts';
import { expected } from './validate.ts';

/**
 * An app's name may come from a client (a virtual host), and is shown to operators: no control or
 * bidirectional characters, and not longer than a host name can be.
 */
export function readAppName(name: unknown): string {
  if (isAppName(name)) return name;
  throw new AntractError(
    'ERR_ANTRACT_APP_NAME',
    `Expected \`app\` to be a name of 1 to ${MAX_APP_NAME} printable characters.`,
  );
}

const MAX_APP_NAME = 253;

export function isAppName(name: unknown): name is string {
  return (
    typeof name === 'string' && name.length <= MAX_APP_NAME && name !== '' && isPrintable(name)
  );
}

export function readApp(name: string, value: unknown): AppOf {
  if (typeof value === 'function') return value as AppOf;
  if (typeof value === 'string') return readAppName(value);
  throw expected(name, 'a name, or a function (req) => name', value);
}
