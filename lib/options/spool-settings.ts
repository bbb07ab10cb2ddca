/**
 * The `spool` option: types, defaults and readers.
 */
import { expected, integer, readObject, type Reader, type Readers } from '../common/validate.ts';

/** Where the bodies of held requests are kept. Sizes are bytes, or strings such as `'64kb'`. */
export interface SpoolOptions {
  /**
   * How much of a held request's body stays in memory; the rest goes to a file. While the disk is slow,
   * about 256 KiB more of each body wait in memory. The sum of both, multiplied by `maxQueue`, limits the
   * memory for held bodies.
   *
   * @default '64kb'
   */
  memory?: number | string | undefined;
  /**
   * The directory for the temporary files. It is created for the first file. Set it if the default is
   * small, or is itself in memory (tmpfs). antract doesn't use a directory to which every user can write,
   * unless it has the sticky bit.
   *
   * @default a directory of the user's own below `os.tmpdir()`
   */
  directory?: string | undefined;
  /**
   * The largest body that is held. A request with a larger one gets 413.
   *
   * @default '1gb'
   */
  maxBody?: number | string | undefined;
  /**
   * How much one instance spools in memory and on disk. Above it, or if less than 10 % of the disk is free,
   * requests stay held but their bodies are not read.
   *
   * @default '10gb'
   */
  maxTotal?: number | string | undefined;
}

export interface SpoolSettings {
  readonly memory: number;
  /** Undefined: the default, which is looked up only when it is needed. */
  readonly directory: string | undefined;
  readonly maxBody: number;
  readonly maxTotal: number;
}

const GIB = 1024 ** 3;

export const DEFAULT_SPOOL_SETTINGS: SpoolSettings = Object.freeze({
  memory: 64 * 1024,
  directory: undefined,
  maxBody: GIB,
  maxTotal: 10 * GIB,
});

const readers: Readers<SpoolSettings> = {
  memory: byteSize(),
  directory: readDirectory,
  maxBody: byteSize(),
  maxTotal: byteSize(),
};

/** Validates what a user passed as `spool`; throws `ERR_ANTRACT_OPTION`. */
export function readSpoolOptions(options: unknown = {}, prefix = 'spool.'): SpoolSettings {
  return readObject(prefix, options, readers, DEFAULT_SPOOL_SETTINGS);
}

const UNITS = ['b', 'kb', 'mb', 'gb', 'tb'];

/** Bytes, or a string such as `'64kb'`, `'64 KiB'` and `'1.5gb'`, in steps of 1,024. */
export function byteSize(): Reader<number> {
  const read = integer();
  return (name, value) => {
    const bytes = typeof value === 'string' ? fromText(value) : value;
    if (Number.isSafeInteger(bytes) && (bytes as number) >= 0) return read(name, bytes);
    throw expected(name, "a number of bytes, or a string such as '64kb'", value);
  };
}

function fromText(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([kmgt]?i?b)?$/i.exec(text.trim());
  if (!match) return undefined;
  const unit = (match[2] ?? 'b').toLowerCase().replace('i', '');
  return Math.floor(Number(match[1]) * 1024 ** UNITS.indexOf(unit));
}

function readDirectory(name: string, value: unknown): string {
  if (typeof value === 'string' && value.trim() !== '') return value;
  throw expected(name, 'a path', value);
}
