/**
 * The maintenance window of `antract run`: pause, drain, run the command, resume, wait until the
 * backend answers. Knows no flag.
 *
 * However a step ends, the pause it began is ended: by a call, or else by its lease.
 */
import { formatMs } from '../../common/format.js';
import type { Timer } from '../../common/clock.ts';
import type { Straggler } from '../../gate/in-flight.ts';
import { Child } from './child.ts';
import { CommandFailure, EXIT_DRAIN_TIMEOUT } from '../cli-error.ts';
import { LeasedPause } from './leased-pause.ts';
import { delay } from '../delay.ts';
import { Progress } from '../client/progress.ts';
import { readSnapshot } from '../client/snapshot.ts';
import { exitAtOnce, throwIfInterrupted, type RunContext } from './run-context.ts';
import { endWindow, recordEarlyEnd, PauseLostError, resume } from './window-end.ts';
import { StoreLostError, UnreachableError } from '../client/client-errors.ts';
import { missingText, nameAll, STORE_LOST_DRAIN } from '../format-status.ts';

const ANSWER_TIME = 10_000;
/** How long an answer is waited for when somebody wants us to leave. */
const LAST_ANSWER = 1000;
/** How long people are let through before the next try, where the drain itself was given longer. */
const BREATHER = 5000;

/** @throws CommandFailure with the exit code, after everything that had to be undone was undone. */
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
    const pause = await beginPause(context);
    report.drainTries++;
    const isLast = report.drainTries >= options.drainTries;
    let isDrained = false;
    try {
      isDrained = await drain(context, pause);
      if (!isDrained && !isLast) reportNextTry(context);
    } finally {
      if (!isDrained) await resume(context, pause, isLast ? undefined : options.drainTimeout);
    }
    if (isDrained) return pause;
    if (isLast) throw notDrained(context);
    await waitBetweenDrains(context);
  }
}

/** Only the answer tells the id by which a pause can be ended, so it gets a moment when we leave. */
async function beginPause(context: RunContext): Promise<LeasedPause> {
  const { options, client, clock, interruption, print } = context;
  const overdue = new AbortController();
  let timer: Timer | undefined;
  const onInterrupt = (): void => {
    timer = clock.after(LAST_ANSWER, () => overdue.abort(), { ref: true });
  };
  interruption.signal.addEventListener('abort', onInterrupt);
  try {
    const { signal } = overdue;
    const pause = await LeasedPause.begin({ ...options, client, clock, print, signal });
    context.hasStore = pause.hasStore;
    return pause;
  } catch (error) {
    if (overdue.signal.aborted) {
      const lease = formatMs(options.lease);
      print(`antract has not answered; a pause that it may have begun ends within ${lease}.`);
    }
    throwIfInterrupted(context);
    if (error instanceof UnreachableError && error.mayBeDone) {
      const lease = formatMs(options.lease);
      context.report.problems.push(`A pause that it may have begun ends within ${lease}.`);
    }
    throw error;
  } finally {
    interruption.signal.removeEventListener('abort', onInterrupt);
    timer?.cancel();
  }
}

/** False when it took too long. */
async function drain(context: RunContext, pause: LeasedPause): Promise<boolean> {
  const { options, interruption, report, print } = context;
  const { app, drainTimeout, lost } = options;
  throwIfInterrupted(context);
  if (pause.isStoreLost) throw storeLost(context);
  print('paused; waiting until nothing is in flight.');
  const progress = new Progress({ ...context, app });
  try {
    const { body } = await progress.wait(
      'drain',
      { app, wait: `${drainTimeout}ms`, lost },
      { timeout: drainTimeout + ANSWER_TIME, signal: interruption.signal },
    );
    const waiting = body['drained'] === true ? progress.lastWaiting : readSnapshot(body);
    report.stragglers = waiting?.stragglers ?? [];
    if (body['drained'] !== true) {
      const { missing, stragglers } = readSnapshot(body);
      // Another try would only interrupt the traffic again: the operator has to act first.
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
  // The last moment to find out: from here on somebody relies on it.
  if (!(await pause.check())) throw new PauseLostError(await recordEarlyEnd(context, pause));
  throwIfInterrupted(context);
  return true;
}

function reportNextTry({ options, report, print }: RunContext): void {
  const { drainTimeout, drainTries } = options;
  print(
    `not drained within ${formatMs(drainTimeout)}${waitsForText(report.stragglers)}; ` +
      `letting people through, then try ${report.drainTries + 1} of ${drainTries}.`,
  );
}

function waitsForText(stragglers: readonly Straggler[]): string {
  return stragglers.length === 0 ? '' : `; in the way: ${nameAll(stragglers)}`;
}

async function waitBetweenDrains({ options, clock, interruption }: RunContext): Promise<void> {
  await delay(clock, Math.min(BREATHER, options.drainTimeout), interruption.signal);
}

function notDrained({ options, report }: RunContext): CommandFailure {
  report.outcome = 'not drained';
  const { app, drainTries, drainTimeout } = options;
  const tries = drainTries === 1 ? '' : ` in any of ${drainTries} tries`;
  return new CommandFailure(
    `${app} did not drain within ${formatMs(drainTimeout)}${tries}${waitsForText(report.stragglers)}.`,
    EXIT_DRAIN_TIMEOUT,
  );
}

function processMissing({ report }: RunContext, missing: readonly string[]): CommandFailure {
  report.outcome = 'not drained';
  return new CommandFailure(`Not drained: ${missingText(missing)}`, EXIT_DRAIN_TIMEOUT);
}

function storeLost({ report }: RunContext): CommandFailure {
  report.outcome = 'not drained';
  return new CommandFailure(
    `Not drained: ${STORE_LOST_DRAIN}${waitsForText(report.stragglers)}`,
    EXIT_DRAIN_TIMEOUT,
    { code: 'ERR_ANTRACT_STORE_LOST' },
  );
}

// ---- The command ------------------------------------------------------------------------------

async function runCommand(context: RunContext, pause: LeasedPause): Promise<void> {
  const { options, clock, interruption, report, print } = context;
  print(`drained; running ${report.command}.`);
  const start = clock.now();
  const child = new Child({ ...context, ...options, outputToStderr: options.json });
  // With --tty the terminal is the command's: it may be asking something.
  const progress = options.tty ? undefined : new Progress({ ...context, app: options.app });
  const onInterrupt = (): void => {
    const { name = 'SIGTERM' } = interruption;
    if (!options.tty) print(`${name}: ending the command; again kills it.`);
    void child.end(name, options.killAfter);
  };
  const onLost = async (): Promise<void> => {
    print(`${await recordEarlyEnd(context, pause)} The command still runs.`);
  };
  interruption.onRepeat = (times) => (times === 2 ? child.kill() : exitAtOnce(context));
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
