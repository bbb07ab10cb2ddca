/**
 * `during()`: pause, wait for the drain, run a function, resume in any case.
 */
import { AntractError } from '../common/errors.ts';
import { formatMs } from '../common/format.js';
import type { RequestLine } from '../common/request.ts';
import {
  duration,
  func,
  oneOf,
  readObject,
  text,
  type Duration,
  type Readers,
} from '../common/validate.ts';
import type { CommandResult, DrainResult } from '../gate/status.ts';
import { MAX_TEXT, type DrainOptions, type PauseCondition } from './command-options.ts';

/** Options of `during`. */
export interface DuringOptions {
  /**
   * How long the drain may take, in milliseconds or as `'30s'`. Then `during` resumes the app and throws.
   *
   * @default '30s'
   */
  drainTimeout?: Duration | undefined;
  /**
   * How long the pause may last, in milliseconds or as `'10m'`. Minimum 1 ms.
   *
   * @default the app's `maxTime`
   */
  maxTime?: Duration | undefined;
  /**
   * How long you expect the pause to last, as for `enable()`.
   *
   * @default none
   */
  expect?: Duration | undefined;
  /** Why the app is paused; shown in the status. At most 500 characters. */
  reason?: string | undefined;
  /**
   * As for `waitForDrain()`.
   *
   * @default `fn` is not run while a process is missing
   */
  lost?: DrainOptions['lost'];
}

/** The argument of the function that `during` runs. */
export interface MaintenanceWindow {
  /** Aborted if the pause ends before the function does: the backend then receives requests again. */
  readonly signal: AbortSignal;
}

/** The methods of the registry that `during` uses. */
interface WindowCalls {
  enable(app: string, options: WindowPauseTerms & PauseCondition): Promise<CommandResult>;
  disable(app: string, condition: PauseCondition): Promise<unknown>;
  on(event: 'resumed' | 'stopped', listener: (event: { app: string }) => void): this;
  off(event: 'resumed' | 'stopped', listener: (event: { app: string }) => void): this;
}

interface WindowDrains {
  callingRequest(app: string): RequestLine | undefined;
  waitFor(
    caller: RequestLine | undefined,
    app: string,
    options: DrainOptions,
  ): Promise<DrainResult>;
}

const DEFAULT_DRAIN_TIMEOUT = 30_000;

type WindowPauseTerms = Pick<DuringOptions, 'maxTime' | 'expect' | 'reason'>;

interface WindowTerms {
  drainTimeout: number;
  maxTime?: number;
  expect?: number;
  reason?: string;
  lost?: 'ignore';
}

const readers: Readers<WindowTerms> = {
  drainTimeout: duration(),
  maxTime: duration({ min: 1 }),
  expect: duration(),
  reason: text(MAX_TEXT),
  lost: oneOf('ignore'),
};

export async function runDuring<T>(
  calls: WindowCalls,
  drains: WindowDrains,
  app: string,
  fn: (window: MaintenanceWindow) => T | Promise<T>,
  options: DuringOptions,
): Promise<T> {
  func('(window) => any')('fn', fn);
  const defaults: WindowTerms = { drainTimeout: DEFAULT_DRAIN_TIMEOUT };
  const { drainTimeout: timeout, lost, ...terms } = readObject('', options, readers, defaults);
  // Only known before the first `await`.
  const caller = drains.callingRequest(app);
  const pause = await beginPause(calls, app, terms);
  try {
    const drain = await drains.waitFor(caller, app, { timeout, lost, signal: pause.signal });
    if (drain.outcome !== 'drained') throw drainError(app, drain);
    return await fn({ signal: pause.signal });
  } finally {
    await pause.end();
  }
}

interface WindowPause {
  /** Aborted when `maxTime`, or another command, ends the pause. */
  readonly signal: AbortSignal;
  end(): Promise<void>;
}

async function beginPause(
  calls: WindowCalls,
  app: string,
  terms: WindowPauseTerms,
): Promise<WindowPause> {
  const { status } = await calls.enable(app, { ...terms, ifPause: 'none' });
  const ended = new AbortController();
  const onEnd = (event: { app: string }): void => {
    if (event.app === app) ended.abort(pauseEnded(app));
  };
  calls.on('resumed', onEnd).on('stopped', onEnd);
  return {
    signal: ended.signal,
    async end() {
      calls.off('resumed', onEnd).off('stopped', onEnd);
      // Another operator may have begun a pause since, which `during` must not end.
      if (ended.signal.aborted) return;
      await calls.disable(app, { ifPause: status.pauseId ?? 'none' }).catch(ignoreNotPaused);
    },
  };
}

/** Another process may have seen the end of the pause first. */
function ignoreNotPaused(error: unknown): void {
  if (!(error instanceof AntractError && error.code === 'ERR_ANTRACT_NOT_PAUSED')) throw error;
}

function pauseEnded(app: string): AntractError {
  return new AntractError(
    'ERR_ANTRACT_NOT_PAUSED',
    `The pause of app \`${app}\` ended before the function of \`during()\` did.`,
    { status: 409 },
  );
}

function drainError(app: string, drain: DrainResult): AntractError {
  return new AntractError('ERR_ANTRACT_DRAIN_TIMEOUT', drainErrorText(app, drain), { status: 504 });
}

function drainErrorText(app: string, { outcome, waitedMs, ...left }: DrainResult): string {
  switch (outcome) {
    case 'timeout': {
      const names = left.stragglers.map(
        ({ method, path, ageMs }) => `${method} ${path} (${formatMs(ageMs)})`,
      );
      return (
        `App \`${app}\` did not drain within ${formatMs(waitedMs)}; still in flight: ${names.join(', ')}. ` +
        'If one of these requests called `during()`, it waits for itself: answer it first, or let it bypass the pause.'
      );
    }
    case 'lost': {
      if (left.store === 'lost') {
        return (
          `App \`${app}\` did not drain: the store does not answer, so other processes may still send ` +
          "requests to the backend. Try again when it does, or set `lost: 'ignore'` if no other process runs."
        );
      }
      const names = (left.missing ?? []).map(
        ({ host, pid, silentForMs }) => `${pid} on ${host} (${formatMs(silentForMs)})`,
      );
      return (
        `App \`${app}\` did not drain: processes that no longer report may still send requests ` +
        `to the backend: ${names.join(', ')}. Restart them, or set \`lost: 'ignore'\` if they have ended.`
      );
    }
    default:
      return `App \`${app}\` did not drain: ${outcome === 'closed' ? 'antract was closed' : 'the app was resumed'} first.`;
  }
}
