/**
 * Waits until an app that was resumed is back: nobody is held any more, and the backend answers
 * where the server looks. Knows no command.
 */
import { formatMs } from '../../common/format.js';
import type { Body } from './admin-client.ts';
import { RefusedError } from './client-errors.ts';
import { CommandFailure, EXIT_FAILED, EXIT_HEALTH_TIMEOUT } from '../cli-error.ts';
import { delay } from '../delay.ts';
import { Progress, type ProgressDeps } from './progress.ts';
import { readSnapshot } from './snapshot.ts';

const ANSWER_TIME = 10_000;
/** How often a server is asked that can't be asked to wait. */
const EVERY = 250;

/** Somebody else did; there is nothing to wait for. */
export class PausedAgainError extends CommandFailure {}

/**
 * Resolves with what the server said last.
 *
 * @throws PausedAgainError; CommandFailure with `EXIT_HEALTH_TIMEOUT`; and as a call.
 */
export async function waitUntilBack(
  watch: ProgressDeps,
  wait: number,
  signal?: AbortSignal,
): Promise<Body> {
  const progress = new Progress(watch);
  try {
    const body = await waitAtServer(watch, progress, wait, signal);
    const snapshot = readSnapshot(body);
    if (snapshot.phase === 'pausing' || snapshot.phase === 'paused') {
      const text = `Somebody has paused it again. ${snapshot.summary}`;
      throw new PausedAgainError(text, EXIT_FAILED, { details: body });
    }
    return body;
  } catch (error) {
    if (!(error instanceof RefusedError) || error.code !== 'ERR_ANTRACT_ALREADY_PAUSED')
      throw error;
    throw new PausedAgainError(`Somebody has paused it again: ${error.message}`);
  } finally {
    progress.stop();
  }
}

/** Asks for nothing but the wait: an app that somebody has paused meanwhile stays paused. */
async function waitAtServer(
  watch: ProgressDeps,
  progress: Progress,
  wait: number,
  signal?: AbortSignal,
): Promise<Body> {
  const { app } = watch;
  const options = { timeout: wait + ANSWER_TIME, ...(signal && { signal }) };
  try {
    const parameters = { app, wait: `${wait}ms`, if_pause: 'none' };
    const answer = await progress.wait('disable', parameters, options);
    if (answer.status === 202) throw notBack(wait, answer.body);
    return answer.body;
  } catch (error) {
    // A server that does not know `wait` here has no health gate either.
    if (error instanceof RefusedError && error.code === 'ERR_ANTRACT_OPTION') {
      return waitByAsking(watch, wait, signal);
    }
    throw error;
  }
}

async function waitByAsking(
  watch: ProgressDeps,
  wait: number,
  signal?: AbortSignal,
): Promise<Body> {
  const { client, app, clock } = watch;
  const end = clock.now() + wait;
  for (;;) {
    const { body } = await client.call('status', { app }, signal && { signal });
    const snapshot = readSnapshot(body);
    if (snapshot.phase !== 'releasing') return body;
    if (clock.now() >= end) throw notBack(wait, body);
    await delay(clock, EVERY, signal);
  }
}

function notBack(wait: number, body: Body): CommandFailure {
  const { summary, details } = readSnapshot(body);
  const sentences = [summary, ...details, 'Held requests continue to wait.'];
  return new CommandFailure(
    `Not back within ${formatMs(wait)}. ${sentences.join(' ')}`,
    EXIT_HEALTH_TIMEOUT,
    { details: body },
  );
}
