/**
 * How a maintenance window ends: its pause is ended, waited out, and reported.
 */
import { formatMs } from '../../common/format.js';
import { CommandFailure, EXIT_FAILED } from '../cli-error.ts';
import { StoreLostError, UnreachableError } from '../client/client-errors.ts';
import { gatewayGoneText, type End, type LeasedPause } from './leased-pause.ts';
import { addPause, fetchReport, fetchStatus, endReasonText } from './run-report.ts';
import { PausedAgainError, waitUntilBack } from '../client/wait-until-back.ts';
import { isHealthTimeout, throwIfInterrupted, type RunContext } from './run-context.ts';

/** The pause has ended, and this run did not end it. */
export class PauseLostError extends CommandFailure {
  constructor(message: string) {
    super(message, EXIT_FAILED, { code: 'ERR_ANTRACT_PAUSE_LOST' });
  }
}

export async function endWindow(context: RunContext, pause: LeasedPause): Promise<void> {
  const { options, report } = context;
  const commandCode = report.commandExitCode ?? EXIT_FAILED;
  if (context.interruption.name !== undefined) {
    await resume(context, pause);
    throwIfInterrupted(context);
  }
  if (commandCode !== 0) {
    report.outcome = 'command failed';
    if (options.onFailure === 'resume') await resume(context, pause);
    else await stopOrKeep(context, pause, options.onFailure);
    throw new CommandFailure(`${report.command} failed.`, commandCode, {
      code: 'ERR_ANTRACT_COMMAND_FAILED',
    });
  }
  const end = await pause.resume();
  await recordEnd(context, pause, end);
  if (end !== 'done') {
    await addPauseReport(context, pause);
    report.outcome = 'pause lost';
    const maybe = end === 'ended before' ? 'not' : 'maybe not';
    const done = `${report.command} was done, but ${maybe} all of it within the pause.`;
    throw new PauseLostError([...report.problems, done].join(' '));
  }
  try {
    await waitForBackend(context);
  } finally {
    await addPauseReport(context, pause);
  }
  report.outcome = 'done';
}

/**
 * Ends the pause and waits until clients are served again, so that the report covers that time too.
 * Never fails: what goes wrong is noted, and the lease does the rest.
 */
export async function resume(
  context: RunContext,
  pause: LeasedPause,
  patience: number = context.options.probeTimeout,
): Promise<void> {
  const end = await pause.resume();
  await recordEnd(context, pause, end);
  if (end === 'done' && !pause.isStoreLost) await waitWhileReleasing(context, patience);
  await addPauseReport(context, pause);
}

async function waitWhileReleasing(context: RunContext, patience: number): Promise<void> {
  const { options, interruption } = context;
  if (interruption.name !== undefined) return;
  try {
    await waitUntilBack({ ...context, app: options.app }, patience, interruption.signal);
  } catch (error) {
    if (interruption.name === undefined && !(error instanceof CommandFailure)) throw error;
  }
}

async function waitForBackend(context: RunContext): Promise<void> {
  const { options, interruption, report, print } = context;
  print('resumed; waiting until those held are out.');
  try {
    await waitUntilBack(
      { ...context, app: options.app },
      options.probeTimeout,
      interruption.signal,
    );
  } catch (error) {
    throwIfInterrupted(context);
    if (isHealthTimeout(error)) report.outcome = 'health timed out';
    if (error instanceof StoreLostError) report.outcome = 'store lost';
    // The window is over all the same, and what comes after it is not ours.
    if (error instanceof PausedAgainError) return print(error.message);
    throw error;
  }
}

async function stopOrKeep(
  context: RunContext,
  pause: LeasedPause,
  how: 'stop' | 'keep',
): Promise<void> {
  const end = await pause[how]();
  await recordEnd(context, pause, end);
  if (end !== 'done') context.report.problems.push(notAppliedText(how, end));
  await addPauseReport(context, pause);
}

function notAppliedText(how: 'stop' | 'keep', end: End): string {
  const mayBe = end instanceof UnreachableError && end.mayBeDone;
  const what = how === 'stop' ? 'The stop that you asked for' : 'Your --on-failure keep';
  return `${what} ${mayBe ? 'may not have been' : 'was not'} applied.`;
}

/** Adds to the report's problems what went wrong with a pause that ends. */
async function recordEnd(context: RunContext, pause: LeasedPause, end: End): Promise<void> {
  const { report } = context;
  if (end === 'done') {
    if (pause.wasStoreLost) report.problems.push(STORE_WAS_LOST);
  } else if (end === 'ended before') {
    if (report.outcome === 'failed') report.outcome = 'pause lost';
    // Where it was found earlier, it has been noted.
    if (!pause.lost.aborted) await recordEarlyEnd(context, pause);
  } else {
    report.problems.push(notEndedText(context, pause, end));
  }
}

const STORE_WAS_LOST =
  'The store did not answer during a part of the pause, so other gateways may not have held all requests.';

function notEndedText(
  { options, client }: RunContext,
  pause: LeasedPause,
  end: CommandFailure,
): string {
  const { lease } = options;
  if (end instanceof UnreachableError && end.isGone)
    return gatewayGoneText({ client, lease }, pause.hasStore);
  return `THE PAUSE COULD NOT BE ENDED: ${end.message} Nobody renews it any more, so it ends within ${formatMs(lease)}.`;
}

async function addPauseReport(
  { client, options, clock, report }: RunContext,
  pause: LeasedPause,
): Promise<void> {
  addPause(report, await fetchReport(client, options.app, pause.id, clock));
}

/** Adds to the report's problems why the pause has ended, and returns it. */
export async function recordEarlyEnd(
  { client, clock, options, report }: RunContext,
  pause: LeasedPause,
): Promise<string> {
  const ended = await fetchReport(client, options.app, pause.id, clock);
  const isStoreLost =
    pause.hasStore && (await fetchStatus(client, options.app))?.isStoreLost === true;
  const text = `THE PAUSE HAS ENDED EARLY: ${endReasonText(ended, isStoreLost)}.`;
  report.problems.push(text);
  return text;
}
