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
import { delay, Progress } from '../progress.ts';
import { Unreachable } from '../client/admin-client.ts';
import { readSnapshot } from '../client/snapshot.ts';
import { leaveAtOnce, refuseWhenLeaving, type Window } from './window-context.ts';
import { endWindow, noteLost, PauseLost, resume } from './window-end.ts';
import { StoreLost } from '../store-lost.ts';
import { missingText, nameAll, STORE_LOST_DRAIN } from '../format-status.ts';

const ANSWER_TIME = 10_000;
/** How long an answer is waited for when somebody wants us to leave. */
const LAST_ANSWER = 1000;
/** How long people are let through before the next try, where the drain itself was given longer. */
const BREATHER = 5000;

/** @throws CommandFailure with the exit code, after everything that had to be undone was undone. */
export async function runWindow(window: Window): Promise<void> {
  const pause = await pauseAndDrain(window);
  try {
    await runCommand(window, pause);
  } catch (error) {
    await resume(window, pause);
    throw error;
  }
  await endWindow(window, pause);
}

// ---- Drain ------------------------------------------------------------------------------------

async function pauseAndDrain(window: Window): Promise<LeasedPause> {
  const { options, report } = window;
  for (;;) {
    refuseWhenLeaving(window);
    const pause = await beginPause(window);
    report.drainTries++;
    const isLast = report.drainTries >= options.drainTries;
    let isDrained = false;
    try {
      isDrained = await drain(window, pause);
      if (!isDrained && !isLast) sayNextTry(window);
    } finally {
      if (!isDrained) await resume(window, pause, isLast ? undefined : options.drainTimeout);
    }
    if (isDrained) return pause;
    if (isLast) throw notDrained(window);
    await letPeopleThrough(window);
  }
}

/** Only the answer tells the id by which a pause can be ended, so it gets a moment when we leave. */
async function beginPause(window: Window): Promise<LeasedPause> {
  const { options, client, clock, leaving, say } = window;
  const overdue = new AbortController();
  let timer: Timer | undefined;
  const onLeave = (): void => {
    timer = clock.after(LAST_ANSWER, () => overdue.abort(), { ref: true });
  };
  leaving.signal.addEventListener('abort', onLeave);
  try {
    const { signal } = overdue;
    const pause = await LeasedPause.begin({ ...options, client, clock, say, signal });
    window.hasStore = pause.hasStore;
    return pause;
  } catch (error) {
    if (overdue.signal.aborted) {
      const lease = formatMs(options.lease);
      say(`antract has not answered; a pause that it may have begun ends within ${lease}.`);
    }
    refuseWhenLeaving(window);
    if (error instanceof Unreachable && error.mayBeDone) {
      const lease = formatMs(options.lease);
      window.report.problems.push(`A pause that it may have begun ends within ${lease}.`);
    }
    throw error;
  } finally {
    leaving.signal.removeEventListener('abort', onLeave);
    timer?.cancel();
  }
}

/** False when it took too long. */
async function drain(window: Window, pause: LeasedPause): Promise<boolean> {
  const { options, leaving, report, say } = window;
  const { app, drainTimeout, lost } = options;
  refuseWhenLeaving(window);
  if (pause.isStoreLost) throw storeLost(window);
  say('paused; waiting until nothing is in flight.');
  const progress = new Progress({ ...window, app });
  try {
    const { body } = await progress.wait(
      'drain',
      { app, wait: `${drainTimeout}ms`, lost },
      { timeout: drainTimeout + ANSWER_TIME, signal: leaving.signal },
    );
    const waiting = body['drained'] === true ? progress.lastWaiting : readSnapshot(body);
    report.stragglers = waiting?.stragglers ?? [];
    if (body['drained'] !== true) {
      const { missing, stragglers } = readSnapshot(body);
      // Another try would only interrupt the traffic again: the operator has to act first.
      if (missing.length > 0 && stragglers.length === 0) throw processMissing(window, missing);
      return false;
    }
  } catch (error) {
    refuseWhenLeaving(window);
    if (!(error instanceof StoreLost)) throw error;
    report.stragglers = readSnapshot(error.body).stragglers;
    throw storeLost(window);
  } finally {
    progress.stop();
  }
  // The last moment to find out: from here on somebody relies on it.
  if (!(await pause.check())) throw new PauseLost(await noteLost(window, pause));
  refuseWhenLeaving(window);
  return true;
}

function sayNextTry({ options, report, say }: Window): void {
  const { drainTimeout, drainTries } = options;
  say(
    `not drained within ${formatMs(drainTimeout)}${inTheWay(report.stragglers)}; ` +
      `letting people through, then try ${report.drainTries + 1} of ${drainTries}.`,
  );
}

function inTheWay(stragglers: readonly Straggler[]): string {
  return stragglers.length === 0 ? '' : `; in the way: ${nameAll(stragglers)}`;
}

async function letPeopleThrough({ options, clock, leaving }: Window): Promise<void> {
  await delay(clock, Math.min(BREATHER, options.drainTimeout), leaving.signal);
}

function notDrained({ options, report }: Window): CommandFailure {
  report.outcome = 'not drained';
  const { app, drainTries, drainTimeout } = options;
  const tries = drainTries === 1 ? '' : ` in any of ${drainTries} tries`;
  return new CommandFailure(
    `${app} did not drain within ${formatMs(drainTimeout)}${tries}${inTheWay(report.stragglers)}.`,
    EXIT_DRAIN_TIMEOUT,
  );
}

function processMissing({ report }: Window, missing: readonly string[]): CommandFailure {
  report.outcome = 'not drained';
  return new CommandFailure(`Not drained: ${missingText(missing)}`, EXIT_DRAIN_TIMEOUT);
}

function storeLost({ report }: Window): CommandFailure {
  report.outcome = 'not drained';
  return new CommandFailure(
    `Not drained: ${STORE_LOST_DRAIN}${inTheWay(report.stragglers)}`,
    EXIT_DRAIN_TIMEOUT,
    { code: 'ERR_ANTRACT_STORE_LOST' },
  );
}

// ---- The command ------------------------------------------------------------------------------

async function runCommand(window: Window, pause: LeasedPause): Promise<void> {
  const { options, clock, leaving, report, say } = window;
  say(`drained; running ${report.command}.`);
  const start = clock.now();
  const child = new Child({ ...window, ...options, outputToStderr: options.json });
  // With --tty the terminal is the command's: it may be asking something.
  const progress = options.tty ? undefined : new Progress({ ...window, app: options.app });
  const onLeave = (): void => {
    const { name = 'SIGTERM' } = leaving;
    if (!options.tty) say(`${name}: ending the command; again kills it.`);
    void child.end(name, options.killAfter);
  };
  const onLost = async (): Promise<void> => {
    say(`${await noteLost(window, pause)} The command still runs.`);
  };
  leaving.onAgain = (times) => (times === 2 ? child.kill() : leaveAtOnce(window));
  leaving.signal.addEventListener('abort', onLeave);
  pause.lost.addEventListener('abort', () => void onLost());
  if (leaving.signal.aborted) onLeave();
  try {
    report.commandExitCode = await child.exited;
  } finally {
    leaving.signal.removeEventListener('abort', onLeave);
    leaving.onAgain = () => leaveAtOnce(window);
    progress?.stop();
  }
  report.commandMs = Math.round(clock.now() - start);
}
