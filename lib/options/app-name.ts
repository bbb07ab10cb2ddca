/**
 * Reads the name of an app.
 */
import { AntractError } from '../common/errors.ts';
import type { AppOf } from './options.ts';
import { isPrintable } from '../common/printable.ts';
import { describeValue, expected, isPlainObject } from '../common/validate.ts';

/** The app if none is named. */
export const DEFAULT_APP = 'default';

/**
 * An app's name may come from a client (a virtual host), and operators see it. So it may have no control
 * or bidirectional characters, and may not be longer than a host name.
 */
export function readAppName(name: unknown): string {
  if (isAppName(name)) return name;
  throw new AntractError(
    'ERR_ANTRACT_APP_NAME',
    `Expected \`app\` to be a name of 1 to ${MAX_APP_NAME} printable characters.`,
  );
}

const MAX_APP_NAME = 253;

/**
 * Reads the first argument of a call such as `enable(app, options)`. With only one app, it is easy to pass
 * the options or the function of `during()` first by mistake.
 */
export function readAppArgument(call: string, app: unknown): string {
  if (typeof app === 'string') return readAppName(app);
  const isNext = isPlainObject(app) || typeof app === 'function';
  throw new AntractError(
    'ERR_ANTRACT_APP_NAME',
    `Expected the first argument of \`${call}()\` to be the name of an app, got ${describeValue(app)}.` +
      (isNext ? ` Did you mean \`${call}('default', …)\`?` : ''),
  );
}

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
