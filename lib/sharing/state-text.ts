/**
 * The desired state as text in the store.
 *
 * The clocks of machines may be wrong, and all processes can see the clock of the store. So a time is
 * written on the clock of the store if it is known there, otherwise relative to the publication.
 */
import { parseActor } from '../gate/actor.ts';
import type { DesiredState } from '../gate/desired-state.ts';
import { PROTOCOL, type StoredState } from '../stores/store.ts';
import { protocolOf } from './protocol.ts';
import { isPlainObject } from '../common/validate.ts';

/** The process that wrote a state, and the number of its command. */
export interface Writer {
  readonly id: string;
  readonly command: number;
}

/** The record of one app, as this process reads it. */
export interface ReplicatedState {
  readonly version: number;
  /** With times on the clock of this process. */
  readonly state: DesiredState;
  readonly writer: Writer;
  /** The same times on the clock of the store. */
  readonly times: Times;
}

type Times = Pick<DesiredState, 'since' | 'until' | 'leaseEnd' | 'expectedEnd'>;

/** Milliseconds on the clock of the store, or after the publication; null means never. */
type WrittenTime = { readonly at: number } | { readonly in: number } | null;

/**
 * @param now on the clock of this process.
 * @param before the state that `next` was made from. It may have kept some of its times.
 */
export function serializeState(
  next: DesiredState,
  writer: Writer,
  now: number,
  before: ReplicatedState | undefined,
): string {
  const time = (name: keyof Times): WrittenTime => {
    if (next[name] === Infinity) return null;
    // Unchanged: converting it to another clock and back would make it drift with each renewal.
    if (before && next[name] === before.state[name]) return { at: before.times[name] };
    return { in: Math.round(next[name] - now) };
  };
  const { kind, leaseMs, pauseId, only, reason, message, by, endedBy } = next;
  const times = {
    since: time('since'),
    until: time('until'),
    leaseEnd: time('leaseEnd'),
    expectedEnd: time('expectedEnd'),
  };
  return JSON.stringify({
    protocol: PROTOCOL,
    kind,
    ...times,
    leaseMs,
    pauseId,
    only,
    reason,
    message,
    by,
    endedBy,
    writer,
  });
}

/** Returns undefined if the text is not a valid state: another version or program may have written it. */
export function parseState(stored: StoredState, now: number): ReplicatedState | undefined {
  const { version, value, at } = stored;
  const written = parse(value);
  if (!written) return undefined;
  const { kind, writer } = written;
  if (!isDesiredKind(kind) || !isWriter(writer)) return undefined;
  if (protocolOf(value) !== PROTOCOL) return undefined;
  const times: Times = {
    since: readTime(written['since'], at),
    until: readTime(written['until'], at),
    leaseEnd: readTime(written['leaseEnd'], at),
    // Older versions don't write it.
    expectedEnd: readTime(written['expectedEnd'], at),
  };
  const here = (time: number): number => time - stored.now + now;
  const pauseId = readText(written['pauseId']);
  if (kind === 'paused' && (pauseId === undefined || times.until === Infinity)) return undefined;
  const state: DesiredState = {
    kind,
    since: Number.isFinite(times.since) ? here(times.since) : now,
    until: here(times.until),
    leaseEnd: here(times.leaseEnd),
    expectedEnd: here(times.expectedEnd),
    leaseMs: typeof written['leaseMs'] === 'number' ? written['leaseMs'] : 0,
    pauseId,
    only: written['only'] === 'writes' ? 'writes' : undefined,
    reason: readText(written['reason']),
    message: readText(written['message']),
    by: parseActor(written['by']) ?? undefined,
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

function isDesiredKind(kind: unknown): kind is DesiredState['kind'] {
  return kind === 'running' || kind === 'paused' || kind === 'stopped';
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
