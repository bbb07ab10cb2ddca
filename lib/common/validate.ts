/**
 * Readers that turn what somebody passed in into what the code can trust, or say what was expected.
 * The only room that knows `ms`. Knows no option by name.
 */
import ms, { type StringValue } from 'ms';
import { MAX_DELAY_MS } from './clock.ts';
import { AntractError } from './errors.ts';

/** Milliseconds, or a string with a unit, which the `ms` package reads: `'30s'`, `'5m'`. */
export type Duration = number | string;

/** Returns what `value` means, or throws `ERR_ANTRACT_OPTION` naming `name`. */
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
 * Reads a whole options object: every known name through its reader, `undefined` as absent, any
 * other name refused with the one that was probably meant. The caller's object is neither kept nor
 * changed.
 *
 * @param prefix what the object is called in messages, such as `release.`; empty at the top.
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

/** The error for a name that does not exist, with the one that was probably meant. */
export function unknownName(
  shown: string,
  name: string,
  known: readonly string[],
  kind = 'option',
): AntractError {
  const meant = nearest(name, known);
  const hint = meant ? `Did you mean \`${meant}\`?` : `Known: ${known.join(', ')}.`;
  return new AntractError('ERR_ANTRACT_OPTION', `Unknown ${kind} \`${shown}\`. ${hint}`);
}

/**
 * The one that was probably meant: the same but for a letter that is wrong, missing or too many, or
 * two that are swapped. Case and punctuation don't count.
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const given = new Set(spellings(name));
  return known.find((candidate) => spellings(candidate).some((one) => given.has(one)));
}

/** The letters and digits of a name, and those that are left when any one of them is missing. */
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
 * A duration from anywhere but JavaScript code: a flag, a variable, a file, a request. There most
 * people take a bare number for seconds, so only 0 may be one.
 */
export function durationWithUnit(limits: DurationLimits = {}): Reader<number> {
  const read = duration(limits);
  return (name, value) => {
    if (typeof value === 'string' || value === 0) return read(name, value);
    throw expected(name, WITH_UNIT, value);
  };
}

// `ms` takes a bare number for milliseconds; for what it can't read it says undefined or NaN, which
// fail the comparison above.
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
 * A RegExp is copied without `g` and `y`: with either, `test()` remembers where it stopped, so that
 * the same string matches only every other time.
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

/** What was given, for a message: short, and without a password. */
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

/** What stands before the `@` of anything like a URL, which a log is no place for. */
export function withoutCredentials(text: string): string {
  return text.replace(/^([a-z][a-z\d+.-]*:\/*|\/\/)?\S*@/i, '$1…@');
}
