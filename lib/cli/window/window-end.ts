/** The end of a maintenance window: ends the pause, waits until the app runs again, and reports. */
import { formatMs } from '../../common/format.js';
import { CommandFailure, EXIT_FAILED } from '../cli-error.ts';
import { StoreLostError, UnreachableError } from '../client/client-errors.ts';
import { gatewayGoneText, type EndResult, type LeasedPause } from './leased-pause.ts';
import { delay } from '../delay.ts';
import {
  addPauseToReport,
  endReasonText,
  fetchPastReport,
  fetchReport,
  fetchStatus,
} from './run-report.ts';
import { readNumber } from '../client/snapshot.ts';
import { PausedAgainError, waitUntilBack } from '../client/wait-until-back.ts';
import { isProbeTimeout, throwIfInterrupted, type RunContext } from './run-context.ts';

/** The longest time in which requests pass between two attempts to drain. */
const BETWEEN_DRAINS_MS = 5000;

/** The pause ended early. */
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
    const result = `${report.command} succeeded, but ${maybe} all of it ran during the pause.`;
    throw new PauseLostError([...report.problems, result].join(' '));
  }
  try {
    await waitForBackend(context);
  } finally {
    await addPauseReport(context, pause);
  }
  report.outcome = 'done';
}

/**
 * Ends the pause and waits until the app runs again, so that the report covers the release. Never
 * throws: a failure becomes a problem in the report, and the lease ends the pause.
 */
export async function resume(context: RunContext, pause: LeasedPause): Promise<void> {
  await release(context, pause, context.options.probeTimeout);
  await addPauseReport(context, pause);
}

/** As {@link resume}, and lets requests pass for a while until the next try to drain. */
export async function resumeUntilNextTry(context: RunContext, pause: LeasedPause): Promise<void> {
  const { options, client, clock, interruption, report } = context;
  await release(context, pause, options.drainTimeout);
  await delay(clock, Math.min(BETWEEN_DRAINS_MS, options.drainTimeout), interruption.signal);
  const ended = await fetchReport(client, options.app, pause.id, clock);
  // Requests that are still held are held during the next pause, too, whose report counts them again.
  const isLast = interruption.name !== undefined;
  addPauseToReport(report, ended, isLast ? 0 : (readNumber(ended?.['stillHeld']) ?? 0));
}

async function release(context: RunContext, pause: LeasedPause, patience: number): Promise<void> {
  const end = await pause.resume();
  await recordEnd(context, pause, end);
  if (end === 'done' && !pause.isStoreLost) await waitWhileReleasing(context, patience);
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
  print('resumed; waiting until all held requests are released.');
  try {
    await waitUntilBack(
      { ...context, app: options.app },
      options.probeTimeout,
      interruption.signal,
    );
  } catch (error) {
    throwIfInterrupted(context);
    if (isProbeTimeout(error)) report.outcome = 'probe timed out';
    if (error instanceof StoreLostError) report.outcome = 'store lost';
    // This run is done, and the new pause belongs to another command.
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

function notAppliedText(how: 'stop' | 'keep', end: EndResult): string {
  const isUnknown = end instanceof UnreachableError && end.mayBeDone;
  return `--on-failure ${how} ${isUnknown ? 'may not have been' : 'was not'} applied.`;
}

/** Adds a problem to the report if the pause did not end as it should. */
async function recordEnd(context: RunContext, pause: LeasedPause, end: EndResult): Promise<void> {
  const { report } = context;
  if (end === 'done') {
    if (pause.wasStoreLost) report.problems.push(STORE_WAS_LOST);
  } else if (end === 'ended before') {
    if (report.outcome === 'failed') report.outcome = 'pause lost';
    // If it was found earlier, the report has it already.
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
    return gatewayGoneText({ client, lease }, pause.isDurable);
  return `THE PAUSE COULD NOT BE ENDED: ${end.message} Its lease is no longer renewed, so it ends within ${formatMs(lease)}.`;
}

async function addPauseReport(
  { client, options, clock, report }: RunContext,
  pause: LeasedPause,
): Promise<void> {
  const { app } = options;
  const ended =
    (await fetchReport(client, app, pause.id, clock)) ??
    (await fetchPastReport(client, app, pause.id));
  addPauseToReport(report, ended);
}

/** Adds the reason why the pause ended early to the report's problems, and returns it. */
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
