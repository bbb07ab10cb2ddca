/** Keeps secrets in URLs from being seen: warns of those in the arguments, and hides them in output. */
import type { FlagValues } from './read-flags.ts';

interface SecretFlag {
  readonly key: string;
  readonly code: string;
  readonly flag: string;
  readonly variable: string;
  readonly mayHoldSecret: (url: URL) => boolean;
}

const hasCredentials = ({ username, password, search }: URL): boolean =>
  username !== '' || password !== '' || search !== '';

/** The flags whose URL may contain a password. `--target` and `--url` refuse credentials. */
const SECRET_FLAGS: readonly SecretFlag[] = [
  {
    key: 'redis',
    code: 'WRN_ANTRACT_REDIS_ARGUMENT',
    flag: '--redis',
    variable: 'ANTRACT_REDIS',
    mayHoldSecret: ({ password }) => password !== '',
  },
  {
    key: 'notify',
    code: 'WRN_ANTRACT_NOTIFY_ARGUMENT',
    flag: '--notify',
    variable: 'ANTRACT_NOTIFY',
    // Many services put the secret of a webhook in its path.
    mayHoldSecret: (url) => hasCredentials(url) || url.pathname !== '/',
  },
  {
    key: 'probe.url',
    code: 'WRN_ANTRACT_PROBE_URL_ARGUMENT',
    flag: '--probe-url',
    variable: 'ANTRACT_PROBE_URL',
    mayHoldSecret: hasCredentials,
  },
];

/** @param key of an option, also of one app. */
export function hideSecrets(key: string, value: string): string {
  const found = SECRET_FLAGS.find((flag) => key === flag.key || key.endsWith(`.${flag.key}`));
  if (!found || !URL.canParse(value)) return value;
  const url = new URL(value);
  return found.mayHoldSecret(url) ? `${url.protocol}//${url.host}/… (hidden)` : value;
}

/** Other users of the machine can see arguments with `ps`. */
export function warnOfSecretArguments(
  { values, sources }: Pick<FlagValues, 'values' | 'sources'>,
  warn: (message: string) => void,
): void {
  for (const { key, code, flag, variable, mayHoldSecret } of SECRET_FLAGS) {
    const value = values.get(key);
    if (sources.get(key) !== 'cli' || typeof value !== 'string' || !URL.canParse(value)) continue;
    if (!mayHoldSecret(new URL(value))) continue;
    warn(
      `${code}: other users can see ${flag} in ps, and its URL may contain a password. ` +
        `Set ${variable} or use the file of --config instead.`,
    );
  }
}
