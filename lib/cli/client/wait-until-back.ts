/** Waits until a resumed app is running again: no request is held, and the probe has succeeded. */
import { formatMs } from '../../common/format.js';
import type { Body } from './admin-client.ts';
import { RefusedError } from './client-errors.ts';
import { CommandFailure, EXIT_FAILED, EXIT_PROBE_TIMEOUT } from '../cli-error.ts';
import { delay } from '../delay.ts';
import { Progress, type ProgressDeps } from './progress.ts';
import { readSnapshot } from './snapshot.ts';

/** How much longer than the requested wait the server may take to respond. */
const RESPONSE_MARGIN_MS = 10_000;
/** The time between two requests to a server that can't wait by itself. */
const POLL_MS = 250;

/** Another command paused the app during the wait. */
export class PausedAgainError extends CommandFailure {}

/** The backend did not answer in time, and antract has stopped the app (`probe.onTimeout`). */
export class GivenUpError extends CommandFailure {}

/**
 * Resolves with the last response of the server.
 *
 * @throws PausedAgainError, GivenUpError, CommandFailure with `EXIT_PROBE_TIMEOUT`, or what a call throws.
 */
export async function waitUntilBack(
  deps: ProgressDeps,
  wait: number,
  signal?: AbortSignal,
): Promise<Body> {
  const progress = new Progress(deps);
  try {
    const body = await waitAtServer(deps, progress, wait, signal);
    const snapshot = readSnapshot(body);
    if (snapshot.phase === 'pausing' || snapshot.phase === 'paused') {
      const text = `Another command paused the app again. ${snapshot.summary}`;
      throw new PausedAgainError(text, EXIT_FAILED, { details: body });
    }
    return body;
  } catch (error) {
    if (!(error instanceof RefusedError) || !ENDED.has(error.code)) throw error;
    throw await endOfRelease(deps, error);
  } finally {
    progress.stop();
  }
}

/** Resumes nothing: `if_pause: none` keeps an app paused that another command has paused meanwhile. */
async function waitAtServer(
  deps: ProgressDeps,
  progress: Progress,
  wait: number,
  signal?: AbortSignal,
): Promise<Body> {
  const { app } = deps;
  const options = { timeout: wait + RESPONSE_MARGIN_MS, ...(signal && { signal }) };
  try {
    const parameters = { app, wait: `${wait}ms`, if_pause: 'none' };
    const answer = await progress.wait('disable', parameters, options);
    if (answer.status === 202) throw notBack(wait, answer.body);
    return answer.body;
  } catch (error) {
    // An older server has neither this parameter nor a probe after a pause.
    if (error instanceof RefusedError && error.code === 'ERR_ANTRACT_OPTION') {
      return waitByPolling(deps, wait, signal);
    }
    throw error;
  }
}

async function waitByPolling(
  deps: ProgressDeps,
  wait: number,
  signal?: AbortSignal,
): Promise<Body> {
  const { client, app, clock } = deps;
  const end = clock.now() + wait;
  for (;;) {
    const { body } = await client.call('status', { app }, signal && { signal });
    const snapshot = readSnapshot(body);
    if (snapshot.phase !== 'releasing') return body;
    if (clock.now() >= end) throw notBack(wait, body);
    await delay(clock, POLL_MS, signal);
  }
}

const ENDED = new Set(['ERR_ANTRACT_ALREADY_PAUSED', 'ERR_ANTRACT_NOT_RELEASED']);

/** The app was paused or stopped before the release was over. Says by whom, or why. */
async function endOfRelease(
  { client, app }: ProgressDeps,
  refused: RefusedError,
): Promise<CommandFailure> {
  const { body } = await client.call('status', { app });
  const { phase, by, reason } = readSnapshot(body);
  // A command to stop has no reason.
  if (phase === 'stopped' && reason !== null) {
    const text = `${reason} So antract stopped the app (--probe-on-timeout).`;
    return new GivenUpError(text, EXIT_PROBE_TIMEOUT, { details: body });
  }
  if (refused.code === 'ERR_ANTRACT_ALREADY_PAUSED') {
    return new PausedAgainError(`Another command paused the app again: ${refused.message}`);
  }
  if (phase !== 'pausing' && phase !== 'paused') return refused;
  const text = `${by ?? 'Another command'} paused the app again before the release was over.`;
  return new CommandFailure(text, EXIT_FAILED, { code: refused.code, details: body });
}

function notBack(wait: number, body: Body): CommandFailure {
  const { summary, details } = readSnapshot(body);
  const sentences = [summary, ...details, 'Held requests continue to wait.'];
  return new CommandFailure(
    `Not running again within ${formatMs(wait)}. ${sentences.join(' ')}`,
    EXIT_PROBE_TIMEOUT,
    { details: body },
  );
}
