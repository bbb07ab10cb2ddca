/**
 * Environment variables that were probably meant for a flag of `serve`. Knows no gateway.
 */
import { nearest } from '../../common/validate.ts';
import { PREFIX } from './flag.ts';
import { FLAGS } from './flags.ts';

/** What else is read from the environment: by this command, and by the others. */
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

/** Variables that nobody reads, with what was probably meant. Not those of others, as Kubernetes has some. */
export function misspeltVariables(environment: Readonly<Record<string, unknown>>): Misspelt[] {
  const known = [...FLAGS.map(({ env }) => env), ...OTHER_VARIABLES];
  const words = known.map((name) => name.slice(PREFIX.length));
  return Object.keys(environment).flatMap((name) => {
    if (!name.startsWith(PREFIX) || known.includes(name)) return [];
    const meant = nearest(name.slice(PREFIX.length), words);
    return meant === undefined ? [] : [{ name, meant: PREFIX + meant }];
  });
}
