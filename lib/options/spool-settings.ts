/**
 * What users may set of a spool: types, defaults, and how they are read. Knows nothing of how a
 * setting is used.
 */
import { expected, integer, readObject, type Reader, type Readers } from '../common/validate.ts';

export interface SpoolOptions {
  /**
   * How much of a held request's body is kept in memory before the rest goes to a file: bytes, or a
   * string such as `'64kb'`. Default 64 KiB. With `maxQueue` requests held it bounds their memory.
   */
  memory?: number | string | undefined;
  /**
   * Where the temporary files are; made when the first is needed. Default: a directory of the
   * user's own below `os.tmpdir()`. Set it where that is small, or is itself in memory (tmpfs). A
   * directory to which every user can write is not used, unless it has the sticky bit.
   */
  directory?: string | undefined;
  /** The largest body that is held; beyond it 413. Bytes or a string. Default 1 GiB. */
  maxBody?: number | string | undefined;
  /**
   * How much an instance spools in all, in memory and on disk. Beyond it, and in the last 10 % of
   * the disk, requests stay held but are not read. Bytes or a string. Default 10 GiB.
   */
  maxTotal?: number | string | undefined;
}

export interface SpoolSettings {
  readonly memory: number;
  /** Undefined: the default, which is asked of the system only when it is needed. */
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
