/**
 * How a maintenance window ends: its pause is ended, waited out, and reported.
 */
import { formatMs } from '../../common/format.js';
import { CommandFailure, EXIT_FAILED } from '../cli-error.ts';
import { Unreachable } from '../client/admin-client.ts';
import { StoreLost } from '../store-lost.ts';
import { goneText, type End, type LeasedPause } from './leased-pause.ts';
import { addPause, askForReport, askNow, whyEnded } from './run-report.ts';
import { PausedAgain, waitUntilBack } from './wait-until-back.ts';
import { isHealthTimeout, refuseWhenLeaving, type Window } from './window-context.ts';

/** The pause has ended, and this run did not end it. */
export class PauseLost extends CommandFailure {
  constructor(message: string) {
    super(message, EXIT_FAILED, { code: 'ERR_ANTRACT_PAUSE_LOST' });
  }
}

export async function endWindow(window: Window, pause: LeasedPause): Promise<void> {
  const { options, report } = window;
  const commandCode = report.commandExitCode ?? EXIT_FAILED;
  if (window.leaving.name !== undefined) {
    await resume(window, pause);
    refuseWhenLeaving(window);
  }
  if (commandCode !== 0) {
    report.outcome = 'command failed';
    if (options.onFailure === 'resume') await resume(window, pause);
    else await stopOrKeep(window, pause, options.onFailure);
    throw new CommandFailure(`${report.command} failed.`, commandCode, {
      code: 'ERR_ANTRACT_COMMAND_FAILED',
    });
  }
  const end = await pause.resume();
  await noteEnd(window, pause, end);
  if (end !== 'done') {
    await collectReport(window, pause);
    report.outcome = 'pause lost';
    const maybe = end === 'ended before' ? 'not' : 'maybe not';
    const done = `${report.command} was done, but ${maybe} all of it within the pause.`;
    throw new PauseLost([...report.problems, done].join(' '));
  }
  try {
    await waitForBackend(window);
  } finally {
    await collectReport(window, pause);
  }
  report.outcome = 'done';
}

/**
 * Ends the pause and waits until clients are served again, so that the report covers that time too.
 * Never fails: what goes wrong is noted, and the lease does the rest.
 */
export async function resume(
  window: Window,
  pause: LeasedPause,
  patience: number = window.options.probeTimeout,
): Promise<void> {
  const end = await pause.resume();
  await noteEnd(window, pause, end);
  if (end === 'done' && !pause.isStoreLost) await waitWhileReleasing(window, patience);
  await collectReport(window, pause);
}

async function waitWhileReleasing(window: Window, patience: number): Promise<void> {
  const { options, leaving } = window;
  if (leaving.name !== undefined) return;
  try {
    await waitUntilBack({ ...window, app: options.app }, patience, leaving.signal);
  } catch (error) {
    if (leaving.name === undefined && !(error instanceof CommandFailure)) throw error;
  }
}

async function waitForBackend(window: Window): Promise<void> {
  const { options, leaving, report, say } = window;
  say('resumed; waiting until those held are out.');
  try {
    await waitUntilBack({ ...window, app: options.app }, options.probeTimeout, leaving.signal);
  } catch (error) {
    refuseWhenLeaving(window);
    if (isHealthTimeout(error)) report.outcome = 'health timed out';
    if (error instanceof StoreLost) report.outcome = 'store lost';
    // The window is over all the same, and what comes after it is not ours.
    if (error instanceof PausedAgain) return say(error.message);
    throw error;
  }
}

async function stopOrKeep(window: Window, pause: LeasedPause, how: 'stop' | 'keep'): Promise<void> {
  const end = await pause[how]();
  await noteEnd(window, pause, end);
  if (end !== 'done') window.report.problems.push(notApplied(how, end));
  await collectReport(window, pause);
}

function notApplied(how: 'stop' | 'keep', end: End): string {
  const mayBe = end instanceof Unreachable && end.mayBeDone;
  const what = how === 'stop' ? 'The stop that you asked for' : 'Your --on-failure keep';
  return `${what} ${mayBe ? 'may not have been' : 'was not'} applied.`;
}

/** Adds to the report's problems what went wrong with a pause that ends. */
async function noteEnd(window: Window, pause: LeasedPause, end: End): Promise<void> {
  const { report } = window;
  if (end === 'done') {
    if (pause.wasStoreLost) report.problems.push(STORE_WAS_LOST);
  } else if (end === 'ended before') {
    if (report.outcome === 'failed') report.outcome = 'pause lost';
    // Where it was found earlier, it has been noted.
    if (!pause.lost.aborted) await noteLost(window, pause);
  } else {
    report.problems.push(notReached(window, pause, end));
  }
}

const STORE_WAS_LOST =
  'The store did not answer during a part of the pause, so other gateways may not have held all requests.';

function notReached({ options, client }: Window, pause: LeasedPause, end: CommandFailure): string {
  const { lease } = options;
  if (end instanceof Unreachable && end.isGone) return goneText({ client, lease }, pause.hasStore);
  return `THE PAUSE COULD NOT BE ENDED: ${end.message} Nobody renews it any more, so it ends within ${formatMs(lease)}.`;
}

async function collectReport(
  { client, options, clock, report }: Window,
  pause: LeasedPause,
): Promise<void> {
  addPause(report, await askForReport(client, options.app, pause.id, clock));
}

/** Adds to the report's problems why the pause has ended, and returns it. */
export async function noteLost(
  { client, clock, options, report }: Window,
  pause: LeasedPause,
): Promise<string> {
  const ended = await askForReport(client, options.app, pause.id, clock);
  const isStoreLost = pause.hasStore && (await askNow(client, options.app))?.isStoreLost === true;
  const text = `THE PAUSE HAS ENDED EARLY: ${whyEnded(ended, isStoreLost)}.`;
  report.problems.push(text);
  return text;
}
