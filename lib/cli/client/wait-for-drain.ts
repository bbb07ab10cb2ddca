/** Waits until an app has drained, for `antract pause --wait` and `antract drain`. */
import { formatCount, formatMs } from '../../common/format.js';
import { systemClock } from '../../common/clock.ts';
import { durationWithUnit } from '../../common/validate.ts';
import type { AdminClient, Body, QueryParameters } from './admin-client.ts';
import { StoreLostError } from './client-errors.ts';
import { lostParameter, type ClientOptions, type IgnoreLost } from './client-options.ts';
import { CommandFailure, EXIT_DRAIN_TIMEOUT } from '../cli-error.ts';
import { Progress } from './progress.ts';
import { Terminal } from '../terminal.ts';
import { exitCodeOf, watchInterruption } from '../signals.ts';
import { phaseText } from '../../gate/status-text.ts';
import { readNumber, readSnapshot } from './snapshot.ts';
import { printResult } from './print-state.ts';
import { missingText, STORE_LOST_DRAIN, snapshotStragglerLines } from '../format-status.ts';

/** How to drain one gateway without the store. */
const DRAIN_ALONE = 'If no other gateway serves requests, add --ignore-lost.';

/** How much longer than the requested wait the server may take to respond. */
const RESPONSE_MARGIN_MS = 10_000;

/** @param endpoint `enable` or `drain`, which both take `wait`. */
export async function waitForDrain(
  client: AdminClient,
  endpoint: string,
  parameters: QueryParameters & { readonly app: string },
  wait: string,
  flags: ClientOptions & IgnoreLost,
): Promise<void> {
  const timeout = durationWithUnit()('--wait', wait) + RESPONSE_MARGIN_MS;
  const terminal = new Terminal(process.stderr, process.env);
  const interruption = watchInterruption();
  const lost = lostParameter(flags);
  const progress = new Progress({
    client,
    app: parameters.app,
    terminal,
    clock: systemClock,
    ignoresLostStore: lost === 'ignore',
  });
  try {
    const { signal } = interruption;
    const options = { timeout, signal };
    const { body } = await progress.wait(endpoint, { ...parameters, wait, lost }, options);
    progress.stop();
    printDrained(flags, body);
  } catch (error) {
    if (error instanceof StoreLostError) throw notDrained({ ...error.body, drained: false }, true);
    if (interruption.name === undefined) throw error;
    throw new CommandFailure(
      `Interrupted by ${interruption.name}. A paused app stays paused; \`antract resume\` lets requests pass again.`,
      exitCodeOf(interruption.name),
      { code: 'ERR_ANTRACT_INTERRUPTED' },
    );
  } finally {
    progress.stop();
    interruption.stop();
  }
}

function printDrained(flags: ClientOptions & IgnoreLost, body: Body): void {
  if (body['drained'] === true) return printResult(flags, body);
  throw notDrained(body, readSnapshot(body).isStoreLost && flags.ignoreLost !== true);
}

/** @param needsStore whether the drain failed because the store does not answer. */
function notDrained(body: Body, needsStore: boolean): CommandFailure {
  const snapshot = readSnapshot(body);
  const { isStoreLost, warning } = snapshot;
  const where = isStoreLost ? ' at this gateway' : '';
  return new CommandFailure(
    [
      ...whyNotDrained(body, needsStore),
      `It stays ${phaseText(snapshot)}${where}: \`antract drain\` waits again, \`antract resume\` lets requests pass again.`,
      ...(warning === null ? [] : [warning]),
    ].join('\n'),
    EXIT_DRAIN_TIMEOUT,
    { details: body, ...(needsStore && { code: 'ERR_ANTRACT_STORE_LOST' }) },
  );
}

function whyNotDrained(body: Body, needsStore: boolean): string[] {
  const snapshot = readSnapshot(body);
  const { app, only, inFlight, missing, unacknowledged, stragglers } = snapshot;
  const waited = formatMs(readNumber(body['waitedMs']) ?? 0);
  const stillInFlight = `${only === null ? formatCount(inFlight, 'request') : only} still in flight`;
  const lines = snapshotStragglerLines(snapshot);
  if (needsStore) {
    return [
      `App ${app} is not drained: ${STORE_LOST_DRAIN} ${DRAIN_ALONE}`,
      ...(lines.length > 0 ? [`${stillInFlight}:`] : []),
      ...lines,
    ];
  }
  const isTimeout = missing.length === 0 || stragglers.length > 0;
  const isListed = lines.length > 0 || inFlight > 0;
  return [
    ...(isTimeout
      ? [
          `App ${app} did not drain within ${waited}${isListed ? `; ${stillInFlight}` : ''}${lines.length > 0 ? ':' : '.'}`,
        ]
      : []),
    ...lines,
    ...(unacknowledged.length > 0 ? [`Not acknowledged yet by ${unacknowledged.join(', ')}.`] : []),
    ...(missing.length > 0 ? [`App ${app} is not drained: ${missingText(missing)}`] : []),
  ];
}
