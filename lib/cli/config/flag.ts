/** One flag of `serve`: its names, how its value is parsed, and how its help shows the default. */
import { InvalidArgumentError, Option } from 'commander';
import { readTextOrRegExp, TEXT_OR_REGEXP } from './text-or-regexp.ts';

export interface Flag {
  /** Where its value goes in the configuration, such as `release.concurrency`. */
  readonly key: string;
  /** Such as `--release-concurrency`. */
  readonly long: string;
  /** Such as `ANTRACT_RELEASE_CONCURRENCY`. */
  readonly env: string;
  /**
   * Whether an empty variable counts as not set, as `VARIABLE=` in a compose file is meant. Not where
   * it says who may come in or where something is: there the default could be dangerous.
   */
  readonly mayBeEmpty: boolean;
  readonly isDuration: boolean;
  readonly option: Option;
}

/** What the values of flags that name a place are called in the help. */
const PLACES = ['<url>', '<address>', '<file>', '<path>'];

const DURATION = '<duration>';

type Parse = (text: string, previous: unknown) => unknown;

export const PREFIX = 'ANTRACT_';

export function flag(
  key: string,
  value: string,
  help: string,
  byDefault?: unknown,
  parse: Parse = text,
): Flag {
  const words = key
    .replaceAll('.', '-')
    .replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`);
  const long = `--${words}`;
  const env = `${PREFIX}${words.replaceAll('-', '_').toUpperCase()}`;
  const shown =
    byDefault === undefined ? help : `${help} (default: ${formatDefault(value, byDefault)})`;
  const option = new Option(`${long} ${value}`, shown).env(env).argParser(parse);
  const mayBeEmpty = !PLACES.includes(value);
  return { key, long, env, mayBeEmpty, isDuration: value === DURATION, option };
}

function formatDefault(value: string, byDefault: unknown): string {
  if (byDefault === Infinity) return 'no limit';
  return value === DURATION && byDefault !== 0
    ? formatDuration(Number(byDefault))
    : String(byDefault);
}

function formatDuration(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000}m` : `${ms / 1000}s`;
}

function text(given: string): string {
  return given;
}

export function number(given: string): number {
  const read = Number(given);
  if (given.trim() === '' || Number.isNaN(read))
    throw new InvalidArgumentError('Expected a number.');
  return read;
}

/** Without a value it is yes. From the environment there always is one, and it may be no. */
export function boolean(given: string | boolean): boolean {
  if (/^(true|1|yes|on)$/i.test(String(given))) return true;
  if (/^(false|0|no|off)$/i.test(String(given))) return false;
  throw new InvalidArgumentError('Expected true or false.');
}

export function list(given: string, previous: unknown): string[] {
  return [
    ...((previous as string[] | undefined) ?? []),
    ...given.split(',').map((item) => item.trim()),
  ];
}

export function textOrRegExp(given: string): string | RegExp {
  const read = readTextOrRegExp(given);
  if (read === undefined) throw new InvalidArgumentError(`Expected ${TEXT_OR_REGEXP}.`);
  return read;
}
