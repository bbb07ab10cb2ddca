/** `antract stop`: rejects held and new requests with 503. */
import type { Command } from 'commander';
import { durationWithUnit } from '../../common/validate.ts';
import { DEFAULT_APP } from '../../options/app-name.ts';
import {
  addClientOptions,
  createClient,
  createExpect,
  type ClientOptions,
} from '../client/client-options.ts';
import { printResult } from '../client/print-state.ts';

interface StopFlags extends ClientOptions {
  readonly maxTime?: string;
  readonly expect?: string;
  readonly message?: string;
}

export function addStop(program: Command): void {
  addClientOptions(program.command('stop'))
    .description('Answer 503 to held and new requests of an app, until resume or pause.')
    .argument('[app]', 'name of the app', DEFAULT_APP)
    .option(
      '--max-time <duration>',
      'longest stop; then the app resumes by itself (default: no end)',
    )
    .addOption(createExpect('stop'))
    .option('--message <text>', 'what clients are told')
    .action(stop);
}

async function stop(app: string, flags: StopFlags): Promise<void> {
  const client = createClient(flags);
  const { maxTime, expect, message } = flags;
  if (maxTime !== undefined) durationWithUnit({ min: 1 })('--max-time', maxTime);
  if (expect !== undefined) durationWithUnit()('--expect', expect);
  const { body } = await client.call('stop', { app, max_time: maxTime, expect, message });
  printResult(flags, body);
}
