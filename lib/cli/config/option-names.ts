/** Replaces option names in a message by what set them: a flag, a variable, or the file of `--config`. */
import { FLAGS } from './flags.ts';
import type { FlagValues, RawConfig } from './read-flags.ts';

export interface OptionSources extends FlagValues {
  /** The content of the configuration file. */
  readonly file: RawConfig;
  /** The path of the configuration file. */
  readonly path: string | undefined;
}

/** The options that a message names. */
export function optionsIn(message: string): string[] {
  return [...asWritten(message).matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
}

/** `accessLog` is the only option with another name on the command line. */
function asWritten(message: string): string {
  return message.replace('`accessLogFormat`', '`accessLog`');
}

export function withOptionNames(text: string, sources: OptionSources): string {
  const message = asWritten(text);
  const [, first = ''] = /`([\w.-]+)`/.exec(message) ?? [];
  if (isFromFile(first, sources)) return `${sources.path}: ${message}`;
  return message.replace(
    /`([\w.-]+)`/g,
    (quoted, key: string) => nameInSource(key, sources) ?? quoted,
  );
}

/** Whether the file set the option, and no flag or variable has replaced it. */
function isFromFile(key: string, { sources, file }: OptionSources): boolean {
  return (key.split('.')[0] as string) in file && !sources.has(key);
}

function nameInSource(key: string, { sources }: OptionSources): string | undefined {
  if (key === 'adminToken') return '`--admin-token-file` or `ANTRACT_ADMIN_TOKEN`';
  if (key.startsWith('sockets.'))
    return `the ${key.slice('sockets.'.length)} socket of \`LISTEN_FDS\``;
  if (key === 'apps') return '`apps` in the file of `--config`';
  const flag = FLAGS.find((one) => one.key === key);
  if (!flag) return undefined;
  return `\`${sources.get(flag.key) === 'env' ? flag.env : flag.long}\``;
}
