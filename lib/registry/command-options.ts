/**
 * The options of the registry's methods, and their validation.
 */
import {
  duration,
  expected,
  isPlainObject,
  oneOf,
  readObject,
  text,
  type Duration,
  type Readers,
} from '../common/validate.ts';
import type { WaitLimits } from '../common/wait.ts';
import { readActor, type Actor } from '../gate/actor.ts';

/** Limits a command to one pause. */
export interface PauseCondition {
  /**
   * Who gives the command, such as `ada@laptop`; shown in the status, in events and in the log. At most 100
   * characters.
   *
   * @default unknown
   */
  by?: string | Partial<Actor> | undefined;
  /**
   * The `pauseId` of a pause: the command is carried out only while that pause lasts. `none`: only while
   * the app runs. Otherwise the command throws and changes nothing. So you never end or join the pause of
   * another operator.
   *
   * @default no condition
   */
  ifPause?: string | undefined;
}

/** Options of `enable`. */
export interface EnableOptions extends PauseCondition {
  /**
   * How long this pause may last, in milliseconds or as `'30s'`. Minimum 1 ms.
   *
   * @default the app's `maxTime`
   */
  maxTime?: Duration | undefined;
  /**
   * The pause ends by itself unless you call `enable` with a lease again within this time. Each call
   * restarts the time. A lease never extends a pause beyond its `maxTime`. 0 removes the lease.
   *
   * @default no lease
   */
  lease?: Duration | undefined;
  /**
   * How long you expect the pause to last from now. Clients see it in `Retry-After`, operators in the
   * status. It does not end the pause. 0 removes an earlier value.
   *
   * @default none
   */
  expect?: Duration | undefined;
  /**
   * `writes`: requests with the method GET, HEAD, OPTIONS or TRACE pass, and a drain does not wait for
   * them. All other requests are held. Use it for migrations and backups that allow reading. The handshake
   * of a WebSocket is a GET request, so it passes. With `ifPause`, it also limits a pause of all requests
   * to writes; the reverse is not possible.
   *
   * @default all requests are held
   */
  only?: 'writes' | undefined;
  /** Why the app is paused; shown in the status. At most 500 characters. */
  reason?: string | undefined;
}

/** Options of `stop`. */
export interface StopOptions extends PauseCondition {
  /**
   * How long the app stays stopped, in milliseconds or as `'10m'`. Minimum 1 ms. Then the app resumes, and
   * requests reach the backend again once it answers.
   *
   * @default until `disable` or `enable`
   */
  maxTime?: Duration | undefined;
  /**
   * How long you expect the stop to last from now, as for `enable`.
   *
   * @default none
   */
  expect?: Duration | undefined;
  /** The message in the responses to clients. At most 500 characters. */
  message?: string | undefined;
}

/** Options of the methods that wait. */
export interface WaitOptions {
  /**
   * How long to wait, in milliseconds or as `'30s'`. Then the outcome is `timeout`.
   *
   * @default no limit
   */
  timeout?: Duration | undefined;
  /** Ends the wait when it is aborted. The promise rejects with the reason of the signal. */
  signal?: AbortSignal | undefined;
}

/** Options of `waitForDrain`. */
export interface DrainOptions extends WaitOptions {
  /**
   * Needs a `store`. `ignore`: you know that all processes that no longer report have ended. Neither this
   * drain nor a later one waits for them.
   *
   * @default the outcome is `lost` while a process is missing that may still send requests to the backend
   */
  lost?: 'ignore' | undefined;
}

/** The limit of a `by` that a program gives. */
const MAX_BY = 100;

/** The limit of `reason` and `message`: enough for a sentence that fits every place that shows it. */
export const MAX_TEXT = 500;

interface CommandContext {
  ifPause?: string;
  by?: Actor;
}

const context: Readers<CommandContext> = { ifPause: text(MAX_TEXT), by: readBy };

interface EnableTerms extends CommandContext {
  maxTime?: number;
  lease?: number;
  expect?: number;
  only?: 'writes';
  reason?: string;
}

const enableReaders: Readers<EnableTerms> = {
  maxTime: duration({ min: 1 }),
  lease: duration(),
  expect: duration(),
  only: oneOf('writes'),
  reason: text(MAX_TEXT),
  ...context,
};
const stopReaders: Readers<
  CommandContext & { maxTime?: number; expect?: number; message?: string }
> = {
  maxTime: duration({ min: 1 }),
  expect: duration(),
  message: text(MAX_TEXT),
  ...context,
};
const waitReaders: Readers<{ timeout?: number; signal?: AbortSignal }> = {
  timeout: duration(),
  signal: readSignal,
};
const drainReaders: Readers<{ timeout?: number; signal?: AbortSignal; lost?: 'ignore' }> = {
  ...waitReaders,
  lost: oneOf('ignore'),
};

// Each throws `ERR_ANTRACT_OPTION` and returns durations in milliseconds.
export const readEnable = (options: EnableOptions) => readObject('', options, enableReaders, {});
export const readDisable = (options: PauseCondition) => readObject('', options, context, {});
export const readStop = (options: StopOptions) => readObject('', options, stopReaders, {});

export function readWait(options: WaitOptions): WaitLimits {
  const { timeout, signal } = readObject('', options, waitReaders, {});
  return { timeoutMs: timeout ?? Infinity, signal };
}

export function readDrain(options: DrainOptions): WaitLimits & { ignoresLost: boolean } {
  const { timeout, signal, lost } = readObject('', options, drainReaders, {});
  return { timeoutMs: timeout ?? Infinity, signal, ignoresLost: lost === 'ignore' };
}

/** The parts of an actor are shortened, because clients choose them. */
function readBy(name: string, value: unknown): Actor | undefined {
  if (typeof value === 'string') return readActor({ name: text(MAX_BY)(name, value) }) ?? undefined;
  if (isPlainObject(value)) return readActor(value) ?? undefined;
  throw expected(name, 'text', value);
}

function readSignal(name: string, value: unknown): AbortSignal {
  // Not `instanceof`: the signal may come from another realm.
  const signal = value as Partial<AbortSignal> | null;
  if (typeof signal?.aborted === 'boolean' && typeof signal.addEventListener === 'function') {
    return value as AbortSignal;
  }
  throw expected(name, 'an AbortSignal', value);
}
