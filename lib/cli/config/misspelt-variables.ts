/** Finds environment variables that are probably misspelt names of variables that antract reads. */
import { nearest } from '../../common/validate.ts';
import { ENV_PREFIX } from './flag.ts';
import { FLAGS } from './flags.ts';

/** Variables without a flag of `serve`: its admin token, and those of the other commands. */
const OTHER_VARIABLES = [
  'ANTRACT_ADMIN_TOKEN',
  'ANTRACT_URL',
  'ANTRACT_TOKEN',
  'ANTRACT_TOKEN_FILE',
];

export interface Misspelt {
  readonly name: string;
  readonly meant: string;
}

/** Reports only names similar to known ones: Kubernetes sets `ANTRACT_*` variables for a service named antract. */
export function misspeltVariables(environment: Readonly<Record<string, unknown>>): Misspelt[] {
  const known = [...FLAGS.map(({ env }) => env), ...OTHER_VARIABLES];
  const names = known.map((name) => name.slice(ENV_PREFIX.length));
  return Object.keys(environment).flatMap((name) => {
    if (!name.startsWith(ENV_PREFIX) || known.includes(name)) return [];
    const meant = nearest(name.slice(ENV_PREFIX.length), names);
    return meant === undefined ? [] : [{ name, meant: ENV_PREFIX + meant }];
  });
}
