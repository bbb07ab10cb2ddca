/**
 * Names options in a message as whoever set them wrote them: a flag, a variable, or a name in the
 * file. Knows no option.
 */
import { FLAGS } from './flags.ts';
import type { Given, RawConfig } from './read-flags.ts';

export interface OptionSources extends Given {
  readonly file: RawConfig;
  /** Of the file. */
  readonly path: string | undefined;
}

export function withOptionNames(said: string, written: OptionSources): string {
  // The one option that has another name here.
  const message = said.replace('`accessLogFormat`', '`accessLog`');
  const [, first = ''] = /`([\w.-]+)`/.exec(message) ?? [];
  if (isFromFile(first, written)) return `${written.path}: ${message}`;
  return message.replace(
    /`([\w.-]+)`/g,
    (quoted, key: string) => nameInSource(key, written) ?? quoted,
  );
}

/** What stands in the file, and nothing above it replaced. */
function isFromFile(key: string, { sources, file }: OptionSources): boolean {
  return (key.split('.')[0] as string) in file && !sources.has(key);
}

function nameInSource(key: string, { sources }: OptionSources): string | undefined {
  if (key === 'adminToken') return '`--admin-token-file` or `ANTRACT_ADMIN_TOKEN`';
  if (key === 'apps') return '`apps` in the file of `--config`';
  const flag = FLAGS.find((one) => one.key === key);
  if (!flag) return undefined;
  return `\`${sources.get(flag.key) === 'env' ? flag.env : flag.long}\``;
}
