/** `antract run --dry-run`: estimates from recent traffic what a pause would do. Changes nothing. */
import { formatMs } from '../../common/format.js';
import type { AdminClient, Body } from '../client/admin-client.ts';
import { RefusedError } from '../client/client-errors.ts';
import { CommandFailure } from '../cli-error.ts';
import { printableJson } from '../../common/printable.ts';
import { snapshotLines } from '../format-status.ts';
import { readNumber, readSnapshot, type AppSnapshot } from '../client/snapshot.ts';

export interface DryRunOptions {
  readonly app: string;
  readonly drainTimeout: number;
  readonly json: boolean;
}

export async function dryRun(client: AdminClient, options: DryRunOptions): Promise<void> {
  const { app, drainTimeout, json } = options;
  const status = (await client.call('status', { app })).body;
  const traffic = await fetchTraffic(client, app);
  if (json) console.log(printableJson({ status, traffic }));
  else console.log(dryRunLines(readSnapshot(status), traffic, drainTimeout).join('\n'));
}

async function fetchTraffic(client: AdminClient, app: string): Promise<Body> {
  try {
    return (await client.call('traffic', { app })).body;
  } catch (error) {
    if (!(error instanceof RefusedError) || error.code !== 'ERR_ANTRACT_ADMIN_PATH') throw error;
    throw new CommandFailure('This server does not measure its traffic.', 1, { cause: error });
  }
}

function dryRunLines(snapshot: AppSnapshot, traffic: Body, drainTimeout: number): string[] {
  const windowMs = readNumber(traffic['windowMs']);
  const rate = readNumber(traffic['requestsPerSecond']);
  const slowest = readNumber(traffic['slowestMs']);
  const expected = readNumber(traffic['expectedHeldIn30s']);
  const period = windowMs === null ? 'lately' : `in the last ${formatMs(windowMs)}`;
  return [
    ...snapshotLines(snapshot),
    ...(rate === null ? [] : [`Traffic ${period}: ${round(rate)} requests per second.`]),
    ...(slowest === null ? [] : [`The slowest request took ${formatMs(slowest)}.`]),
    ...(expected === null ? [] : [`A pause of 30 s would hold about ${round(expected)} requests.`]),
    ...(slowest !== null && slowest > drainTimeout
      ? [`The drain may exceed --drain-timeout (${formatMs(drainTimeout)}) and be retried.`]
      : []),
    ...(snapshot.phase === 'running'
      ? []
      : ['The app is not running, so `antract run` would refuse.']),
    'Nothing was changed.',
  ];
}

function round(value: number): string {
  return String(value < 10 ? Math.round(value * 10) / 10 : Math.round(value));
}
