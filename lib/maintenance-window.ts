/**
 * `during`: pause, drain, run, resume, whatever happens. Knows the registry's calls and no more.
 */
import { AntractError } from './errors.ts';
import type { CommandResult, DrainResult } from './status.ts';
import { MAX_TEXT, type PauseCondition } from './commands.ts';
import type { RequestLine } from './request.ts';
import { duration, func, readObject, text, type Duration, type Readers } from './validate.ts';

export interface DuringOptions {
  /** How long the drain may take before `during` gives up. Default `30s`. */
  drainTimeout?: Duration | undefined;
  /** How long the pause may last. Default: the app's `maxTime`. */
  maxTime?: Duration | undefined;
  /** Why, for whoever looks at the status. */
  reason?: string | undefined;
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
    options: { timeout: number; signal: AbortSignal },
  ): Promise<DrainResult>;
  on(event: 'resumed' | 'stopped', listener: (event: { app: string }) => void): this;
  off(event: 'resumed' | 'stopped', listener: (event: { app: string }) => void): this;
}

const DEFAULT_DRAIN_TIMEOUT = 30_000;

const readers: Readers<{ drainTimeout: number; maxTime?: number; reason?: string }> = {
  drainTimeout: duration(),
  maxTime: duration({ min: 1 }),
  reason: text(MAX_TEXT),
};

export async function runDuring<T>(
  registry: WindowCalls,
  app: string,
  fn: (window: MaintenanceWindow) => T | Promise<T>,
  options: DuringOptions,
): Promise<T> {
  func('(window) => any')('fn', fn);
  const defaults = { drainTimeout: DEFAULT_DRAIN_TIMEOUT };
  const { drainTimeout: timeout, ...terms } = readObject('', options, readers, defaults);
  // Not known any more after the first `await`.
  const caller = registry.callingRequest(app);
  const pause = await beginPause(registry, app, terms);
  try {
    const drain = await registry.drainFor(caller, app, { timeout, signal: pause.signal });
    if (drain.outcome !== 'drained') throw drainError(app, drain);
    return await fn({ signal: pause.signal });
  } finally {
    await pause.end();
  }
}

interface OwnPause {
  /** Aborted when somebody else, or `maxTime`, ends the pause. */
  readonly signal: AbortSignal;
  end(): Promise<void>;
}

async function beginPause(
  registry: WindowCalls,
  app: string,
  options: Pick<DuringOptions, 'maxTime' | 'reason'>,
): Promise<OwnPause> {
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

function drainError(app: string, { outcome, waitedMs, stragglers }: DrainResult): AntractError {
  const names = stragglers.map(({ method, path, ageMs }) => `${method} ${path} (${ageMs} ms)`);
  return new AntractError(
    'ERR_ANTRACT_DRAIN_TIMEOUT',
    outcome === 'timeout'
      ? `App \`${app}\` did not drain within ${waitedMs} ms; still in flight: ${names.join(', ')}. ` +
          'If one of these requests called `during()`, it waits for itself: answer it first, or let it bypass the pause.'
      : `App \`${app}\` did not drain: ${outcome} meanwhile.`,
    { status: 504 },
  );
}
