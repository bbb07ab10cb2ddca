/**
 * How a maintenance window ends: its pause is ended, waited out, and reported. Knows neither drain
 * nor command.
 */
import { formatMs } from '../format-duration.ts';
import { CommandFailure, EXIT_FAILED } from './failure.ts';
import type { End, OwnPause } from './own-pause.ts';
import { addPause, askForReport, whyEnded } from './run-report.ts';
import { PausedAgain, settle } from './settle.ts';
import { isHealthTimeout, refuseWhenLeaving, type Window } from './window-context.ts';

export async function endWindow(window: Window, pause: OwnPause): Promise<void> {
  const { options, report } = window;
  const commandCode = report.commandExitCode ?? EXIT_FAILED;
  if (window.leaving.name !== undefined) {
    await resume(window, pause);
    refuseWhenLeaving(window);
  }
  if (commandCode !== 0) {
    if (options.onFailure === 'resume') await resume(window, pause);
    else await stopOrKeep(window, pause);
    report.outcome = 'command failed';
    throw new CommandFailure('The command failed.', commandCode);
  }
  const end = await pause.resume();
  await noteEnd(window, pause, end);
  if (end !== 'done') {
    await collectReport(window, pause);
    report.outcome = 'pause lost';
    throw new CommandFailure('The command was done, but not all of it within the pause.');
  }
  try {
    await waitUntilBack(window);
  } finally {
    await collectReport(window, pause);
  }
  report.outcome = 'done';
}

/** Never fails: what goes wrong is said, and the lease does the rest. */
export async function resume(window: Window, pause: OwnPause): Promise<void> {
  await noteEnd(window, pause, await pause.resume());
  await collectReport(window, pause);
}

async function waitUntilBack(window: Window): Promise<void> {
  const { options, leaving, report, say } = window;
  say('resumed; waiting until those held are out.');
  try {
    await settle({ ...window, app: options.app }, options.healthTimeout, leaving.signal);
  } catch (error) {
    refuseWhenLeaving(window);
    if (isHealthTimeout(error)) report.outcome = 'health timed out';
    // The window is over all the same, and what comes after it is not ours.
    if (error instanceof PausedAgain) return say(error.message);
    throw error;
  }
}

async function stopOrKeep(window: Window, pause: OwnPause): Promise<void> {
  const { options, say } = window;
  const isStop = options.onFailure === 'stop';
  const end = isStop ? await pause.stop() : await pause.keep();
  await noteEnd(window, pause, end);
  await collectReport(window, pause);
  if (end !== 'done') return;
  say(
    isStop
      ? 'STOPPED, as --on-failure says: requests are answered 503 until `antract resume`.'
      : 'STILL PAUSED, as --on-failure says: until `antract resume`, or its longest time is over.',
  );
}

async function noteEnd(window: Window, pause: OwnPause, end: End): Promise<void> {
  const { options, report, say } = window;
  if (end === 'ended before' && report.outcome === 'failed') report.outcome = 'pause lost';
  // That has been said when it was found.
  if (end === 'done' || (end === 'ended before' && pause.lost.aborted)) return;
  const text =
    end === 'ended before'
      ? await lostText(window, pause)
      : `THE PAUSE COULD NOT BE ENDED; nobody renews it any more, so it ends within ${formatMs(options.lease)}.`;
  report.problems.push(text);
  say(text);
}

async function collectReport(
  { client, options, clock, report }: Window,
  pause: OwnPause,
): Promise<void> {
  addPause(report, await askForReport(client, options.app, pause.id, clock));
}

export async function lostText(
  { client, clock, options }: Window,
  pause: OwnPause,
): Promise<string> {
  const ended = await askForReport(client, options.app, pause.id, clock);
  return `THE PAUSE HAS ENDED EARLY: ${whyEnded(ended)}. Requests reach the backend, unless somebody else holds them.`;
}
