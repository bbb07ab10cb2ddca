/**
 * `during`: pause, drain, run, resume, whatever happens. Knows the registry's calls and no more.
 */
import { AntractError } from '../common/errors.ts';
import { formatMs } from '../common/format.js';
import type { CommandResult, DrainResult } from '../gate/status.ts';
import { MAX_TEXT, type DrainOptions, type PauseCondition } from './commands.ts';
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

export interface DuringOptions {
  /** How long the drain may take before `during` gives up. Default `30s`. */
  drainTimeout?: Duration | undefined;
  /** How long the pause may last. Default: the app's `maxTime`. */
  maxTime?: Duration | undefined;
  /** Why, for whoever looks at the status. */
  reason?: string | undefined;
  /** With a `store`: as for `drained()`. Default: `fn` is not run while a process is missing. */
  lost?: DrainOptions['lost'];
}

/** What the function that `during` runs is given. */
export interface MaintenanceWindow {
  /** Aborted when the pause ends before the function does: the backend gets requests again. */
  readonly signal: AbortSignal;
}

/** The part of a registry that it takes. */
export interface WindowCalls {
  enable(
    app: string,
    options: Pick<DuringOptions, 'maxTime' | 'reason'> & PauseCondition,
  ): Promise<CommandResult>;
  disable(app: string, condition: PauseCondition): Promise<unknown>;
  callingRequest(app: string): RequestLine | undefined;
  drainFor(
    caller: RequestLine | undefined,
    app: string,
    options: DrainOptions,
  ): Promise<DrainResult>;
  on(event: 'resumed' | 'stopped', listener: (event: { app: string }) => void): this;
  off(event: 'resumed' | 'stopped', listener: (event: { app: string }) => void): this;
}

const DEFAULT_DRAIN_TIMEOUT = 30_000;

interface WindowTerms {
  drainTimeout: number;
  maxTime?: number;
  reason?: string;
  lost?: 'ignore';
}

const readers: Readers<WindowTerms> = {
  drainTimeout: duration(),
  maxTime: duration({ min: 1 }),
  reason: text(MAX_TEXT),
  lost: oneOf('ignore'),
};

export async function runDuring<T>(
  registry: WindowCalls,
  app: string,
  fn: (window: MaintenanceWindow) => T | Promise<T>,
  options: DuringOptions,
): Promise<T> {
  func('(window) => any')('fn', fn);
  const defaults: WindowTerms = { drainTimeout: DEFAULT_DRAIN_TIMEOUT };
  const { drainTimeout: timeout, lost, ...terms } = readObject('', options, readers, defaults);
  // Not known any more after the first `await`.
  const caller = registry.callingRequest(app);
  const pause = await beginPause(registry, app, terms);
  try {
    const drain = await registry.drainFor(caller, app, { timeout, lost, signal: pause.signal });
    if (drain.outcome !== 'drained') throw drainError(app, drain);
    return await fn({ signal: pause.signal });
  } finally {
    await pause.end();
  }
}

interface WindowPause {
  /** Aborted when somebody else, or `maxTime`, ends the pause. */
  readonly signal: AbortSignal;
  end(): Promise<void>;
}

async function beginPause(
  registry: WindowCalls,
  app: string,
  options: Pick<DuringOptions, 'maxTime' | 'reason'>,
): Promise<WindowPause> {
  const { status } = await registry.enable(app, { ...options, ifPause: 'none' });
  const ended = new AbortController();
  const onEnd = (event: { app: string }): void => {
    if (event.app !== app) return;
    ended.abort(
      new AntractError(
        'ERR_ANTRACT_NOT_PAUSED',
        `The pause of app \`${app}\` was ended meanwhile.`,
        {
          status: 409,
        },
      ),
    );
  };
  registry.on('resumed', onEnd).on('stopped', onEnd);
  return {
    signal: ended.signal,
    async end() {
      registry.off('resumed', onEnd).off('stopped', onEnd);
      // Whoever ended it may have begun another pause, which is not ours to end.
      if (ended.signal.aborted) return;
      await registry.disable(app, { ifPause: status.pauseId ?? 'none' }).catch(ignoreEnded);
    },
  };
}

/** Another process may know of it first. */
function ignoreEnded(error: unknown): void {
  if (!(error instanceof AntractError && error.code === 'ERR_ANTRACT_NOT_PAUSED')) throw error;
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
        `App \`${app}\` did not drain: processes that are not heard of any more may still send requests ` +
        `to the backend: ${names.join(', ')}. Restart them, or set \`lost: 'ignore'\` if they have ended.`
      );
    }
    default:
      return `App \`${app}\` did not drain: ${outcome} meanwhile.`;
  }
}
