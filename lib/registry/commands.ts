/**
 * What the registry's calls may be given, and how it is read. Knows no gate.
 */
import {
  duration,
  expected,
  oneOf,
  readObject,
  text,
  type Duration,
  type Readers,
} from '../common/validate.ts';
import type { WaitLimits } from '../common/wait.ts';

export interface PauseCondition {
  /**
   * Do it only if this very pause goes on (its `pauseId`), or `none` does. Default: whatever there
   * is. For whoever must not end, or take part in, a pause that is not their own.
   */
  ifPause?: string | undefined;
}

export interface EnableOptions extends PauseCondition {
  /** How long this pause may last. Default: the app's `maxTime`. */
  maxTime?: Duration | undefined;
  /**
   * The pause ends by itself unless `enable` is called again with a lease within this time; then it
   * starts anew. Not beyond `maxTime`. 0 takes a lease off. Default none.
   */
  lease?: Duration | undefined;
  /**
   * `writes`: GET, HEAD, OPTIONS and TRACE pass, and a drain does not wait for them; every other method
   * is held. For migrations and backups during which reading may go on. The handshake of a WebSocket is
   * a GET, so it passes. A pause stays what it was begun as. Default: all requests are held.
   */
  only?: 'writes' | undefined;
  /** Why, for whoever looks at the status. At most 500 characters. */
  reason?: string | undefined;
}

export interface StopOptions extends PauseCondition {
  /**
   * How long the app stays stopped; then it resumes by itself once the backend answers. Default: until
   * `disable` or `enable`.
   */
  maxTime?: Duration | undefined;
  /** What clients are told. At most 500 characters. */
  message?: string | undefined;
}

export interface WaitOptions {
  /** How long to wait. Default: as long as it takes, or the pause lasts. */
  timeout?: Duration | undefined;
  /** Ends the wait; the promise rejects with its reason. */
  signal?: AbortSignal | undefined;
}

export interface DrainOptions extends WaitOptions {
  /**
   * With a `store`. `ignore`: processes that are not heard of any more have ended, as you know; neither
   * this drain nor a later one waits for them. Default: a drain is not done while one is missing that
   * may still send requests to the backend.
   */
  lost?: 'ignore' | undefined;
}

// Long enough for a sentence, short enough for every place that shows it.
export const MAX_TEXT = 500;

const condition = { ifPause: text(MAX_TEXT) };

const enableReaders: Readers<{
  maxTime?: number;
  lease?: number;
  only?: 'writes';
  reason?: string;
  ifPause?: string;
}> = {
  maxTime: duration({ min: 1 }),
  lease: duration(),
  only: oneOf('writes'),
  reason: text(MAX_TEXT),
  ...condition,
};
const disableReaders: Readers<{ ifPause?: string }> = condition;
const stopReaders: Readers<{ maxTime?: number; message?: string; ifPause?: string }> = {
  maxTime: duration({ min: 1 }),
  message: text(MAX_TEXT),
  ...condition,
};
const waitReaders: Readers<{ timeout?: number; signal?: AbortSignal }> = {
  timeout: duration(),
  signal: readSignal,
};
const drainReaders: Readers<{ timeout?: number; signal?: AbortSignal; lost?: 'ignore' }> = {
  ...waitReaders,
  lost: oneOf('ignore'),
};

// Each throws `ERR_ANTRACT_OPTION`. Durations are in milliseconds afterwards.
export const readEnable = (options: EnableOptions) => readObject('', options, enableReaders, {});
export const readDisable = (options: PauseCondition) => readObject('', options, disableReaders, {});
export const readStop = (options: StopOptions) => readObject('', options, stopReaders, {});

export function readLimits(options: WaitOptions): WaitLimits {
  const { timeout, signal } = readObject('', options, waitReaders, {});
  return { timeoutMs: timeout ?? Infinity, signal };
}

export function readDrain(options: DrainOptions): WaitLimits & { ignoresLost: boolean } {
  const { timeout, signal, lost } = readObject('', options, drainReaders, {});
  return { timeoutMs: timeout ?? Infinity, signal, ignoresLost: lost === 'ignore' };
}

function readSignal(name: string, value: unknown): AbortSignal {
  // No `instanceof`: it may be of another realm.
  const signal = value as Partial<AbortSignal> | null;
  if (typeof signal?.aborted === 'boolean' && typeof signal.addEventListener === 'function') {
    return value as AbortSignal;
  }
  throw expected(name, 'an AbortSignal', value);
}
