/** `antract pause`: holds new requests, and with `--wait` waits until the app has drained. */
import type { Command } from 'commander';
import { durationWithUnit } from '../../common/validate.ts';
import { DEFAULT_APP } from '../../options/app-name.ts';
import {
  addClientOptions,
  createClient,
  createExpect,
  createIgnoreLost,
  lostParameter,
  ONLY,
  type ClientOptions,
  type IgnoreLost,
} from '../client/client-options.ts';
import { printResult } from '../client/print-state.ts';
import { waitForDrain } from '../client/wait-for-drain.ts';

interface PauseFlags extends ClientOptions, IgnoreLost {
  readonly wait?: string;
  readonly maxTime?: string;
  readonly expect?: string;
  readonly only?: string;
  readonly reason?: string;
}

export function addPause(program: Command): void {
  addClientOptions(program.command('pause'))
    .description('Hold new requests of an app. Requests in flight continue.')
    .argument('[app]', 'name of the app', DEFAULT_APP)
    .option('--wait <duration>', 'wait up to this long until nothing is in flight')
    .addOption(createIgnoreLost())
    .option('--max-time <duration>', 'longest pause')
    .addOption(createExpect('pause'))
    .addOption(ONLY)
    .option('--reason <text>', 'reason in the status')
    .action(pause);
}

async function pause(app: string, flags: PauseFlags): Promise<void> {
  const client = createClient(flags);
  const { wait, maxTime, expect, only, reason } = flags;
  if (maxTime !== undefined) durationWithUnit({ min: 1 })('--max-time', maxTime);
  if (expect !== undefined) durationWithUnit()('--expect', expect);
  const parameters = { app, max_time: maxTime, expect, only, reason };
  if (wait !== undefined) return waitForDrain(client, 'enable', parameters, wait, flags);
  const { body } = await client.call('enable', { ...parameters, lost: lostParameter(flags) });
  printResult(flags, body);
}
