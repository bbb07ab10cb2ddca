/** Readers that validate options and turn them into settings, or throw an error that says what was expected. */
import ms, { type StringValue } from 'ms';
import { MAX_DELAY_MS } from './clock.ts';
import { AntractError } from './errors.ts';

/** Milliseconds, or a string with a unit for the `ms` package: `'30s'`, `'5m'`. */
export type Duration = number | string;

/** Returns the setting for `value`, or throws `ERR_ANTRACT_OPTION` with `name` in its message. */
export type Reader<T> = (name: string, value: unknown) => T;

/** One reader for each field of `T`. */
export type Readers<T> = { readonly [K in keyof T]-?: Reader<T[K]> };

export function expected(name: string, wanted: string, got: unknown): AntractError {
  return new AntractError(
    'ERR_ANTRACT_OPTION',
    `Expected \`${name}\` to be ${wanted}, got ${describeValue(got)}.`,
  );
}

/**
 * Reads an options object: each known name with its reader, and `undefined` as absent. Rejects any other name
 * and suggests the nearest known one. Neither keeps nor changes the caller's object.
 *
 * @param prefix the name of the object in messages, such as `release.`; empty at the top level.
 */
export function readObject<T extends object>(
  prefix: string,
  value: unknown,
  readers: Readers<T>,
  defaults: T,
): T {
  if (!isPlainObject(value)) {
    throw expected(prefix.replace(/\.$/, '') || 'options', 'an object', value);
  }
  const known = Object.keys(readers);
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) throw unknownName(prefix + name, name, known);
  }
  const result = { ...defaults };
  for (const name of known as (keyof T & string)[]) {
    const given = value[name];
    if (given !== undefined) result[name] = readers[name](prefix + name, given);
  }
  return result;
}

/** The error for an unknown name. It suggests the nearest known one. */
export function unknownName(
  shown: string,
  name: string,
  known: readonly string[],
  kind = 'option',
): AntractError {
  const suggestion = nearest(name, known);
  const hint = suggestion ? `Did you mean \`${suggestion}\`?` : `Known: ${known.join(', ')}.`;
  return new AntractError('ERR_ANTRACT_OPTION', `Unknown ${kind} \`${shown}\`. ${hint}`);
}

/**
 * The known name that differs by one wrong, missing or additional letter, or by two swapped letters. Ignores case
 * and punctuation.
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const given = new Set(spellings(name));
  return known.find((candidate) => spellings(candidate).some((spelling) => given.has(spelling)));
}

/** The letters and digits of a name, and each variant with one of them missing. */
function spellings(name: string): string[] {
  const plain = name.replace(/[^a-z0-9]/gi, '').toLowerCase();
  return [plain, ...Array.from(plain, (_, at) => plain.slice(0, at) + plain.slice(at + 1))];
}

interface DurationLimits {
  readonly min?: number;
  /** Whether `Infinity` is a duration. */
  readonly infinite?: boolean;
}

/** A duration of at least `min` from JavaScript code: milliseconds, or a string with a unit. */
export function duration({ min = 0, infinite = false }: DurationLimits = {}): Reader<number> {
  return (name, value) => {
    const read = typeof value === 'string' ? fromText(value) : value;
    if (infinite && read === Infinity) return Infinity;
    if (typeof read !== 'number' || Number.isNaN(read)) {
      const wanted = typeof value === 'string' ? WITH_UNIT : `milliseconds or ${WITH_UNIT}`;
      throw expected(name, wanted, value);
    }
    if (read >= min && read <= MAX_DELAY_MS) return read;
    throw expected(name, `a duration from ${min === 0 ? '0' : ms(min)} to 24 days`, value);
  };
}

const WITH_UNIT = "a duration with a unit, such as '30s' or '5m'";

/**
 * A duration from a flag, an environment variable, a file or a request. Most people read a bare number there as
 * seconds, so only 0 may have no unit.
 */
export function durationWithUnit(limits: DurationLimits = {}): Reader<number> {
  const read = duration(limits);
  return (name, value) => {
    if (typeof value === 'string' || value === 0) return read(name, value);
    throw expected(name, WITH_UNIT, value);
  };
}

// `ms` reads a bare number as milliseconds. For invalid text it returns undefined or NaN, which fail the
// comparison above.
function fromText(text: string): number | undefined {
  if (text === '0') return 0;
  return /^.{0,99}[a-z]$/i.test(text) ? ms(text as StringValue) : undefined;
}

export function integer({ min = 0, infinite = false } = {}): Reader<number> {
  return (name, value) => {
    if (infinite && value === Infinity) return Infinity;
    if (Number.isSafeInteger(value) && (value as number) >= min) return value as number;
    throw expected(name, `a whole number of at least ${min}`, value);
  };
}

export function positive(): Reader<number> {
  return (name, value) => {
    if (typeof value === 'number' && value > 0) return value;
    throw expected(name, 'a number above 0', value);
  };
}

export const boolean: Reader<boolean> = (name, value) => {
  if (typeof value === 'boolean') return value;
  throw expected(name, 'true or false', value);
};

export function oneOf<const T extends string>(...choices: T[]): Reader<T> {
  return (name, value) => {
    if (choices.includes(value as T)) return value as T;
    throw expected(name, choices.map((choice) => `'${choice}'`).join(' or '), value);
  };
}

/** Printable text of at most `max` characters. */
export function text(max: number): Reader<string> {
  return (name, value) => {
    if (typeof value === 'string' && value.length <= max && /^\P{Cc}*$/u.test(value)) return value;
    throw expected(name, `printable text of at most ${max} characters`, value);
  };
}

export function func<T>(signature: string): Reader<T> {
  return (name, value) => {
    if (typeof value === 'function') return value as T;
    throw expected(name, `a function ${signature}`, value);
  };
}

/**
 * Copies a RegExp without `g` and `y`: with either flag, `test()` continues where it stopped, so that the same
 * string matches only every other time.
 */
export function stringOrRegExp(
  wanted = 'a string that is not empty, or a RegExp',
): Reader<string | RegExp> {
  return (name, value) => {
    if (typeof value === 'string' && value !== '') return value;
    if (value instanceof RegExp) return new RegExp(value.source, value.flags.replace(/[gy]/g, ''));
    throw expected(name, wanted, value);
  };
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value for an error message: short, and without credentials. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') {
    const shown = withoutCredentials(value);
    return `'${shown.length > 60 ? `${shown.slice(0, 60)}…` : shown}'`;
  }
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}

/** Removes the user name and password from a URL, so that they are not logged. */
export function withoutCredentials(text: string): string {
  return text.replace(/^([a-z][a-z\d+.-]*:\/*|\/\/)?\S*@/i, '$1…@');
}
