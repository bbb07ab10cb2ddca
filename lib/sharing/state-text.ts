/**
 * What was asked for, as the text that a store keeps. Pure: is given the time.
 *
 * Machines have clocks that are wrong, and the store has one that all of them see. So a time is written
 * by the store's clock: as such where that is known, else as counted from when this was published.
 */
import type { DesiredState } from '../gate/desired-state.ts';
import type { StoredState } from '../stores/store.ts';
import { isPlainObject } from '../common/validate.ts';

/** Who wrote it: a process, and which of its commands that was. */
export interface Writer {
  readonly id: string;
  readonly command: number;
}

/** What a store has of one app, as this process understands it. */
export interface ReplicatedState {
  readonly version: number;
  /** With times on this process's clock. */
  readonly state: DesiredState;
  readonly writer: Writer;
  /** The same times on the store's clock. */
  readonly times: Times;
}

type Times = Pick<DesiredState, 'since' | 'until' | 'leaseEnd'>;

/** Milliseconds on the store's clock; or from when it was published; null for never. */
type WrittenTime = { readonly at: number } | { readonly in: number } | null;

/**
 * @param now on this process's clock.
 * @param before what `next` was made from, whose times it may have kept.
 */
export function serializeState(
  next: DesiredState,
  writer: Writer,
  now: number,
  before: ReplicatedState | undefined,
): string {
  const time = (name: keyof Times): WrittenTime => {
    if (next[name] === Infinity) return null;
    // As it is: translated there and back it would drift with each renewal.
    if (before && next[name] === before.state[name]) return { at: before.times[name] };
    return { in: Math.round(next[name] - now) };
  };
  const { kind, leaseMs, pauseId, only, reason, message, endedBy } = next;
  const times = { since: time('since'), until: time('until'), leaseEnd: time('leaseEnd') };
  return JSON.stringify({
    kind,
    ...times,
    leaseMs,
    pauseId,
    only,
    reason,
    message,
    endedBy,
    writer,
  });
}

/** Undefined where it makes no sense here: another version may have written it, or a stranger. */
export function parseState(stored: StoredState, now: number): ReplicatedState | undefined {
  const { version, value, at } = stored;
  const written = parse(value);
  if (!written) return undefined;
  const { kind, writer } = written;
  if (!isDesiredKind(kind) || !isWriter(writer)) return undefined;
  const times: Times = {
    since: readTime(written['since'], at),
    until: readTime(written['until'], at),
    leaseEnd: readTime(written['leaseEnd'], at),
  };
  const here = (time: number): number => time - stored.now + now;
  const pauseId = readText(written['pauseId']);
  if (kind === 'paused' && (pauseId === undefined || times.until === Infinity)) return undefined;
  const state: DesiredState = {
    kind,
    since: Number.isFinite(times.since) ? here(times.since) : now,
    until: here(times.until),
    leaseEnd: here(times.leaseEnd),
    leaseMs: typeof written['leaseMs'] === 'number' ? written['leaseMs'] : 0,
    pauseId,
    only: written['only'] === 'writes' ? 'writes' : undefined,
    reason: readText(written['reason']),
    message: readText(written['message']),
    endedBy: readEnd(written['endedBy']),
  };
  return { version, state, writer, times };
}

function parse(value: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(value);
    return isPlainObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function readTime(written: unknown, publishedAt: number): number {
  if (!isPlainObject(written)) return Infinity;
  const { at, in: wait } = written;
  if (typeof at === 'number') return at;
  return typeof wait === 'number' ? publishedAt + wait : Infinity;
}

function isDesiredKind(intent: unknown): intent is DesiredState['kind'] {
  return intent === 'running' || intent === 'paused' || intent === 'stopped';
}

function isWriter(writer: unknown): writer is Writer {
  return (
    isPlainObject(writer) &&
    typeof writer['id'] === 'string' &&
    typeof writer['command'] === 'number'
  );
}

function readText(text: unknown): string | undefined {
  return typeof text === 'string' ? text : undefined;
}

function readEnd(end: unknown): DesiredState['endedBy'] {
  return end === 'maxTime' || end === 'lease' ? end : undefined;
}
