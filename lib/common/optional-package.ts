/** Loads an optional peer dependency when it is needed, so that users install only those that they use. */
import { createRequire } from 'node:module';
import { AntractError, type AntractErrorCode } from './errors.ts';

export interface OptionalPackage {
  readonly name: string;
  /** The beginning of the error message, such as "The Redis store needs". */
  readonly subject: string;
  /** The code of the error if the package is missing. */
  readonly code: AntractErrorCode;
  readonly status: number;
}

/** @throws AntractError if the package is not installed, or the error of the package itself. */
export function loadOptionalPackage(optional: OptionalPackage): unknown {
  const { name, subject, code, status } = optional;
  try {
    return createRequire(import.meta.url)(name);
  } catch (cause) {
    if (!isMissing(name, cause as NodeJS.ErrnoException)) throw cause;
    throw new AntractError(
      code,
      `${subject} the package \`${name}\`, which is not installed. ` +
        `Run \`npm install ${name}\` where antract is installed; ` +
        `with npx, run \`npx -p antract -p ${name} antract …\`.`,
      { status, cause },
    );
  }
}

/** False if the package is installed and one of its own dependencies is missing. */
function isMissing(name: string, { code, message }: NodeJS.ErrnoException): boolean {
  return code === 'MODULE_NOT_FOUND' && message.includes(`'${name}'`);
}
