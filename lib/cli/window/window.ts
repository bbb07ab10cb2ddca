/**
 * The maintenance window of `antract run`: pause, drain, run the command, resume, and wait until the app
 * runs again.
 *
 * Whatever fails, the pause ends: by a call, or else by its lease.
 */
import { formatMs } from '../../common/format.js';
import type { Timer } from '../../common/clock.ts';
import type { Straggler } from '../../gate/in-flight.ts';
import { Child } from './child.ts';
import { CommandFailure, EXIT_DRAIN_TIMEOUT } from '../cli-error.ts';
import { LeasedPause } from './leased-pause.ts';
import { Progress } from '../client/progress.ts';
import { readSnapshot } from '../client/snapshot.ts';
import { exitAtOnce, throwIfInterrupted, type RunContext } from './run-context.ts';
import {
  endWindow,
  recordEarlyEnd,
  PauseLostError,
  resume,
  resumeUntilNextTry,
} from './window-end.ts';
import { StoreLostError, UnreachableError } from '../client/client-errors.ts';
import { missingText, nameAll, STORE_LOST_DRAIN } from '../format-status.ts';

/** How much longer than the requested wait the server may take to respond. */
const RESPONSE_MARGIN_MS = 10_000;
/** Why `--ignore-lost` does not replace the store here, although `antract drain` accepts it. */
const LEASE_NEEDS_STORE =
  '--ignore-lost does not help here, because no lease ends while the store is away.';
/** After a signal, the response to the first call is awaited for this long. */
const LAST_RESPONSE_MS = 1000;

/** @throws CommandFailure with the exit code, after the pause has been ended. */
export async function runWindow(context: RunContext): Promise<void> {
  const pause = await pauseAndDrain(context);
  try {
    await runCommand(context, pause);
  } catch (error) {
    await resume(context, pause);
    throw error;
  }
  await endWindow(context, pause);
}

// ---- Drain ------------------------------------------------------------------------------------

async function pauseAndDrain(context: RunContext): Promise<LeasedPause> {
  const { options, report } = context;
  for (;;) {
    throwIfInterrupted(context);
    const pause = await beginLeasedPause(context);
    report.drainTries++;
    const isLast = report.drainTries >= options.drainTries;
    let isDrained: boolean;
    try {
      isDrained = await drain(context, pause);
    } catch (error) {
      await resume(context, pause);
      throw error;
    }
    if (isDrained) return pause;
    if (isLast) {
      await resume(context, pause);
      throw notDrained(context);
    }
    reportNextTry(context);
    await resumeUntilNextTry(context, pause);
  }
}

/**
 * Only the response holds the id, without which the pause can't be ended. So after a signal the response
 * is awaited a little longer.
 */
async function beginLeasedPause(context: RunContext): Promise<LeasedPause> {
  const { options, client, clock, interruption, print } = context;
  const giveUp = new AbortController();
  let timer: Timer | undefined;
  const onInterrupt = (): void => {
    timer = clock.after(LAST_RESPONSE_MS, () => giveUp.abort(), { ref: true });
  };
  interruption.signal.addEventListener('abort', onInterrupt);
  try {
    const { signal } = giveUp;
    const pause = await LeasedPause.begin({ ...options, client, clock, print, signal });
    context.isDurable = pause.isDurable;
    return pause;
  } catch (error) {
    if (giveUp.signal.aborted) {
      const lease = formatMs(options.lease);
      print(`antract did not answer; if it has paused the app, the pause ends within ${lease}.`);
    }
    throwIfInterrupted(context);
    if (error instanceof UnreachableError && error.mayBeDone) {
      const lease = formatMs(options.lease);
      context.report.problems.push(
        `If antract has paused the app, the pause ends within ${lease}.`,
      );
    }
    throw error;
  } finally {
    interruption.signal.removeEventListener('abort', onInterrupt);
    timer?.cancel();
  }
}

/** Returns false if the drain took too long. */
async function drain(context: RunContext, pause: LeasedPause): Promise<boolean> {
  const { options, interruption, report, print } = context;
  const { app, drainTimeout, lost } = options;
  throwIfInterrupted(context);
  if (pause.isStoreLost) throw storeLost(context);
  print('paused; waiting until no request is in flight.');
  const progress = new Progress({ ...context, app });
  try {
    const { body } = await progress.wait(
      'drain',
      { app, wait: `${drainTimeout}ms`, lost },
      { timeout: drainTimeout + RESPONSE_MARGIN_MS, signal: interruption.signal },
    );
    const snapshot = body['drained'] === true ? progress.lastWithStragglers : readSnapshot(body);
    report.stragglers = snapshot?.stragglers ?? [];
    if (body['drained'] !== true) {
      const { missing, stragglers } = readSnapshot(body);
      // A retry would only hold requests again: the operator has to act first.
      if (missing.length > 0 && stragglers.length === 0) throw processMissing(context, missing);
      return false;
    }
  } catch (error) {
    throwIfInterrupted(context);
    if (!(error instanceof StoreLostError)) throw error;
    report.stragglers = readSnapshot(error.body).stragglers;
    throw storeLost(context);
  } finally {
    progress.stop();
  }
  // From here on the command relies on the pause, so check that it is still in force.
  if (!(await pause.check())) throw new PauseLostError(await recordEarlyEnd(context, pause));
  throwIfInterrupted(context);
  return true;
}

function reportNextTry({ options, report, print }: RunContext): void {
  const { drainTimeout, drainTries } = options;
  print(
    `not drained within ${formatMs(drainTimeout)}${stillInFlight(report.stragglers)}. ` +
      `Requests pass again until try ${report.drainTries + 1} of ${drainTries}.`,
  );
}

function stillInFlight(stragglers: readonly Straggler[]): string {
  return stragglers.length === 0 ? '' : `; still in flight: ${nameAll(stragglers)}`;
}

function notDrained({ options, report }: RunContext): CommandFailure {
  report.outcome = 'not drained';
  const { app, drainTries, drainTimeout } = options;
  const tries = drainTries === 1 ? '' : ` in any of ${drainTries} tries`;
  return new CommandFailure(
    `${app} did not drain within ${formatMs(drainTimeout)}${tries}${stillInFlight(report.stragglers)}.`,
    EXIT_DRAIN_TIMEOUT,
  );
}

function processMissing({ report }: RunContext, missing: readonly string[]): CommandFailure {
  report.outcome = 'not drained';
  return new CommandFailure(`Not drained: ${missingText(missing)}`, EXIT_DRAIN_TIMEOUT);
}

function storeLost({ report }: RunContext): CommandFailure {
  const { stragglers } = report;
  const waiting = stragglers.length === 0 ? '' : ` Still in flight: ${nameAll(stragglers)}.`;
  report.outcome = 'not drained';
  return new CommandFailure(
    `Not drained: ${STORE_LOST_DRAIN} ${LEASE_NEEDS_STORE}${waiting}`,
    EXIT_DRAIN_TIMEOUT,
    {
      code: 'ERR_ANTRACT_STORE_LOST',
    },
  );
}

// ---- The command ------------------------------------------------------------------------------

async function runCommand(context: RunContext, pause: LeasedPause): Promise<void> {
  const { options, clock, interruption, report, print } = context;
  print(`drained; running ${report.command}.`);
  const start = clock.now();
  const child = new Child({ ...context, ...options, outputToStderr: options.json });
  // With --tty the command owns the terminal, and may ask a question there.
  const progress = options.tty ? undefined : new Progress({ ...context, app: options.app });
  const onInterrupt = (): void => {
    const { name = 'SIGTERM' } = interruption;
    if (!options.tty) print(`${name}: ending the command; a second signal kills it.`);
    void child.end(name, options.killAfter);
  };
  const onLost = async (): Promise<void> => {
    print(`${await recordEarlyEnd(context, pause)} The command still runs.`);
  };
  interruption.onRepeat = (count) => (count === 2 ? child.kill() : exitAtOnce(context));
  interruption.signal.addEventListener('abort', onInterrupt);
  pause.lost.addEventListener('abort', () => void onLost());
  if (interruption.signal.aborted) onInterrupt();
  try {
    report.commandExitCode = await child.exited;
  } finally {
    interruption.signal.removeEventListener('abort', onInterrupt);
    interruption.onRepeat = () => exitAtOnce(context);
    progress?.stop();
  }
  report.commandMs = Math.round(clock.now() - start);
}
