/** One flag of `serve`: its names, how its value is parsed, and how its help shows the default. */
import { InvalidArgumentError, Option } from 'commander';
import { readTextOrRegExp, TEXT_OR_REGEXP } from './text-or-regexp.ts';

export interface Flag {
  /** The place of the value in the configuration, such as `release.concurrency`. */
  readonly key: string;
  /** Such as `--release-concurrency`. */
  readonly long: string;
  /** Such as `ANTRACT_RELEASE_CONCURRENCY`. */
  readonly env: string;
  /**
   * Whether an empty variable counts as unset, as `VARIABLE=` in a compose file means. Not so for an
   * address, a path or a token file, where the default could be dangerous.
   */
  readonly mayBeEmpty: boolean;
  readonly isDuration: boolean;
  readonly option: Option;
  /** The kind of its value, such as `<duration>`. */
  readonly value: string;
  /** Every value that it can have, if these are few. */
  readonly choices: readonly (string | number)[] | undefined;
  /** As the help shows it, such as `5m`. Undefined if there is none. */
  readonly defaultText: string | undefined;
}

/** The values whose variable must not be empty. */
const LOCATIONS = ['<url>', '<address>', '<file>', '<directory>', '<path>'];

const DURATION = '<duration>';
const SIZE = '<size>';

type Parse = (text: string, previous: unknown) => unknown;

export const ENV_PREFIX = 'ANTRACT_';

/** @param kind of the value, such as `<duration>`, or every value that it can have. */
export function flag(
  key: string,
  kind: string | readonly (string | number)[],
  help: string,
  byDefault?: unknown,
  parse: Parse = text,
): Flag {
  const [value, choices] = typeof kind === 'string' ? [kind] : ['<choice>', kind];
  const name = key.replaceAll('.', '-').replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`);
  const long = `--${name}`;
  const env = `${ENV_PREFIX}${name.replaceAll('-', '_').toUpperCase()}`;
  const description =
    byDefault === undefined ? help : `${help} (default: ${formatDefault(value, byDefault)})`;
  const option = new Option(`${long} ${value}`, description).env(env);
  if (choices) option.choices(choices.map(String));
  // Replaces Commander's own check of the choices: the reader of the option has the same.
  option.argParser(parse);
  const mayBeEmpty = !LOCATIONS.includes(value);
  const [, inHelp = option.optional ? 'false' : undefined] =
    /\(default: (.*)\)$/.exec(description) ?? [];
  const isDuration = value === DURATION;
  return { key, long, env, mayBeEmpty, isDuration, option, value, choices, defaultText: inHelp };
}

function formatDefault(value: string, byDefault: unknown): string {
  if (byDefault === Infinity) return 'no limit';
  if (value === SIZE) return formatSize(Number(byDefault));
  return value === DURATION && byDefault !== 0
    ? formatDuration(Number(byDefault))
    : String(byDefault);
}

/** As the option is written: `65536` is `64kb`. */
function formatSize(bytes: number): string {
  const power = [3, 2, 1].find((n) => bytes % 1024 ** n === 0) ?? 0;
  return `${bytes / 1024 ** power}${['b', 'kb', 'mb', 'gb'][power]}`;
}

function formatDuration(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000}m` : `${ms / 1000}s`;
}

function text(value: string): string {
  return value;
}

export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value))
    throw new InvalidArgumentError('Expected a number.');
  return value;
}

/** A flag without a value means true. A variable always has a value, which may be `false`. */
export function boolean(value: string | boolean): boolean {
  if (/^(true|1|yes|on)$/i.test(String(value))) return true;
  if (/^(false|0|no|off)$/i.test(String(value))) return false;
  throw new InvalidArgumentError('Expected true or false.');
}

export function list(text: string, previous: unknown): string[] {
  return [
    ...((previous as string[] | undefined) ?? []),
    ...text.split(',').map((item) => item.trim()),
  ];
}

export function textOrRegExp(text: string): string | RegExp {
  const value = readTextOrRegExp(text);
  if (value === undefined) throw new InvalidArgumentError(`Expected ${TEXT_OR_REGEXP}.`);
  return value;
}
