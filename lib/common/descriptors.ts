/**
 * Divides the file descriptors of this process, so that commands and releases work while the process holds as
 * many requests as the system allows.
 *
 * The system assigns the lowest free descriptor. So the number of a new descriptor shows how many are in use at
 * least, and each kind of use is limited to descriptors below a number.
 */
import { readFileSync } from 'node:fs';

export interface DescriptorLimits {
  /** The limit of this process; `Infinity` if it is unknown. */
  readonly total: number;
  /** Client connections and spool files use descriptors below this number. */
  readonly clients: number;
  /** Connections to backends use descriptors below this number. */
  readonly backends: number;
  /** How many clients may be connected beyond `clients`, to get 503 or to send a command. */
  readonly overflow: number;
}

const MIN_RESERVE = 32;
const MAX_RESERVE = 4096;

/**
 * Reserves a quarter of all descriptors. One quarter of the reserve is for backends, one for the overflow, and
 * one for the rest of the process. The overflow counts twice, because its descriptors may be lower or higher
 * than those of the backends.
 */
export function divideDescriptors(total: number): DescriptorLimits {
  if (total === Infinity) return { total, clients: total, backends: total, overflow: total };
  const quarter = Math.min(MAX_RESERVE, Math.max(MIN_RESERVE, Math.floor(total / 4)));
  const reserve = Math.min(quarter, Math.floor(total / 2));
  return {
    total,
    clients: total - reserve,
    backends: total - reserve + Math.floor(reserve / 2),
    overflow: Math.floor(reserve / 4),
  };
}

/** The limits of this process now. Known only on Linux. */
export function readDescriptorLimits(): DescriptorLimits {
  return divideDescriptors(readLimit());
}

function readLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const [, soft] = /^Max open files +(\d+)/m.exec(limits) ?? [];
    return soft === undefined ? Infinity : Number(soft);
  } catch (error) {
    // The file can't be read without a free descriptor, which doesn't mean that there is no limit.
    if (isOutOfDescriptors(error as Error)) throw error;
    return Infinity;
  }
}

/** The descriptor of a socket; undefined if it has none, as on Windows. */
export function descriptorOf(socket: object): number | undefined {
  const { _handle: handle } = socket as { _handle?: { fd?: unknown } | null };
  const fd = handle?.fd;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}

/** The error of the system when no descriptor is left, for a descriptor beyond one of the limits. */
export function outOfDescriptors(what: string): Error {
  return Object.assign(new Error(`EMFILE: too many open files, ${what}`), { code: 'EMFILE' });
}

const CODES = new Set<unknown>(['EMFILE', 'ENFILE']);

export function isOutOfDescriptors(error: Error): boolean {
  return CODES.has((error as NodeJS.ErrnoException).code);
}
