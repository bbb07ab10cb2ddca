/**
 * Loads an optional peer dependency. Nobody has to install what they don't use, so each is loaded when
 * it is needed and not before.
 */
import { createRequire } from 'node:module';
import { AntractError, type AntractErrorCode } from './errors.ts';

export interface OptionalPackage {
  readonly name: string;
  /** What can't be had without it, as the subject of a sentence. */
  readonly neededBy: string;
  /** Of the error when the package is missing. */
  readonly code: AntractErrorCode;
  readonly status: number;
}

/** @throws AntractError where the package is not installed; whatever the package itself throws. */
export function loadOptionalPackage(wanted: OptionalPackage): unknown {
  const { name, neededBy, code, status } = wanted;
  try {
    return createRequire(import.meta.url)(name);
  } catch (cause) {
    if (!isMissing(name, cause as NodeJS.ErrnoException)) throw cause;
    throw new AntractError(
      code,
      `${neededBy} the package \`${name}\`, which is not installed. ` +
        `Run \`npm install ${name}\` where antract is installed; ` +
        `with npx, run \`npx -p antract -p ${name} antract …\`.`,
      { status, cause },
    );
  }
}

/** Not where the package is there and one that it needs itself is missing. */
function isMissing(name: string, { code, message }: NodeJS.ErrnoException): boolean {
  return code === 'MODULE_NOT_FOUND' && message.includes(`'${name}'`);
}
