/**
 * How the file descriptors of this process are shared out, so that commands and releases work while
 * as many requests are held as the system allows.
 *
 * The system gives out the lowest free descriptor. So the number of a new one says how many are in use
 * at least, whoever uses them, and each kind of use ends below a number of its own.
 */
import { readFileSync } from 'node:fs';

export interface DescriptorLimits {
  /** All that this process may have. `Infinity` where that is not known. */
  readonly total: number;
  /** Connections of clients and spool files stay below this number. */
  readonly clients: number;
  /** Connections to backends stay below this number. */
  readonly backends: number;
  /** How many clients may have a connection beyond `clients`, to be answered 503 or to send a command. */
  readonly overflow: number;
}

const MIN_RESERVE = 32;
const MAX_RESERVE = 4096;

/**
 * A quarter of all is reserved. Of that, one quarter is for backends, one for the overflow, and one for
 * the rest of the process. The overflow is counted twice, because its connections may have numbers
 * below those of the backends as well as above.
 */
export function shareOut(total: number): DescriptorLimits {
  if (total === Infinity) return { total, clients: total, backends: total, overflow: total };
  const wanted = Math.min(MAX_RESERVE, Math.max(MIN_RESERVE, Math.floor(total / 4)));
  const reserve = Math.min(wanted, Math.floor(total / 2));
  return {
    total,
    clients: total - reserve,
    backends: total - reserve + Math.floor(reserve / 2),
    overflow: Math.floor(reserve / 4),
  };
}

/** Of this process, as its limit is now. Known on Linux alone. */
export function readDescriptorLimits(): DescriptorLimits {
  return shareOut(readLimit());
}

function readLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const [, soft] = /^Max open files +(\d+)/m.exec(limits) ?? [];
    return soft === undefined ? Infinity : Number(soft);
  } catch (error) {
    // Without a free descriptor the file can't be read, which doesn't mean that there is no limit.
    if (isOutOfDescriptors(error as Error)) throw error;
    return Infinity;
  }
}

/** The descriptor of a socket; undefined where there is none, as on Windows. */
export function descriptorOf(socket: object): number | undefined {
  const { _handle: handle } = socket as { _handle?: { fd?: unknown } | null };
  const fd = handle?.fd;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}

/** What the system says when there is no descriptor left, or ours when one is beyond a limit. */
export function outOfDescriptors(what: string): Error {
  return Object.assign(new Error(`EMFILE: too many open files, ${what}`), { code: 'EMFILE' });
}

const CODES = new Set<unknown>(['EMFILE', 'ENFILE']);

export function isOutOfDescriptors(error: Error): boolean {
  return CODES.has((error as NodeJS.ErrnoException).code);
}
